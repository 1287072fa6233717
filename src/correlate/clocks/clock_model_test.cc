#include "correlate/clocks/clock_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "base/random.h"
#include "correlate/clocks/simulated_clocks.h"

namespace tomograph::correlate {
namespace {

using telemetry::ClockFinding;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(ClockModel, FindsOffsetAndDriftWithAsymmetricDelays) {
  Simulation sim;
  sim.clocks = {{}, {5 * kMillisecond, 40e-6, {}}};
  sim.links = {{}};
  ClockModel model;
  sim.Feed(&model);
  const auto clocks = model.Clocks();
  ASSERT_THAT(clocks, SizeIs(2));
  EXPECT_TRUE(ClockOf(clocks, 0).is_reference());
  const HostClock& other = ClockOf(clocks, 1);
  ASSERT_THAT(other.segments, SizeIs(20));
  EXPECT_NEAR(other.segments.back().drift, 40e-6, 1e-6);
  EXPECT_TRUE(other.segments.back().applied);
  const Score score = ScoreOf(sim, clocks);
  EXPECT_EQ(score.inside, score.checked);
  EXPECT_LT(score.rms(), 40 * kMicrosecond);
  const Nanos raw = kT0 + 50 * kSecond + sim.clocks[1].Ahead(kT0 + 50 * kSecond);
  const auto c = model.CorrectionOf(HostId(1), raw);
  EXPECT_TRUE(c.corrected);
  EXPECT_NEAR(raw - c.offset - kT0, 50 * kSecond, 50 * kMicrosecond);
  EXPECT_GT(c.bound, 0);
}

/// Beside others that go on calling, too.
TEST(ClockModel, FiveMinutesAfterItsLastCallNothingIsKnownOfAHost) {
  Simulation sim;
  sim.windows = 140;
  sim.clocks = {{}, {5 * kMillisecond, 40e-6, {}}, {-3 * kMillisecond, 0, {}}};
  SimulatedLink silent, other;
  silent.silent_from = 60 * kSecond;
  other.server = 2;
  sim.links = {silent, other};
  ClockModel model;
  sim.Feed(&model, [&](int w) {
    const Nanos end = kT0 + (w + 1) * sim.window;
    const std::vector<HostClock> clocks = model.Clocks();
    const HostClock& clock = ClockOf(clocks, 1);
    const bool known = end - clock.last_contact <= telemetry::kClockMemory;
    const Nanos raw = end - kMillisecond;
    EXPECT_EQ(known, model.CorrectionOf(HostId(1), raw).corrected) << w;
    EXPECT_EQ(known, !clock.segments.back().says_nothing()) << w;
    if (!known) {
      EXPECT_EQ(model.CorrectionOf(HostId(1), raw).bound, telemetry::kUnknownBound);
    }
    EXPECT_TRUE(model.CorrectionOf(HostId(2), raw).corrected);
  });
  const auto clocks = model.Clocks();
  EXPECT_LE(ClockOf(clocks, 1).last_contact, kT0 + 60 * kSecond + sim.window);
  EXPECT_TRUE(model.CorrectionOf(HostId(1), kT0 + 200 * kSecond).corrected) << "then it was known";
}

TEST(ClockModel, WhatCameBeforeTheFirstCallsIsCorrectedByTheirLine) {
  Simulation sim;
  sim.clocks = {{}, {50 * kMillisecond, 40e-6, {}}};
  sim.links = {{}};
  sim.links[0].silent_from = 0;
  sim.links[0].silent_to = 60 * kSecond;
  ClockModel model;
  sim.Feed(&model);
  Nanos wider = 0;
  for (const Nanos t : {70 * kSecond, 55 * kSecond, 5 * kSecond, -200 * kSecond}) {
    const Nanos raw = kT0 + t + sim.clocks[1].Ahead(kT0 + t);
    const auto c = model.CorrectionOf(HostId(1), raw);
    EXPECT_TRUE(c.corrected) << ToSeconds(t);
    EXPECT_LE(std::abs(raw - c.offset - kT0 - t), c.bound) << ToSeconds(t);
    EXPECT_GT(c.bound, wider);
    wider = c.bound;
  }
  EXPECT_FALSE(model.CorrectionOf(HostId(1), kT0 - 300 * kSecond).corrected);
}

TEST(ClockModel, AClockTooFarOffToBeCorrectedIsToldAsRaw) {
  Simulation sim;
  sim.clocks = {{}, {7 * kSecond, 0, {}}};
  sim.links = {{}};
  ClockModel model({.most_corrected = 5 * kSecond});
  sim.Feed(&model);
  const auto clocks = model.Clocks();
  const ClockSegment& last = ClockOf(clocks, 1).segments.back();
  EXPECT_TRUE(last.measured);
  EXPECT_NEAR(static_cast<double>(last.offset), 7e9, 1e6);
  EXPECT_FALSE(last.applied);
  const auto c = model.CorrectionOf(HostId(1), kT0 + 50 * kSecond);
  EXPECT_FALSE(c.corrected);
  EXPECT_EQ(c.offset, 0);
  EXPECT_GT(c.bound, 7 * kSecond);
}

/// A clock that runs off faster than quartz does looks like steps at first.
TEST(ClockModel, AClockThatRunsOffIsDriftInTheEnd) {
  for (const double drift : {-300e-6, 150e-6, 300e-6}) {
    Simulation sim;
    sim.clocks = {{}, {5 * kMillisecond, drift, {}}};
    sim.links = {{}};
    ClockModel model;
    sim.Feed(&model);
    SCOPED_TRACE(std::to_string(drift * 1e6) + " ppm");
    const auto clocks = model.Clocks();
    EXPECT_NEAR(ClockOf(clocks, 1).segments.back().drift, drift, 2e-6);
    EXPECT_LE(ClockOf(clocks, 1).steps.size(), 2u);
    const Score score = ScoreOf(sim, clocks);
    EXPECT_EQ(score.inside, score.checked);
  }
}

TEST(ClockModel, AStepInAShortHistoryIsNoDrift) {
  for (const double at : {7.5, 8.3, 12.5, 13.7}) {
    Simulation sim;
    sim.clocks = {{}, {5 * kMillisecond, 40e-6, {{FromSeconds(at), kMillisecond}}}};
    sim.links = {{.rate = 60}};
    ClockModel model;
    sim.Feed(&model);
    SCOPED_TRACE(std::to_string(at));
    const auto clocks = model.Clocks();
    ASSERT_THAT(ClockOf(clocks, 1).steps, SizeIs(1));
    EXPECT_NEAR(static_cast<double>(ClockOf(clocks, 1).steps[0].size), 1e6, 150e3);
    EXPECT_NEAR(ClockOf(clocks, 1).segments.back().drift, 40e-6, 3e-6);
  }
}

TEST(ClockModel, NamesAStepWithinOneWindowAndGoesOnAtItsDrift) {
  for (const Nanos size : {kMillisecond, 3 * kMillisecond, -kMillisecond, kSecond, -kHour}) {
    for (const double at : {40.5, 41.0, 42.5, 44.7, 44.99}) {
      Simulation sim;
      sim.clocks = {{}, {5 * kMillisecond, 40e-6, {{FromSeconds(at), size}}}};
      sim.links = {{}};
      ClockModel model;
      int named = -1;
      sim.Feed(&model, [&](int w) {
        if (named < 0 && !ClockOf(model.Clocks(), 1).steps.empty()) named = w;
      });
      SCOPED_TRACE(std::to_string(size) + " at " + std::to_string(at));
      EXPECT_GE(named, 8);
      EXPECT_LE(named, 9);
      const auto clocks = model.Clocks();
      ASSERT_THAT(ClockOf(clocks, 1).steps, SizeIs(1));
      const auto& step = ClockOf(clocks, 1).steps[0];
      EXPECT_NEAR(static_cast<double>(step.size), static_cast<double>(size), 150e3);
      EXPECT_LE(step.from - kT0, FromSeconds(at));
      EXPECT_GE(step.to - kT0 + kSecond, FromSeconds(at));
      EXPECT_NEAR(ClockOf(clocks, 1).segments.back().drift, 40e-6, 2e-6);
    }
  }
}

TEST(ClockModel, AJumpOfTheReferenceIsItsOwn) {
  Simulation sim;
  sim.clocks = {{0, 0, {{42 * kSecond, 30 * kMillisecond}}}, {}, {}, {}};
  for (int s = 1; s < 4; ++s) sim.links.push_back({.client = 0, .server = s});
  ClockModel model;
  sim.Feed(&model);
  const auto clocks = model.Clocks();
  ASSERT_TRUE(ClockOf(clocks, 0).is_reference());
  ASSERT_THAT(ClockOf(clocks, 0).steps, SizeIs(1));
  EXPECT_NEAR(static_cast<double>(ClockOf(clocks, 0).steps[0].size), 30e6, 200e3);
  for (int s = 1; s < 4; ++s) EXPECT_THAT(ClockOf(clocks, s).steps, IsEmpty());
  const Nanos raw = kT0 + 80 * kSecond + 30 * kMillisecond;
  EXPECT_NEAR(static_cast<double>(model.CorrectionOf(HostId(0), raw).offset), 30e6, 200e3);
}

TEST(ClockModel, PoolsOverTheGraphAndSaysHowMuchItsLoopsContradict) {
  Simulation sim;
  sim.clocks = {{}, {7 * kMillisecond, 10e-6, {}}, {-4 * kMillisecond, -20e-6, {}}};
  sim.links = {{.client = 0, .server = 1}, {.client = 1, .server = 2}, {.client = 0, .server = 2}};
  // 400 us more on one way there: 200 us that no pair can see alone, spread over the loop's three.
  sim.links[2].least_there += 400e-6;
  ClockModel model;
  sim.Feed(&model);
  const auto clocks = model.Clocks();
  const HostClock& reference = ClockOf(clocks, HostNumber(ClockOf(clocks, 1).reference));
  for (int h = 0; h < 3; ++h) {
    if (ClockOf(clocks, h).is_reference()) continue;
    const double truth =
        sim.TrueOffset(h, HostNumber(reference.id), kT0 + 20 * kWindow - kWindow / 2);
    EXPECT_NEAR(static_cast<double>(ClockOf(clocks, h).segments.back().offset), truth, 180e3);
    EXPECT_NEAR(ClockOf(clocks, h).loop_residual, 200e-6 / std::sqrt(3.0), 40e-6);
    EXPECT_GT(ClockOf(clocks, h).segments.back().error, 10 * kMicrosecond);
  }
  const Score score = ScoreOf(sim, clocks);
  EXPECT_EQ(score.inside, score.checked);
}

TEST(ClockModel, OneDirectionBoundsOneSideAndCorrectsNothing) {
  Simulation sim;
  sim.clocks = {{}, {-5 * kMillisecond, 0, {}}};
  sim.links = {{.client = 0, .server = 1, .awaited = false}};
  ClockModel model;
  sim.Feed(&model);
  const auto clocks = model.Clocks();
  const HostClock& other = ClockOf(clocks, 1);
  ASSERT_FALSE(other.segments.empty());
  const ClockSegment& s = other.segments.back();
  EXPECT_FALSE(s.measured);
  EXPECT_FALSE(s.applied);
  EXPECT_EQ(s.below[1], kUnbounded);
  EXPECT_EQ(s.above[1], 0);
  // offset <= the bound: truth is -5 ms, the fastest message took 100 us and more.
  EXPECT_GT(s.offset, -5 * kMillisecond);
  EXPECT_LT(s.offset, -4 * kMillisecond);
  const auto c = model.CorrectionOf(HostId(1), kT0 + 60 * kSecond);
  EXPECT_FALSE(c.corrected);
  EXPECT_EQ(c.offset, 0);
  EXPECT_EQ(c.bound, telemetry::kUnknownBound);
}

TEST(ClockModel, MessagesBothWaysMeasure) {
  Simulation sim;
  sim.clocks = {{}, {-5 * kMillisecond, 0, {}}};
  sim.links = {{.client = 0, .server = 1, .awaited = false},
               {.client = 1, .server = 0, .awaited = false}};
  ClockModel model;
  sim.Feed(&model);
  const auto clocks = model.Clocks();
  EXPECT_TRUE(ClockOf(clocks, 1).segments.back().measured);
  const Score score = ScoreOf(sim, clocks);
  EXPECT_EQ(score.inside, score.checked);
}

TEST(ClockModel, AClockThatMayBeRightIsLeftAlone) {
  Simulation sim;
  sim.clocks = {{}, {50 * kMicrosecond, 0, {}}};
  sim.links = {{}};
  ClockModel model;
  sim.Feed(&model);
  const auto c = model.CorrectionOf(HostId(1), kT0 + 50 * kSecond);
  EXPECT_FALSE(c.corrected);
  EXPECT_EQ(c.offset, 0);
  EXPECT_GE(c.bound, 50 * kMicrosecond);
  EXPECT_FALSE(model.corrects());
}

TEST(ClockModel, LeavesOutAFewBadSpansAndNamesTheWindow) {
  Simulation sim;
  sim.clocks = {{}, {5 * kMillisecond, 40e-6, {}}};
  sim.links = {{}};
  int bad = 0;
  sim.damage = [&](Random*, Contact* c) {
    if (c->started < kT0 + 52 * kSecond || bad > 0) return;
    ++bad;
    c->server_start -= 30 * kMillisecond;
    c->server_end -= 30 * kMillisecond;
  };
  ClockModel model;
  sim.Feed(&model);
  ASSERT_THAT(model.Findings(), SizeIs(1));
  const ClockFinding f = model.Findings()[0];
  EXPECT_EQ(f.kind, ClockFinding::Kind::kOutliers);
  EXPECT_EQ(f.from, kT0 + 50 * kSecond);
  EXPECT_GT(f.size, 25 * kMillisecond);
  const Score score = ScoreOf(sim, model.Clocks());
  EXPECT_EQ(score.inside, score.checked);
}

TEST(ClockModel, NamesAWindowThatNoClockExplains) {
  Simulation sim;
  sim.clocks = {{}, {}};
  sim.links = {{}};
  sim.damage = [](Random* random, Contact* c) {
    if (c->started < kT0 + 50 * kSecond || c->started > kT0 + 55 * kSecond) return;
    const Nanos wrong = static_cast<Nanos>(random->Normal(0, 1e9));
    c->server_start += wrong;
    c->server_end += wrong;
  };
  ClockModel model;
  sim.Feed(&model);
  bool named = false;
  for (const ClockFinding& f : model.Findings())
    named |= f.kind == ClockFinding::Kind::kContradiction && f.from == kT0 + 50 * kSecond;
  EXPECT_TRUE(named);
  // And it finds back.
  const auto clocks = model.Clocks();
  EXPECT_TRUE(ClockOf(clocks, 1).segments.back().measured);
  EXPECT_LT(std::abs(ClockOf(clocks, 1).segments.back().offset), 200 * kMicrosecond);
}

TEST(ClockModel, ClocksYearsApartLoseNoMicrosecond) {
  Simulation sim;
  sim.clocks = {{}, {-50LL * 365 * 24 * kHour, 40e-6, {}}};
  sim.links = {{}};
  ClockModel model;
  sim.Feed(&model);
  const auto clocks = model.Clocks();
  const ClockSegment& s = ClockOf(clocks, 1).segments.back();
  const Nanos truth = sim.clocks[1].Ahead(s.from + kWindow / 2);
  EXPECT_LT(std::abs(s.offset - truth), 60 * kMicrosecond);
  const Nanos t = s.from + kSecond;
  EXPECT_NEAR(static_cast<double>(t + sim.clocks[1].Ahead(t) -
                                  model.CorrectionOf(HostId(1), t + sim.clocks[1].Ahead(t)).offset),
              static_cast<double>(t), 60e3);
}

TEST(ClockModel, RefusesWhatNoClockShows) {
  ClockModel model;
  model.Open(kT0, kWindow);
  Contact c{HostId(0), HostId(1), kT0, kT0 + 10, kT0 + 2, kT0 + 5, kT0, kT0 + 10, true};
  Contact negative = c;
  negative.server_end = negative.server_start - 1;
  model.Add(negative);
  Contact extreme = c;
  extreme.server_start = INT64_MIN;
  model.Add(extreme);
  extreme = c;
  extreme.client_end = INT64_MAX;
  model.Add(extreme);
  model.Close();
  EXPECT_EQ(model.stats().contacts, 3u);
  EXPECT_EQ(model.stats().unusable, 3u);
  EXPECT_TRUE(model.silent());
}

TEST(ClockModel, NothingInNothingOut) {
  ClockModel model;
  for (int w = 0; w < 5; ++w) {
    model.Open(kT0 + w * kWindow, kWindow);
    model.Close();
  }
  EXPECT_TRUE(model.silent());
  EXPECT_THAT(model.Clocks(), IsEmpty());
  const auto c = model.CorrectionOf(HostId(0), kT0);
  EXPECT_EQ(c.bound, telemetry::kUnknownBound);
  EXPECT_FALSE(c.corrected);
}

TEST(ClockModel, AHostWithoutContactStaysUnknownAndIsForgottenAgain) {
  Simulation sim;
  sim.clocks = {{}, {5 * kMillisecond, 0, {}}};
  sim.links = {{}};
  sim.windows = 4;
  ClockModel model;
  model.Name(HostId(7), "alone");
  sim.Feed(&model);
  EXPECT_EQ(model.CorrectionOf(HostId(7), kT0 + kWindow).bound, telemetry::kUnknownBound);
  const Nanos last = kT0 + 4 * kWindow + 5 * kMillisecond;
  const auto fresh = model.CorrectionOf(HostId(1), last - kSecond);
  const auto later = model.CorrectionOf(HostId(1), last + kMinute);
  EXPECT_TRUE(later.corrected);
  EXPECT_GE(later.bound, fresh.bound + 11 * kMillisecond);  // 200 us a second
  EXPECT_FALSE(model.CorrectionOf(HostId(1), last + 6 * kMinute).corrected);
  EXPECT_EQ(model.CorrectionOf(HostId(1), last + 6 * kMinute).bound, telemetry::kUnknownBound);
}

/// All ends are late. The callee's last call, of 5 ms, is what it waited for before it answered.
TEST(ClockModel, LateEndsAreNotTakenAtTheirWord) {
  double off = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Simulation sim;
    sim.seed = seed;
    sim.windows = 60;
    sim.clocks = {{}, {20 * kMillisecond, 20e-6, {}}};
    sim.links = {{.rate = 2, .there = 1e-3, .back = 1e-3}};
    sim.damage = [](Random* random, Contact* c) {
      const Nanos longer = 5 * kMillisecond;
      for (Nanos* end : {&c->server_end, &c->client_end, &c->ended}) *end += longer;
      c->worked_until = c->server_end - FromSeconds(random->Exponential(100e-6));
      c->worked = c->worked_until - longer;
      c->server_end += FromSeconds(1e-3 * random->Uniform());
    };
    ClockModel model;
    sim.Feed(&model);
    const ClockSegment last = ClockOf(model.Clocks(), 1).segments.back();
    off += (last.OffsetAt(last.to) - sim.TrueOffset(1, 0, last.to)) / 20;
  }
  EXPECT_LT(std::abs(off), 120e3);
}

/// A callee that calls nobody and takes its time: only its start is sure, which bounds loosely. The
/// estimate goes by what most ends make likely.
TEST(ClockModel, LateEndsOfASlowCalleeLeaveItsOffsetKnown) {
  double widths = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Simulation sim;
    sim.seed = seed;
    sim.clocks = {{}, {20 * kMillisecond, 40e-6, {}}};
    sim.links = {{}};
    sim.damage = [](Random* random, Contact* c) {
      for (Nanos* end : {&c->server_end, &c->client_end, &c->ended}) *end += 15 * kMillisecond;
      Lateness{}(random, c);
    };
    ClockModel model;
    sim.Feed(&model);
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Score score = ScoreOf(sim, model.Clocks());
    EXPECT_EQ(score.inside, score.checked);
    EXPECT_LT(score.rms(), 150 * kMicrosecond);
    const std::vector<HostClock> clocks = model.Clocks();
    const ClockSegment& last = ClockOf(clocks, 1).segments.back();
    EXPECT_TRUE(last.applied);
    EXPECT_GT(HalfWidth(last), 15e6 / 2 - 500e3);
    widths += HalfWidth(last) / 40;
    EXPECT_NEAR(last.drift, 40e-6, 10e-6);
  }
  EXPECT_NEAR(widths, 15e6 / 2, 500e3);
}

