#include "diagnose/baseline/onset_posterior.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace tomograph::diagnose {
namespace {

constexpr Nanos kStep = 5 * kSecond;
constexpr Nanos kStart = 1'700'000'000 * kSecond;

std::vector<Nanos> Times(size_t n) {
  std::vector<Nanos> times;
  for (size_t i = 0; i < n; ++i) times.push_back(kStart + static_cast<Nanos>(i) * kStep);
  return times;
}

double Ramp(double t, double d) { return t <= 0 ? 0 : t >= d ? 1 : t / d; }

/// Means over windows of a ramp that begins at `onset` s and takes `length` s.
std::vector<double> Rise(size_t n, double onset, double length, double height, double memory,
                         Random* random) {
  std::vector<double> values;
  double noise = 0;
  for (size_t i = 0; i < n; ++i) {
    double mean = 0;
    for (int k = 0; k < 20; ++k)
      mean += Ramp(5 * static_cast<double>(i) + (k + 0.5) / 4 - onset, length) / 20;
    noise = memory * noise + random->Normal(0, std::sqrt(1 - memory * memory));
    values.push_back(100 + height * mean + noise * (mean > 0 ? 2 : 1));
  }
  return values;
}

TEST(OnsetPosterior, ItsNinetyPercentCoverTheTruth) {
  int all_found = 0, all_covered = 0;
  for (const double memory : {0.0, 0.5}) {
    for (const double length : {0.0, 20.0, 60.0}) {
      for (const double height : {8.0, 40.0}) {
        int covered = 0, found = 0;
        for (int seed = 0; seed < 200; ++seed) {
          Random random(static_cast<uint64_t>(seed) + 5);
          const double onset = 300 + 60 * random.Uniform();
          const auto values = Rise(100, onset, length, height, memory, &random);
          const auto times = Times(100);
          const OnsetPosterior p = FindOnsetPosterior(values, times, kStep, 0.01);
          if (!p.found) continue;
          ++found;
          const Nanos truth = kStart + static_cast<Nanos>(onset * 1e9);
          const Nanos lower = p.Quantile(0.05), upper = p.Quantile(0.95);
          covered += lower <= truth && truth <= upper;
        }
        all_found += found;
        all_covered += covered;
        EXPECT_GE(found, 195);
        // The prior over ramps is right on average, not for each length.
        EXPECT_GE(covered, found * 8 / 10) << memory << " " << length << " " << height;
      }
    }
  }
  EXPECT_GE(all_covered, all_found * 9 / 10);
}

TEST(OnsetPosterior, NoChangeIsNotFoundAndGapsDoNoHarm) {
  Random random(1);
  std::vector<double> values = Rise(100, 1e9, 0, 0, 0, &random);
  const auto times = Times(100);
  EXPECT_FALSE(FindOnsetPosterior(values, times, kStep, 0.01).found);
  EXPECT_FALSE(FindOnsetPosterior({}, {}, kStep, 0.01).found);
  values = Rise(100, 300, 0, 30, 0, &random);
  for (size_t i = 55; i < 60; ++i) values[i] = std::nan("");
  const OnsetPosterior p = FindOnsetPosterior(values, times, kStep, 0.01);
  ASSERT_TRUE(p.found);
  // It lies within the gap or next to it, and the answer is as wide as the gap.
  EXPECT_LE(p.Quantile(0.05), kStart + 280 * kSecond);
  EXPECT_GE(p.Quantile(0.95), kStart + 295 * kSecond);
}

TEST(OnsetPosterior, OrderIsClearWhereTimesAreApartAndAHalfWhereTheyAreNot) {
  Random random(2);
  const auto times = Times(100);
  const auto early = FindOnsetPosterior(Rise(100, 300, 0, 30, 0, &random), times, kStep, 0.01);
  const auto same = FindOnsetPosterior(Rise(100, 302, 0, 30, 0, &random), times, kStep, 0.01);
  const auto late = FindOnsetPosterior(Rise(100, 330, 0, 30, 0, &random), times, kStep, 0.01);
  EXPECT_GT(ProbabilityPositive(Delay(early, late), 0), 0.99);
  EXPECT_LT(ProbabilityPositive(Delay(late, early), 0), 0.01);
  EXPECT_NEAR(
      ProbabilityPositive(Delay(early, same), 0) + ProbabilityPositive(Delay(same, early), 0), 1,
      1e-6);
  EXPECT_NEAR(ProbabilityPositive(Delay(early, early), 0), 0.5, 1e-6);
  // A clock that may be wrong by more than the difference leaves the order open.
  EXPECT_LT(ProbabilityPositive(Delay(early, late), 100 * kSecond), 0.8);
}

}  // namespace
}  // namespace tomograph::diagnose
