#include "correlate/linking/first_guess.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace tomograph::correlate::linking {
namespace {

struct Crowd {
  LinkModel model;
  LinkWindow window;

  explicit Crowd(int slots = 1) {
    model.services.resize(1);
    model.services[0].kinds = {0};
    model.services[0].classes = 1;
    model.kinds.resize(1);
    std::vector<CallGroup> groups(1);
    groups[0].count = slots;
    model.kinds[0].SetGroups(std::move(groups), 1);
  }
  void AddRequest(double start, double end) {
    Request request;
    request.time = {start, end};
    window.requests.push_back(request);
  }
  void AddCall(double start, double end) {
    Call call;
    call.time = {start, end};
    window.calls.push_back(call);
  }
  void Start() {
    window.Index(1);
    window.FindCandidates(100);
    window.LayOut(model);
  }
};

TEST(FirstGuess, GapsThatRepeatDecide) {
  // Requests of any length overlap; a call starts 500 us after its request, give or take 4.
  Crowd crowd;
  Random random(1);
  double t = 0;
  for (int i = 0; i < 400; ++i) {
    t += random.Exponential(300);
    crowd.AddRequest(t, t + 2'000 + random.Exponential(3'000));
    crowd.AddCall(t + random.Normal(500, 4), t + 1'500);
  }
  crowd.Start();
  GuessAny(0, true, &crowd.window, &crowd.model);
  int right = 0;
  for (int c = 0; c < 400; ++c) right += crowd.window.calls[c].owner == c;
  EXPECT_GE(right, 360);
  // The gaps are learned now: a later guess needs no rounds and finds the same.
  for (Call& call : crowd.window.calls) call.owner = kNobody, call.fresh = true;
  crowd.window.LayOut(crowd.model);
  GuessAny(0, false, &crowd.window, &crowd.model);
  right = 0;
  for (int c = 0; c < 400; ++c) right += crowd.window.calls[c].owner == c;
  EXPECT_GE(right, 360);
}

TEST(FirstGuess, MakesRoomForWhoHasNoOtherChoice) {
  // The first call may be of either request, the second of the first alone.
  Crowd crowd;
  crowd.AddRequest(0, 100);
  crowd.AddRequest(10, 60);
  crowd.AddCall(20, 30);
  crowd.AddCall(50, 90);
  crowd.Start();
  for (const bool first_come : {false, true}) {
    for (Call& call : crowd.window.calls) call.owner = kNobody, call.fresh = true;
    crowd.window.LayOut(crowd.model);
    if (first_come) {
      GuessFirstCome(0, &crowd.window, crowd.model);
    } else {
      GuessAny(0, true, &crowd.window, &crowd.model);
    }
    EXPECT_EQ(crowd.window.calls[0].owner, 1);
    EXPECT_EQ(crowd.window.calls[1].owner, 0);
  }
}

TEST(FirstGuess, AsManyCallsAsThereIsRoomFor) {
  for (const int slots : {1, 2}) {
    Crowd crowd(slots);
    crowd.AddRequest(0, 100);
    for (int c = 0; c < 3; ++c) crowd.AddCall(10 + c, 50 + c);
    crowd.Start();
    GuessAny(0, true, &crowd.window, &crowd.model);
    int owned = 0;
    for (const Call& call : crowd.window.calls) owned += call.owner == 0;
    EXPECT_EQ(owned, slots);
  }
}

}  // namespace
}  // namespace tomograph::correlate::linking