TEST(ClockModel, LatenessThatBeginsIsFoundOutAndNoStep) {
  int checked = 0;
  double tight = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Simulation sim;
    sim.seed = seed;
    sim.clocks = {{}, {20 * kMillisecond, 40e-6, {}}};
    sim.links = {{}};
    Lateness late;
    late.from = FromSeconds(45 + 0.1 * static_cast<double>(seed % 50));
    late.calls_others = seed % 2 == 0;
    sim.damage = late;
    ClockModel model;
    sim.Feed(&model);
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::vector<HostClock> clocks = model.Clocks();
    const Nanos proof = ProofOf(sim);
    EXPECT_LT(proof, kT0 + 55 * kSecond);
    for (const telemetry::ClockStep& step : ClockOf(clocks, 1).steps)
      ADD_FAILURE() << "step of " << step.size << " ns from " << ToSeconds(step.from - kT0)
                    << " s, late from " << ToSeconds(late.from) << ", proof in the window from "
                    << ToSeconds(proof - kT0);
    tight += HalfWidth(ClockOf(clocks, 1).segments[5]) / 60;
    for (HostClock& c : clocks)
      std::erase_if(c.segments, [&](const ClockSegment& s) {
        return s.from >= kT0 + 45 * kSecond && s.from < proof;
      });
    const Score score = ScoreOf(sim, clocks);
    EXPECT_EQ(score.inside, score.checked);
    checked += score.checked;
    EXPECT_TRUE(ClockOf(clocks, 1).segments.back().applied);
    EXPECT_NEAR(ClockOf(clocks, 1).segments.back().drift, 40e-6, 10e-6);
  }
  EXPECT_GT(checked, 60 * 19 * 3 - 1);
  EXPECT_LT(tight, 300e3);
}

