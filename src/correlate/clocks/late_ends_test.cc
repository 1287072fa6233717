#include "correlate/clocks/late_ends.h"

#include <gtest/gtest.h>

namespace tomograph::correlate {
namespace {

constexpr Nanos kWindow = 5 * kSecond;
constexpr Nanos kWaited = 10 * kMillisecond;

/// A window of calls, `late` of which have a server span that is longer than its client's by
/// `excess`, and `late_work` of which work for as long.
AnswersSeen Window(int calls, int late, int late_work = 0, Nanos excess = kMillisecond) {
  AnswersSeen seen;
  for (int i = 0; i < calls; ++i)
    seen.Add(kWaited, kWaited + (i < late ? excess : -kMillisecond),
             kWaited + (i < late_work ? excess : -2 * kMillisecond));
  return seen;
}

AnswerSign SignAfter(const AnswersSeen& seen, Nanos quantum = kMicrosecond) {
  LateEnds ends;
  ends.Add(seen, quantum);
  ends.Close(kWindow, kWindow);
  return ends.sign();
}

TEST(LateEnds, BelievesEndsUntilThreeCallsAndOneInAHundredDisproveThem) {
  EXPECT_EQ(SignAfter(Window(300, 0)), AnswerSign::kEnd);
  EXPECT_EQ(SignAfter(Window(300, 2)), AnswerSign::kEnd);
  EXPECT_EQ(SignAfter(Window(300, 3)), AnswerSign::kWork);
  EXPECT_EQ(SignAfter(Window(301, 3)), AnswerSign::kEnd);
}

TEST(LateEnds, BeliefIsEarned) {
  EXPECT_EQ(SignAfter({}), AnswerSign::kStart);
  EXPECT_EQ(SignAfter(Window(49, 0)), AnswerSign::kStart);
  EXPECT_EQ(SignAfter(Window(50, 0)), AnswerSign::kWork);
  EXPECT_EQ(SignAfter(Window(299, 0)), AnswerSign::kWork);
  LateEnds seldom;
  for (int w = 1; w <= 300; ++w) {
    EXPECT_EQ(seldom.told_by(), AnswerSign::kWork);
    seldom.Add(Window(1, 0), kMicrosecond);
    seldom.Close(w * kMinute, kMinute);
  }
  EXPECT_EQ(seldom.sign(), AnswerSign::kEnd);
  AnswersSeen without_calls;
  for (int i = 0; i < 400; ++i) without_calls.Add(kWaited, kWaited + kMillisecond, 0);
  EXPECT_EQ(SignAfter(without_calls), AnswerSign::kStart);
}

TEST(LateEnds, CallsThatAreNotWaitedForLeaveTheStartAlone) {
  EXPECT_EQ(SignAfter(Window(500, 10, 2)), AnswerSign::kWork);
  EXPECT_EQ(SignAfter(Window(100, 10, 3)), AnswerSign::kStart);
}

TEST(LateEnds, WhatCoarseClocksMakeOfNothingIsNoProof) {
  const AnswersSeen seen = Window(300, 50, 0, 2 * kMillisecond);
  EXPECT_EQ(SignAfter(seen, kMillisecond), AnswerSign::kEnd);
  EXPECT_EQ(SignAfter(seen, 100 * kMicrosecond), AnswerSign::kWork);
  EXPECT_EQ(SignAfter(Window(300, 50, 0, 2 * kMillisecond + 1), kMillisecond), AnswerSign::kWork);
  EXPECT_EQ(SignAfter(Window(300, 50, 0, 3 * kSecond), kSecond), AnswerSign::kWork);
}

TEST(LateEnds, ProofAddsUpOverWindowsAndFades) {
  LateEnds often, seldom;
  for (int w = 1; w <= 400; ++w) {
    often.Add(Window(10, w % 10 == 0 ? 1 : 0), kMicrosecond);
    often.Close(w * kWindow, kWindow);
    seldom.Add(Window(1, w % 100 == 0 ? 1 : 0), kMicrosecond);
    seldom.Close(w * kWindow, kWindow);
  }
  EXPECT_EQ(often.sign(), AnswerSign::kWork);
  EXPECT_EQ(seldom.sign(), AnswerSign::kEnd);
}

TEST(LateEnds, ItIsBelievedAgainAnHourAfterTheLastProof) {
  LateEnds ends;
  ends.Add(Window(100, 30), kMicrosecond);
  ends.Close(kHour, kWindow);
  Nanos at = kHour;
  Nanos believed = 0;
  for (; at < 4 * kHour && believed == 0; at += kWindow) {
    ends.Add(Window(100, 0), kMicrosecond);
    ends.Close(at, kWindow);
    if (ends.sign() == AnswerSign::kEnd) believed = at;
  }
  // What faded still proves for some minutes.
  EXPECT_GT(believed, 2 * kHour);
  EXPECT_LT(believed, 2 * kHour + 20 * kMinute);
}

}  // namespace
}  // namespace tomograph::correlate
