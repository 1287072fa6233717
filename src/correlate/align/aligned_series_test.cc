#include "correlate/align/aligned_series.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace tomograph::correlate {
namespace {

constexpr Nanos kStart = 1'700'000'000 * kSecond;
const Grid kGrid{kStart, 10 * kSecond, 12};

std::vector<Sample> Every(Nanos interval, Nanos until, double first, double rise) {
  std::vector<Sample> samples;
  for (Nanos t = 0; t <= until; t += interval)
    samples.push_back({kStart + t, first + rise * ToSeconds(t)});
  return samples;
}

TEST(AlignedSeries, ALevelKeepsItsMeanAtAnyRate) {
  for (const Nanos interval : {kSecond, 3 * kSecond, 10 * kSecond, 30 * kSecond}) {
    const AlignedSeries s = Align(Every(interval, 120 * kSecond, 4, 0), Reading::kLevel, {}, kGrid);
    EXPECT_EQ(s.interval, interval);
    for (const double v : s.values) EXPECT_NEAR(v, 4, 1e-9);
  }
}

TEST(AlignedSeries, ACounterBecomesItsRateAtAnyRate) {
  for (const Nanos interval : {kSecond, 3 * kSecond, 15 * kSecond}) {
    const AlignedSeries s =
        Align(Every(interval, 120 * kSecond, 1e9, 2.5), Reading::kCounter, {}, kGrid);
    for (const double v : s.values) EXPECT_NEAR(v, 2.5, 1e-6);
  }
}

TEST(AlignedSeries, CountsAddUp) {
  Random random(3);
  std::vector<Sample> samples;
  double total = 0;
  for (Nanos t = 5 * kSecond; t <= 120 * kSecond; t += 5 * kSecond) {
    samples.push_back({kStart + t, static_cast<double>(random.Below(100))});
    total += samples.back().value;
  }
  const AlignedSeries s = Align(samples, Reading::kCount, {}, kGrid);
  double sum = 0;
  for (const double v : s.values) sum += v * 10;
  EXPECT_NEAR(sum, total, 1e-6);
}

TEST(AlignedSeries, AGapIsNotBridgedAndARestartIsNotARate) {
  std::vector<Sample> samples = Every(5 * kSecond, 120 * kSecond, 1000, 1);
  samples.erase(samples.begin() + 6, samples.begin() + 13);  // 30 s .. 60 s
  for (const Reading reading : {Reading::kLevel, Reading::kCounter, Reading::kCount}) {
    const AlignedSeries s = Align(samples, reading, {}, kGrid);
    EXPECT_TRUE(std::isnan(s.values[4]));
    EXPECT_TRUE(std::isfinite(s.values[1]));
    EXPECT_TRUE(std::isfinite(s.values[8]));
  }
  samples = Every(5 * kSecond, 120 * kSecond, 1000, 1);
  for (size_t i = 12; i < samples.size(); ++i) samples[i].value -= 1040;
  const AlignedSeries s = Align(samples, Reading::kCounter, {}, kGrid);
  EXPECT_EQ(s.restarts, 1U);
  for (const double v : s.values) EXPECT_TRUE(std::isnan(v) || std::abs(v - 1) < 1e-9);
}

TEST(AlignedSeries, OrderAndRepetitionDoNotMatter) {
  std::vector<Sample> samples = Every(7 * kSecond, 120 * kSecond, 1, 1);
  const AlignedSeries in_order = Align(samples, Reading::kLevel, {}, kGrid);
  std::vector<Sample> shuffled(samples.rbegin(), samples.rend());
  shuffled.push_back(samples[3]);
  shuffled.push_back({kStart, std::nan("")});
  const AlignedSeries other = Align(shuffled, Reading::kLevel, {}, kGrid);
  EXPECT_EQ(other.values, in_order.values);
  EXPECT_EQ(other.ignored, 2U);
}

TEST(AlignedSeries, TheClockMovesTimesAndItsBoundIsKept) {
  telemetry::ClockSegment segment;
  segment.from = kStart - kHour;
  segment.to = kStart + kHour;
  segment.reference = telemetry::EntityId{1};
  segment.offset = 20 * kSecond;
  segment.below = segment.above = {kSecond, kSecond, kSecond};
  segment.measured = segment.applied = true;
  std::vector<Sample> samples = Every(5 * kSecond, 120 * kSecond, 0, 1);
  for (Sample& s : samples) s.time += 20 * kSecond;
  const std::vector<telemetry::ClockSegment> clock{segment};
  const AlignedSeries s = Align(samples, Reading::kLevel, clock, kGrid);
  EXPECT_NEAR(s.values[5], 55, 2.6);
  EXPECT_EQ(s.clock_bound, kSecond);
  EXPECT_EQ(s.timing_error(), kSecond + 5 * kSecond / 2);
  EXPECT_FALSE(Align(samples, Reading::kLevel, {}, kGrid).clock_is_known());
}

TEST(AlignedSeries, TimesOfAKnownAndOfAnUnknownClockAreNotMixed) {
  telemetry::ClockSegment segment;
  segment.from = kStart + 30 * kSecond;
  segment.to = kStart + kHour;
  segment.offset = 20 * kSecond;
  segment.below = segment.above = {kSecond, kSecond, kSecond};
  segment.measured = segment.applied = true;
  telemetry::ClockSegment nothing;  // it stepped, say
  nothing.from = kStart - kHour;
  std::vector<Sample> samples = Every(5 * kSecond, 140 * kSecond, 0, 1);
  for (Sample& s : samples) s.time += 20 * kSecond;
  const auto align = [&] {
    nothing.to = segment.from;
    const std::vector<telemetry::ClockSegment> clock{nothing, segment};
    return Align(samples, Reading::kCounter, clock, kGrid);
  };
  AlignedSeries s = align();
  EXPECT_EQ(s.restarts, 0U) << "the first ones, not moved, would lie among later ones";
  EXPECT_NEAR(ToSeconds(s.clock_bound), 1, 1e-6);
  EXPECT_EQ(s.ignored, 6U);
  EXPECT_TRUE(std::isnan(s.values[1]));
  for (size_t i = 3; i < 12; ++i) EXPECT_NEAR(s.values[i], 1, 1e-9);

  segment.from = kStart + 100 * kSecond;
  s = align();
  EXPECT_FALSE(s.clock_is_known()) << "known for less than half";
  EXPECT_FALSE(s.corrected);
  EXPECT_EQ(s.ignored + s.restarts, 0U);
  EXPECT_NEAR(s.values[8], 1, 1e-9);
}

TEST(AlignedSeries, WhatLiesAroundTheGridDoesNotCount) {
  telemetry::ClockSegment segment;
  segment.from = kStart - kSecond;
  segment.to = kStart + kHour;
  segment.below = segment.above = {kSecond, kSecond, kSecond};
  segment.measured = true;
  const std::vector<telemetry::ClockSegment> clock{segment};
  std::vector<Sample> samples = Every(5 * kSecond, 300 * kSecond, 0, 1);
  samples.push_back({kStart - 5 * kSecond, 1000});  // before anything was known of the clock
  samples.push_back({kStart + 200 * kSecond, std::nan("")});
  const AlignedSeries s = Align(samples, Reading::kCounter, clock, kGrid);
  EXPECT_EQ(s.samples, 24U);
  EXPECT_EQ(s.ignored, 0U);
  EXPECT_NEAR(ToSeconds(s.clock_bound), 1, 1e-6);
  EXPECT_FALSE(s.corrected);
}

TEST(AlignedSeries, OddInputGivesAnAnswer) {
  EXPECT_EQ(Align({}, Reading::kLevel, {}, kGrid).values.size(), 12U);
  EXPECT_TRUE(Align({}, Reading::kLevel, {}, Grid{}).values.empty());
  const std::vector<Sample> far{{INT64_MIN, 1}, {kStart + 15 * kSecond, 2}, {INT64_MAX, 3}};
  for (const Reading reading : {Reading::kLevel, Reading::kCounter, Reading::kCount}) {
    for (const double v : Align(far, reading, {}, kGrid).values)
      EXPECT_TRUE(std::isnan(v) || std::isfinite(v));
  }
  const std::vector<Sample> one{{kStart + 15 * kSecond, 2}};
  const AlignedSeries s = Align(one, Reading::kLevel, {}, kGrid);
  EXPECT_DOUBLE_EQ(s.values[1], 2);
  EXPECT_TRUE(std::isnan(s.values[3]));
}

}  // namespace
}  // namespace tomograph::correlate