/// Clients that gave up are no proof: what is known stays as exact as it was.
TEST(ClockModel, TwoCallsThatOutlastTheirClientsChangeNoOthers) {
  Simulation sim;
  sim.clocks = {{}, {5 * kMillisecond, 40e-6, {}}};
  sim.links = {{}};
  ClockModel whole;
  sim.Feed(&whole);
  int given_up = 0;
  sim.damage = [&](Random*, Contact* c) {
    if (c->started < kT0 + (given_up + 4) * 10 * kSecond || given_up == 2) return;
    ++given_up;
    c->server_end += 50 * kMillisecond;
  };
  ClockModel model;
  sim.Feed(&model);
  EXPECT_EQ(given_up, 2);
  const auto a = whole.Clocks(), b = model.Clocks();
  for (size_t i = 0; i < 20; ++i)
    EXPECT_NEAR(HalfWidth(ClockOf(a, 1).segments[i]), HalfWidth(ClockOf(b, 1).segments[i]), 60e3);
}

/// A clock that is read to the millisecond at the start of a span does not show it in its ends.
TEST(ClockModel, StartsInMillisecondsWidenBothSides) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Simulation sim;
    sim.seed = seed;
    sim.clocks = {{}, {20 * kMillisecond + 300 * kMicrosecond, 40e-6, {}}};
    sim.links = {{.rate = 60}};
    sim.damage = Lateness{.share = 0, .as_node = true};
    ClockModel model;
    sim.Feed(&model);
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Score score = ScoreOf(sim, model.Clocks());
    EXPECT_EQ(score.inside, score.checked);
    EXPECT_LT(score.rms(), 200 * kMicrosecond);
  }
}

