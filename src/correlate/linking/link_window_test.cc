#include "correlate/linking/link_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tomograph::correlate::linking {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

void AddRequest(double start, double end, LinkWindow* window) {
  Request request;
  request.time = {start, end};
  request.id = 1 + window->requests.size();
  window->requests.push_back(request);
}

void AddCall(double start, double end, LinkWindow* window) {
  Call call;
  call.time = {start, end};
  call.id = 1'000 + window->calls.size();
  window->calls.push_back(call);
}

LinkModel OneKind(int slots) {
  LinkModel model;
  model.services.resize(1);
  model.services[0].kinds = {0};
  model.services[0].classes = 1;
  model.kinds.resize(1);
  std::vector<CallGroup> groups(1);
  groups[0].count = slots;
  model.kinds[0].SetGroups(std::move(groups), 1);
  return model;
}

TEST(LinkWindow, CandidatesHoldTheCall) {
  LinkWindow window;
  AddRequest(0, 100, &window);
  AddRequest(10, 50, &window);
  AddRequest(20, 200, &window);
  AddCall(21, 60, &window);    // not in the second
  AddCall(30, 40, &window);    // in all
  AddCall(150, 250, &window);  // in none
  window.Index(1);
  window.FindCandidates(10);
  EXPECT_THAT(window.CandidatesOf(window.calls[0]), ElementsAre(0, 2));
  EXPECT_THAT(window.CandidatesOf(window.calls[1]), ElementsAre(0, 1, 2));
  EXPECT_THAT(window.CandidatesOf(window.calls[2]), IsEmpty());
  EXPECT_FALSE(window.calls[1].limited);
}

TEST(LinkWindow, TooManyCandidatesAreTheLatestAndSaidToBe) {
  LinkWindow window;
  for (int i = 0; i < 50; ++i) AddRequest(i, 1'000, &window);
  AddCall(100, 200, &window);
  window.Index(1);
  window.FindCandidates(3);
  EXPECT_THAT(window.CandidatesOf(window.calls[0]), ElementsAre(47, 48, 49));
  EXPECT_TRUE(window.calls[0].limited);
}

TEST(LinkWindow, OverlapsReachBackFarEnough) {
  LinkWindow window;
  AddRequest(0, 10, &window);
  AddRequest(5, 100, &window);
  AddRequest(20, 30, &window);
  AddRequest(90, 95, &window);
  AddRequest(200, 210, &window);
  window.Index(1);
  EXPECT_EQ(window.requests[2].oldest_overlap, 1);
  EXPECT_EQ(window.requests[3].oldest_overlap, 1);
  EXPECT_EQ(window.requests[4].oldest_overlap, 4);
}

TEST(LinkWindow, SlotsStayInOrderOfStart) {
  LinkModel model = OneKind(3);
  LinkWindow window;
  AddRequest(0, 100, &window);
  for (int c = 0; c < 4; ++c) AddCall(10 * c, 10 * c + 5, &window);
  window.Index(1);
  window.LayOut(model);
  window.Give(model, 2, 0);
  window.Give(model, 0, 0);
  window.Give(model, 1, 0);
  EXPECT_THAT(window.slots, ElementsAre(0, 1, 2));
  EXPECT_EQ(window.FreeSlot(model, 0, 0), kNobody);
  window.Take(model, 1);
  EXPECT_THAT(window.slots, ElementsAre(0, 2, kNobody));
  EXPECT_EQ(window.calls[1].owner, kNobody);
  window.LayOut(model);
  EXPECT_THAT(window.slots, ElementsAre(0, 2, kNobody));
}

TEST(LinkWindow, AFactKeepsItsOwnerEvenWithoutASlot) {
  LinkModel model = OneKind(1);
  LinkWindow window;
  AddRequest(0, 100, &window);
  for (int c = 0; c < 2; ++c) {
    AddCall(10 * c, 10 * c + 5, &window);
    window.calls[c].owner = 0;
    window.calls[c].pinned = true;
  }
  window.Index(1);
  window.LayOut(model);
  EXPECT_EQ(window.calls[1].owner, 0);
}

}  // namespace
}  // namespace tomograph::correlate::linking
