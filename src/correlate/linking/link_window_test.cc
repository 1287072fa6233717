#include "correlate/linking/link_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"

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

TEST(LinkWindow, SlackOfEitherSideReachesBeyondTheRequest) {
  LinkWindow window;
  AddRequest(0, 100, &window);
  AddRequest(10, 50, &window);
  AddRequest(500, 900, &window);
  AddRequest(510, 900, &window);
  AddCall(105, 120, &window);  // after the first, by 20 at its end
  AddCall(480, 600, &window);  // before the third, by 20, and the fourth, by 30
  AddCall(980, 990, &window);
  const auto found = [&](int c) {
    const auto of = window.CandidatesOf(window.calls[c]);
    return std::vector<int>(of.begin(), of.end());
  };
  const auto find = [&] {
    window.Index(1);
    window.FindCandidates(10);
  };
  find();
  EXPECT_THAT(found(0), IsEmpty());
  window.requests[0].slack = 19;  // and 1 of the window
  window.calls[1].slack = 19;
  find();
  EXPECT_THAT(found(0), ElementsAre(0));
  EXPECT_THAT(found(1), ElementsAre(2));
  EXPECT_THAT(found(2), IsEmpty());
  window.requests[0].slack = 18.5;
  window.requests[3].slack = 10;  // both together
  find();
  EXPECT_THAT(found(0), IsEmpty());
  EXPECT_THAT(found(1), ElementsAre(2, 3));
}

TEST(LinkWindow, WithSlackTheSweepFindsWhatASearchOfAllPairsFinds) {
  Random random(7);
  for (int trial = 0; trial < 20; ++trial) {
    LinkWindow window;
    double now = 0;
    for (int i = 0; i < 200; ++i) {
      now += random.Exponential(10);
      AddRequest(now, now + random.Exponential(60), &window);
      if (random.Uniform() < .3) {
        window.requests.back().slack = static_cast<float>(random.Exponential(50));
      }
    }
    now = 0;
    for (int c = 0; c < 200; ++c) {
      now += random.Exponential(10);
      AddCall(now, now + random.Exponential(20), &window);
      if (random.Uniform() < .3) {
        window.calls.back().slack = static_cast<float>(random.Exponential(50));
      }
    }
    window.Index(1);
    window.FindCandidates(1'000);
    for (const Call& call : window.calls) {
      std::vector<int> all;
      for (int i = 0; i < 200; ++i) {
        if (window.Holds(window.requests[i], call)) all.push_back(i);
      }
      const auto found = window.CandidatesOf(call);
      ASSERT_EQ(std::vector<int>(found.begin(), found.end()), all) << "call " << call.id;
    }
  }
}

TEST(LinkWindow, OfTooManyCandidatesSomeStandForTheOthers) {
  LinkWindow window;
  for (int i = 0; i < 200; ++i) AddRequest(i, i % 2 == 0 ? 10'000 : 250, &window);
  AddCall(300, 400, &window);
  AddCall(301, 401, &window);
  window.Index(1);
  window.FindCandidates(8);
  for (const Call& call : window.calls) {
    EXPECT_TRUE(call.limited);
    const auto of = window.CandidatesOf(call);
    ASSERT_EQ(of.size(), 8u);
    ASSERT_TRUE(std::is_sorted(of.begin(), of.end()));
    // The latest six, each for itself, and one of each half of the 94 before.
    for (size_t x = of.size() - 6, i = 188; x < of.size(); ++x, i += 2) {
      EXPECT_EQ(of[x], static_cast<int>(i));
      EXPECT_EQ(window.StandsForAt(call, x), 0);
    }
    for (size_t x = 0; x < 2; ++x) EXPECT_NEAR(std::exp(window.StandsFor(call, of[x])), 47, .01);
  }
}

TEST(LinkWindow, TheDrawIsOfAllAlike) {
  // What the candidates stand for is as many as there are, and any is as likely as another.
  LinkWindow window;
  for (int i = 0; i < 1'000; ++i) AddRequest(i, 10'000, &window);
  for (int c = 0; c < 2'000; ++c) {
    AddCall(1'000 + c, 1'010 + c, &window);
    window.calls.back().id = 7'000 + c;
  }
  window.Index(1);
  window.FindCandidates(128);
  std::vector<double> parts(10, 0.0);
  for (const Call& call : window.calls) {
    const auto of = window.CandidatesOf(call);
    double all = 0;
    for (size_t x = 0; x < of.size(); ++x) {
      const double stands_for = std::exp(window.StandsForAt(call, x));
      all += stands_for;
      parts[of[x] / 100] += stands_for / 2'000;
    }
    EXPECT_NEAR(all, 1'000, .1);
  }
  for (const double part : parts) EXPECT_NEAR(part, 100, 5);
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
