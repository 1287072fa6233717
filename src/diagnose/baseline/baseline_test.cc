#include "diagnose/baseline/baseline.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "diagnose/baseline/onset.h"
#include "diagnose/baseline/robust.h"

namespace tomograph::diagnose {
namespace {

const double kNan = std::nan("");

TEST(Robust, MedianAndQuantilesIgnoreMissingValues) {
  EXPECT_DOUBLE_EQ(Median(std::vector<double>{3, kNan, 1, 2}), 2);
  EXPECT_DOUBLE_EQ(Median(std::vector<double>{4, 1, 2, 3}), 2.5);
  EXPECT_TRUE(std::isnan(Median(std::vector<double>{kNan})));
  EXPECT_DOUBLE_EQ(QuantileOfSorted(std::vector<double>{0, 10}, 0.25), 2.5);
}

TEST(Robust, ScaleOfAConstantIsItsFloor) {
  EXPECT_DOUBLE_EQ(RobustScale(std::vector<double>(60, 7.0), 0.35), 0.35);
  EXPECT_DOUBLE_EQ(RobustScale(std::vector<double>(5, 7.0), 0.35), 0.35);
  EXPECT_GT(RobustScale({}, 0), 0);
}

TEST(Robust, AnOlderIncidentInAShortWindowDoesNotWidenTheScale) {
  // Shortest half of {1..6, 100, 100}: four neighbours apart by 4 in all.
  EXPECT_DOUBLE_EQ(RobustScale(std::vector<double>{1, 2, 3, 4, 5, 6, 100, 100}, 0), 4 / 1.349);
}

TEST(Robust, ScaleOfManyNormalValuesIsTheirDeviation) {
  Random random(1);
  std::vector<double> values;
  for (int i = 0; i < 4000; ++i) values.push_back(random.Normal(10, 2));
  EXPECT_NEAR(RobustScale(values, 0), 2, 0.15);
}

TEST(Robust, BeliefIsHalfAtThreeAndOneSided) {
  EXPECT_DOUBLE_EQ(Belief(3), 0.5);
  EXPECT_EQ(Belief(-50), 0);
  EXPECT_EQ(Belief(kNan), 0);
}

Baseline Learned(const std::vector<double>& values) {
  Baseline b({0.05, 1e-9});
  for (const double v : values) b.Learn(0, v);
  return b;
}

TEST(Baseline, SaysNothingBeforeItKnowsEnough) {
  EXPECT_EQ(Learned({1, 1, 1}).Deviation(0, 1000), 0);
  EXPECT_EQ(Baseline({}).Deviation(0, 1), 0);
}

TEST(Baseline, IsTwoSidedAndIgnoresMissing) {
  const Baseline b = Learned(std::vector<double>(20, 10.0));
  EXPECT_DOUBLE_EQ(b.level(), 10);
  EXPECT_DOUBLE_EQ(b.scale(), 0.5);  // 5 % of the level: a constant is not certain
  EXPECT_DOUBLE_EQ(b.Deviation(0, 12), 4);
  EXPECT_DOUBLE_EQ(b.Deviation(0, 8), -4);
  EXPECT_EQ(b.Deviation(0, kNan), 0);
}

TEST(Baseline, AnIncidentDoesNotTeachItselfAtOnce) {
  Baseline b = Learned(std::vector<double>(60, 10.0));
  for (int i = 0; i < 10; ++i) b.Learn(0, 1000);
  EXPECT_LT(b.level(), 10.1);
  EXPECT_GT(b.Deviation(0, 1000), 50);
}

TEST(Baseline, ANightlyJobIsNormalFromTheThirdNightOn) {
  Baseline b({0.05, 1});
  const auto value_at = [](int hour) { return hour == 3 ? 100.0 : 10.0; };
  for (int hour = 0; hour < 24 * 3; ++hour) {
    for (int i = 0; i < 60; ++i) b.Learn(hour * kHour + i * kMinute, value_at(hour % 24));
  }
  for (int hour = 72; hour < 75; ++hour) {
    for (int i = 0; i < 60; ++i) b.Learn(hour * kHour + i * kMinute, 10);
  }
  // What is learned is clipped, so the slot approaches 100 slowly; it must at least shrink the
  // surprise at 3 o'clock and none of it at noon.
  EXPECT_LT(b.Deviation(75 * kHour, 14), b.Deviation(84 * kHour, 14));
  EXPECT_GT(b.Deviation(84 * kHour, 100), 20);
}

std::vector<Nanos> Steps(size_t n) {
  std::vector<Nanos> times;
  for (size_t i = 0; i < n; ++i) times.push_back(static_cast<Nanos>(i) * 5 * kSecond);
  return times;
}

TEST(Onset, FindsAStepWhereItIs) {
  std::vector<double> values(40, 1.0);
  for (size_t i = 25; i < 40; ++i) values[i] = 5;
  const Onset onset = FindOnset(values, Steps(40), 5 * kSecond, 0.1);
  ASSERT_TRUE(onset.found);
  EXPECT_EQ(onset.step, 25u);
  EXPECT_EQ(onset.time, 125 * kSecond);
  EXPECT_LE(onset.error, 5 * kSecond);
  EXPECT_GT(onset.z, 10);
}

TEST(Onset, FindsAFallAcrossMissingSteps) {
  std::vector<double> values(30, 8.0);
  for (size_t i = 12; i < 30; ++i) values[i] = 1;
  values[11] = values[12] = kNan;
  const Onset onset = FindOnset(values, Steps(30), 5 * kSecond, 0.1);
  ASSERT_TRUE(onset.found);
  EXPECT_LT(onset.z, 0);
  EXPECT_GE(onset.time + onset.error, 60 * kSecond);
  EXPECT_LE(onset.time - onset.error, 60 * kSecond);
}

TEST(Onset, NothingInConstantsNoiseOrTooFewValues) {
  EXPECT_FALSE(FindOnset(std::vector<double>(30, 3.0), Steps(30), kSecond, 0.1).found);
  EXPECT_FALSE(FindOnset(std::vector<double>{1}, Steps(1), kSecond, 0.1).found);
  EXPECT_FALSE(FindOnset({}, {}, kSecond, 0.1).found);
  int found = 0;
  Random random(7);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<double> values;
    for (int i = 0; i < 40; ++i) values.push_back(random.Normal(0, 1));
    found += FindOnset(values, Steps(40), kSecond, 0).found ? 1 : 0;
  }
  EXPECT_LE(found, 10);  // 5 %
}

TEST(Onset, ErrorBarsCoverNineOfTen) {
  Random random(3);
  int covered = 0, found = 0;
  for (int trial = 0; trial < 400; ++trial) {
    const size_t change = 10 + random.Below(20);
    std::vector<double> values;
    for (size_t i = 0; i < 40; ++i) values.push_back(random.Normal(i >= change ? 2.5 : 0, 1));
    const Onset onset = FindOnset(values, Steps(40), 5 * kSecond, 0);
    if (!onset.found) continue;
    ++found;
    const Nanos truth = static_cast<Nanos>(change) * 5 * kSecond;
    covered += std::abs(onset.time - truth) <= onset.error ? 1 : 0;
  }
  EXPECT_GT(found, 350);
  EXPECT_GE(covered, found * 85 / 100);
}

}  // namespace
}  // namespace tomograph::diagnose
