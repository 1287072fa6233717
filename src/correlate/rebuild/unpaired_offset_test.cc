#include "correlate/rebuild/unpaired_offset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace tomograph::correlate {
namespace {

constexpr double kReach = 2;  // s

struct Sides {
  std::vector<CallTime> sent, received;
};

struct Traffic {
  double seconds = 5, per_s = 10;
  double offset = 0;   // what the callee's clock is ahead
  double period = 0;   // between calls, if they are regular
  double unsent = 0;   // share of what was received that nothing was sent of
  double takes = .05;  // mean beyond 10 ms
  double way = .0006;  // mean of each, beyond .2 ms
  double back = 0;     // s that the way back takes more
};

void Sort(std::vector<CallTime>* calls) {
  std::sort(calls->begin(), calls->end(),
            [](const CallTime& a, const CallTime& b) { return a.start < b.start; });
}

/// What was sent goes on beyond what was received.
Sides Make(const Traffic& traffic, Random* random) {
  Sides sides;
  const auto way = [&] { return .0002 + random->Exponential(traffic.way); };
  const auto wait = [&] {
    return traffic.period > 0 ? traffic.period : random->Exponential(1 / traffic.per_s);
  };
  for (double t = wait() - kReach; t < traffic.seconds + kReach; t += wait()) {
    const double came = t + way(), left = came + .01 + random->Exponential(traffic.takes);
    if (random->Uniform() >= traffic.unsent) sides.sent.push_back({t, left + way() + traffic.back});
    if (came >= 0 && came < traffic.seconds)
      sides.received.push_back({came + traffic.offset, left + traffic.offset});
  }
  Sort(&sides.sent);
  return sides;
}

UnpairedOffset::Posterior Search(const Sides& sides, const UnpairedOffset::Prior& prior = {},
                                 double reach = kReach, double room = .003) {
  return UnpairedOffset(sides.sent, sides.received, 0, reach, room).Given(prior);
}

TEST(UnpairedOffset, FindsTheOffsetAndSaysHowFarItMayBeOff) {
  for (const double per_s : {5., 15., 60.}) {
    for (const double offset : {-1.9, -.04, 0., .007, 1.3}) {
      int found = 0, within = 0;
      for (uint64_t seed = 1; seed <= 20; ++seed) {
        Random random(seed);
        const auto at = Search(Make({.per_s = per_s, .offset = offset}, &random));
        found += at.found;
        EXPECT_FALSE(at.found && std::abs(at.offset - offset) > .002) << per_s << " " << offset;
        within += at.found && std::abs(at.offset - offset) < 2 * at.sigma;
        EXPECT_FALSE(at.found && at.sigma > .001);
      }
      EXPECT_GE(found, 19) << per_s << " " << offset;
      // The ways there and back are alike, so that the middle of what is allowed is the truth.
      EXPECT_GE(within, 15) << per_s << " " << offset;
    }
  }
}

TEST(UnpairedOffset, WaysThatDifferAreWithinWhatItSays) {
  for (const double back : {0., .0005, .001}) {
    int within = 0;
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      Random random(seed);
      const auto at = Search(Make({.per_s = 30, .offset = .3, .back = back}, &random));
      ASSERT_TRUE(at.found);
      within += std::abs(at.offset - .3) < 2 * at.sigma;
      EXPECT_LT(at.sigma, .0002 + back) << back;
    }
    EXPECT_GE(within, 19) << back;  // 95 of 100
  }
}

TEST(UnpairedOffset, TellsTheShareThatHasASender) {
  Random random(3);
  const auto at = Search(Make({.seconds = 25, .offset = .3, .unsent = .4}, &random));
  ASSERT_TRUE(at.found);
  EXPECT_NEAR(at.offset, .3, .002);
  EXPECT_NEAR(at.share, .6, .1);
  EXPECT_LT(at.chance, .06);
  EXPECT_GT(at.evidence, 0);
}