TEST(ClockModel, TheOrderOfCallsDoesNotMatter) {
  Simulation sim;
  sim.clocks = {{}, {5 * kMillisecond, 40e-6, {{60 * kSecond, 4 * kMillisecond}}}, {}};
  sim.links = {{}, {.client = 1, .server = 2}, {.client = 0, .server = 2}};
  sim.damage = Lateness{.calls_others = true, .from = 30 * kSecond};
  ClockModel one, other;
  sim.Feed(&one);
  sim.Feed(&other, nullptr, /*reversed=*/true);
  const auto a = one.Clocks(), b = other.Clocks();
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].segments.size(), b[i].segments.size());
    for (size_t k = 0; k < a[i].segments.size(); ++k) {
      EXPECT_EQ(a[i].segments[k].offset, b[i].segments[k].offset);
      EXPECT_EQ(a[i].segments[k].drift, b[i].segments[k].drift);
      EXPECT_EQ(a[i].segments[k].above, b[i].segments[k].above);
    }
  }
}

TEST(ClockModel, KeepsToItsLimits) {
  ClockOptions options;
  options.max_hosts = 6;
  options.max_pairs = 4;
  options.max_segments = 60;
  options.max_findings = 3;
  Simulation sim;
  for (int h = 0; h < 9; ++h) sim.clocks.push_back({h * 10 * kMillisecond, 0, {}});
  for (int h = 1; h < 9; ++h) sim.links.push_back({.client = 0, .server = h});
  sim.windows = 40;
  ClockModel model(options);
  sim.Feed(&model);
  EXPECT_LE(model.Clocks().size(), 6u);
  EXPECT_GT(model.stats().refused, 0u);
  size_t segments = 0;
  for (const HostClock& c : model.Clocks()) segments += c.segments.size();
  EXPECT_LE(segments, 66u);
  EXPECT_LE(model.Findings().size(), 3u);
}

