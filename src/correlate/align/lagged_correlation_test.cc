#include "correlate/align/lagged_correlation.h"

#include <gtest/gtest.h>

#include "correlate/align/simulated_series.h"

namespace tomograph::correlate {
namespace {

constexpr size_t kCells = 360;
constexpr int kLags = 60;

LaggedCorrelation Correlate(const AlignedSeries& a, const AlignedSeries& b, int lags = kLags) {
  return CorrelateLagged(Whiten(a), Whiten(b), lags);
}

TEST(LaggedCorrelation, IndependentSeriesAreRarelyCalledRelated) {
  for (int c = 0; c < kCourses; ++c) {
    for (const double missing : {0.0, 0.1}) {
      int called = 0;
      constexpr int kPairs = 400;
      for (int seed = 0; seed < kPairs; ++seed) {
        Random random(static_cast<uint64_t>(seed) * 2 + 1);
        const auto course = static_cast<Course>(c);
        const AlignedSeries a = OnGrid(Simulate(course, kCells, &random), missing, &random);
        const AlignedSeries b = OnGrid(Simulate(course, kCells, &random), missing, &random);
        const LaggedCorrelation found = Correlate(a, b);
        called += found.identifiable == Identifiable::kYes && found.p <= 0.05;
      }
      EXPECT_LE(called, kPairs * 7 / 100) << CourseName(static_cast<Course>(c)) << " " << missing;
    }
  }
}

TEST(LaggedCorrelation, AFollowerIsFoundWithItsLag) {
  for (const Course course :
       {Course::kWhite, Course::kSluggish, Course::kRandomWalk, Course::kSeasonal}) {
    int called = 0, covered = 0;
    constexpr int kPairs = 100;
    for (int seed = 0; seed < kPairs; ++seed) {
      Random random(static_cast<uint64_t>(seed) + 1000);
      const std::vector<double> x = Simulate(course, kCells, &random);
      const size_t lag = random.Below(40);
      const std::vector<double> y = Follower(course, x, lag, 0.3, &random);
      const LaggedCorrelation found = Correlate(OnGrid(x, 0, &random), OnGrid(y, 0, &random));
      if (found.identifiable != Identifiable::kYes || found.p > 0.05) continue;
      ++called;
      const Nanos truth = static_cast<Nanos>(lag) * 5 * kSecond;
      covered += found.lag_least <= truth && truth <= found.lag_most;
    }
    EXPECT_GE(called, kPairs * 9 / 10) << CourseName(course);
    EXPECT_GE(covered, called * 9 / 10) << CourseName(course);
  }
}

TEST(LaggedCorrelation, SwappedSeriesGiveTheOppositeLag) {
  Random random(7);
  const std::vector<double> x = Simulate(Course::kSluggish, kCells, &random);
  const auto a = Whiten(OnGrid(x, 0.05, &random));
  const auto b = Whiten(OnGrid(Follower(Course::kSluggish, x, 9, 0.5, &random), 0.05, &random));
  const auto forward = CorrelateLagged(a, b, kLags), backward = CorrelateLagged(b, a, kLags);
  EXPECT_EQ(forward.lag, 45 * kSecond);
  EXPECT_EQ(backward.lag, -forward.lag);
  EXPECT_EQ(backward.lag_least, -forward.lag_most);
  EXPECT_NEAR(backward.p, forward.p, 1e-12);
}

TEST(LaggedCorrelation, TheScaleOfTheValuesDoesNotMatter) {
  Random random(8);
  const std::vector<double> x = Simulate(Course::kSluggish, kCells, &random);
  std::vector<double> y = Follower(Course::kSluggish, x, 3, 0.3, &random);
  const auto found = Correlate(OnGrid(x, 0, &random), OnGrid(y, 0, &random));
  for (double& v : y) v = -1e6 * v + 3e8;
  const auto scaled = Correlate(OnGrid(x, 0, &random), OnGrid(y, 0, &random));
  EXPECT_EQ(scaled.lag, found.lag);
  EXPECT_NEAR(scaled.r, -found.r, 1e-3);
}

TEST(LaggedCorrelation, TimingErrorsWidenTheInterval) {
  Random random(9);
  const std::vector<double> x = Simulate(Course::kWhite, kCells, &random);
  AlignedSeries a = OnGrid(x, 0, &random);
  AlignedSeries b = OnGrid(Follower(Course::kWhite, x, 3, 0.5, &random), 0, &random);
  const auto sharp = Correlate(a, b);
  a.clock_bound = 2 * kSecond;
  b.interval = 15 * kSecond;
  const auto wide = Correlate(a, b);
  EXPECT_EQ(wide.lag_most - sharp.lag_most, 2 * kSecond + 15 * kSecond / 2);
  EXPECT_TRUE(wide.clocks_known);
  a.clock_bound = telemetry::kUnknownBound;
  EXPECT_FALSE(Correlate(a, b).clocks_known);
}

TEST(LaggedCorrelation, WhatCannotBeToldIsNotTold) {
  Random random(10);
  const AlignedSeries noise = OnGrid(Simulate(Course::kWhite, kCells, &random), 0, &random);
  const AlignedSeries constant = OnGrid(std::vector<double>(kCells, 7.1), 0, &random);
  const AlignedSeries nothing = OnGrid(std::vector<double>(kCells, 1), 1, &random);
  EXPECT_EQ(Correlate(noise, constant).identifiable, Identifiable::kConstant);
  EXPECT_EQ(Correlate(constant, noise).identifiable, Identifiable::kConstant);
  EXPECT_EQ(Correlate(noise, nothing).identifiable, Identifiable::kTooLittle);
  EXPECT_EQ(Correlate(noise, OnGrid({}, 0, &random)).identifiable, Identifiable::kTooLittle);
  const AlignedSeries brief = OnGrid(Simulate(Course::kWhite, 20, &random), 0, &random);
  EXPECT_EQ(Correlate(brief, brief).identifiable, Identifiable::kTooLittle);
  AlignedSeries other = noise;
  other.step = kSecond;
  EXPECT_EQ(Correlate(noise, other).identifiable, Identifiable::kOtherGrid);
}

TEST(LaggedCorrelation, OddSeriesGiveNumbers) {
  Random random(11);
  const auto infinity = std::numeric_limits<double>::infinity();
  std::vector<std::vector<double>> odd(5, std::vector<double>(kCells, 0.0));
  for (size_t t = 0; t < kCells; ++t) {
    odd[0][t] = static_cast<double>(t);  // a line
    odd[1][t] = t < 180 ? 1 : 2;         // one jump
    odd[2][t] = t % 7 == 0 ? infinity : 1e300 * random.Uniform();
    odd[3][t] = static_cast<double>(t % 2);  // its past says all
    odd[4][t] = 1e-300 * random.Uniform();
  }
  for (const auto& x : odd) {
    for (const auto& y : odd) {
      const auto found = Correlate(OnGrid(x, 0.02, &random), OnGrid(y, 0.02, &random));
      EXPECT_TRUE(std::isfinite(found.r) && std::isfinite(found.p) && std::isfinite(found.n_eff));
      EXPECT_GE(found.p, 0);
      EXPECT_LE(found.p, 1);
    }
  }
}

TEST(LaggedCorrelation, OneCoincidenceIsNoCorrelation) {
  Random random(12);
  std::vector<double> x = Simulate(Course::kWhite, kCells, &random),
                      y = Simulate(Course::kWhite, kCells, &random);
  for (size_t t = 200; t < kCells; ++t) {
    x[t] += 50;
    y[t] += 50;
  }
  EXPECT_GT(Correlate(OnGrid(x, 0, &random), OnGrid(y, 0, &random)).p, 0.05);
}

TEST(FalseDiscoveryRates, AreMonotoneAndNeverBelowP) {
  const std::vector<double> p{0.04, 0.001, 0.5, 0.001, 1};
  const std::vector<double> q = FalseDiscoveryRates(p);
  for (size_t i = 0; i < p.size(); ++i) {
    EXPECT_GE(q[i], p[i]);
    EXPECT_LE(q[i], 1);
    for (size_t j = 0; j < p.size(); ++j) {
      EXPECT_TRUE(p[i] >= p[j] || q[i] <= q[j]);
    }
  }
  // Two tests of five at 0.001: 0.001 * 5 / 2 * (1 + 1/2 + 1/3 + 1/4 + 1/5).
  EXPECT_NEAR(q[1], 0.001 * 2.5 * 2.283333333, 1e-9);
  EXPECT_TRUE(FalseDiscoveryRates({}).empty());
}

}  // namespace
}  // namespace tomograph::correlate