TEST(UnpairedOffset, WhatDoesNotBelongTogetherHasNoOffset) {
  for (const double per_s : {2., 10., 60.}) {
    for (const double room : {.001, .01, .3}) {
      int found = 0;
      for (uint64_t seed = 1; seed <= 50; ++seed) {
        Random random(seed);
        Sides sides = Make({.per_s = per_s}, &random);
        sides.received = Make({.per_s = per_s}, &random).received;
        found += Search(sides, {}, kReach, room).found;
      }
      EXPECT_LE(found, 1) << per_s << " " << room;
    }
  }
}

TEST(UnpairedOffset, OutOfReachNothingIsFound) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    EXPECT_FALSE(Search(Make({.seconds = 15, .offset = 3}, &random)).found) << seed;
  }
}

TEST(UnpairedOffset, OfTwoOffsetsThatExplainAsMuchNoneIsFound) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    // As regular as a timer's, and all alike.
    const Sides sides = Make({.period = .1, .takes = 1e-9, .way = 1e-9}, &random);
    EXPECT_FALSE(Search(sides).found) << seed;
    EXPECT_TRUE(Search(sides, {}, .04).found) << seed << ": within less than a period it is one";
  }
}

TEST(UnpairedOffset, WhatWasExpectedStandsUntilCallsDisproveIt) {
  const UnpairedOffset::Prior in_sync{.offset = 0, .sigma = 1e-3};
  const auto nothing = Search({}, in_sync);
  EXPECT_FALSE(nothing.found);
  EXPECT_EQ(nothing.expected, 1);
  EXPECT_EQ(Search({}).expected, 0);
  Random random(4);
  const auto confirmed = Search(Make({.offset = .0005}, &random), in_sync);
  EXPECT_TRUE(confirmed.found);
  EXPECT_GT(confirmed.expected, .999);
  EXPECT_NEAR(confirmed.offset, .0005, .0005);
  const auto disproved = Search(Make({.offset = .5}, &random), in_sync);
  EXPECT_TRUE(disproved.found);
  EXPECT_LT(disproved.expected, .001);
  EXPECT_NEAR(disproved.offset, .5, .002);
}

TEST(UnpairedOffset, FewCallsDoNotOverthrowWhatIsKnown) {
  // Two calls that meet elsewhere, of a clock that is known to 1 ms.
  const Sides sides{.sent = {{0, .05}, {1, 1.06}}, .received = {{.701, .7501}, {1.7, 1.759}}};
  const auto at = Search(sides, {.offset = 0, .sigma = 1e-3, .share = .95});
  EXPECT_FALSE(at.found && std::abs(at.offset) > .01);
}

TEST(UnpairedOffset, ManyCallsAreLookedAtInASmallerReach) {
  Random random(6);
  const Sides sides = Make({.per_s = 2'000, .offset = .01}, &random);
  const auto near = Search(sides);
  EXPECT_TRUE(near.found);
  EXPECT_NEAR(near.offset, .01, .002);
  const auto far = Search(Make({.per_s = 2'000, .offset = 1.5}, &random));
  EXPECT_FALSE(far.found);
}

TEST(UnpairedOffset, ACallIsAroundWhatItHoldsWithRoomToSpare) {
  const std::vector<CallTime> sent{{0, 1}, {5, 5.2}};
  EXPECT_TRUE(HasSentAround(sent, {.02, .98}, .05, 0, 0));
  EXPECT_FALSE(HasSentAround(sent, {.02, .9}, .05, 0, 0)) << "it takes longer than that";
  EXPECT_FALSE(HasSentAround(sent, {.02, 1.01}, .05, 0, 0)) << "it ends later";
  EXPECT_FALSE(HasSentAround(sent, {-.01, .98}, .05, 0, 0)) << "it starts before";
  EXPECT_TRUE(HasSentAround(sent, {-.01, .98}, .05, 0, .02)) << "give or take";
  EXPECT_TRUE(HasSentAround(sent, {3.02, 3.98}, .05, 3, 0)) << "its clock is ahead";
  EXPECT_FALSE(HasSentAround(sent, {3.02, 3.98}, .05, 2.9, 0));
  EXPECT_TRUE(HasSentAround(sent, {5.01, 5.19}, .05, 0, 0));
  EXPECT_FALSE(HasSentAround({}, {0, 1}, .05, 0, 0));
}

}  // namespace
}  // namespace tomograph::correlate