/// A late end that no span outlasts, since the way there took long: calls within the callee's own
/// host, by one clock, give it away.
TEST(ClockModel, CallsWithinAHostTellThatItsEndsAreLate) {
  Simulation sim;
  sim.clocks = {{}, {20 * kMillisecond, 40e-6, {}}};
  sim.links = {{.least_there = 5e-3}, {.client = 1, .server = 1, .rate = 5, .least_there = 5e-3}};
  sim.damage = Lateness{.share = 0.5, .seconds = [](Random* r) { return 4e-3 * r->Uniform(); }};
  ClockModel model;
  sim.Feed(&model);
  const Score score = ScoreOf(sim, model.Clocks());
  EXPECT_EQ(score.inside, score.checked);
  EXPECT_EQ(score.checked, 60);
}

TEST(ClockModel, TellsOfACallThatContradictsItsOwnHost) {
  ClockModel model;
  model.Open(kT0, kWindow);
  // Found in a public recording: the answer ended 794 us after the call, on one machine.
  model.Add({HostId(0), HostId(0), kT0, kT0 + 2485 * kMicrosecond, kT0 + 2915 * kMicrosecond,
             kT0 + 3279 * kMicrosecond, kT0, kT0 + 3279 * kMicrosecond, true});
  model.Close();
  ASSERT_THAT(model.Findings(), SizeIs(1));
  EXPECT_EQ(model.Findings()[0].kind, ClockFinding::Kind::kWithinHost);
  EXPECT_EQ(model.Findings()[0].size, 794 * kMicrosecond);
}

}  // namespace
}  // namespace tomograph::correlate
