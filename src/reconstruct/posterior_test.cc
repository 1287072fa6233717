#include "reconstruct/posterior.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace tomograph::reconstruct {
namespace {

TEST(GammaQuantile, MeetsKnownValues) {
  EXPECT_NEAR(GammaQuantile(1, 0.5), std::log(2), 1e-9);  // exponential
  EXPECT_NEAR(GammaQuantile(1, 0.95), -std::log(0.05), 1e-9);
  EXPECT_NEAR(GammaQuantile(0.5, 0.95), 3.841458820694124 / 2, 1e-9);  // chi-square with one degree
  EXPECT_NEAR(GammaQuantile(5, 0.05), 3.940299136119060 / 2, 1e-9);    // chi-square with ten
  EXPECT_NEAR(GammaQuantile(0.01, 0.05), 0, 1e-9);
  EXPECT_NEAR(GammaQuantile(101, 0.95) / GammaQuantile(99.9, 0.95), 1.011, 0.001)
      << "no step at the switch";
}

TEST(CountSpread, AfterNoFailuresInTenPercentTheUpperBoundIsTheNegativeBinomials) {
  // Jeffreys: r = 1/2, p = 0.1: mean 4.5, variance 45.
  Spread s = CountSpread({0, 4.5, 45}, 1);
  EXPECT_EQ(s.i90.lower, 0);
  EXPECT_EQ(s.i50.lower, 0);
  EXPECT_GE(s.i90.upper, 12);  // P(N <= 12) = 0.9
  EXPECT_LE(s.i90.upper, 14);
}

TEST(CountSpread, LessScatterThanPoissonIsBinomial) {
  const Spread s = CountSpread({0, 50, 12.5}, 1);  // of 67 trials, three quarters
  EXPECT_NEAR(s.value, 50, 1);
  EXPECT_NEAR(s.i90.upper - s.i90.lower, 2 * 1.645 * std::sqrt(12.5), 1.1);
  const Spread whole = CountSpread({3, 4, 1e-6}, 1);
  EXPECT_EQ(whole.i90.lower, 7);
  EXPECT_EQ(whole.i90.upper, 7);
}

TEST(CountSpread, WhatIsCertainHasNoWidth) {
  const Spread s = CountSpread({7, 0, 0}, 1);
  EXPECT_EQ(s.value, 7);
  EXPECT_EQ(s.i90.lower, 7);
  EXPECT_EQ(s.i90.upper, 7);
}

TEST(CountSpread, CoversAtItsLevelAlthoughCountsJump) {
  // Truth drawn from the posterior itself: Poisson of mean 1.3, where 90 % falls between two
  // counts.
  Random random(5);
  int in50 = 0, in90 = 0;
  const int n = 20000;
  for (int i = 0; i < n; ++i) {
    const Spread s = CountSpread({3, 1.3, 1.3}, random.Next());
    const double truth = 3 + static_cast<double>(random.Poisson(1.3));
    in50 += s.i50.Contains(truth);
    in90 += s.i90.Contains(truth);
  }
  EXPECT_NEAR(in50 / double{n}, 0.5, 0.02);
  EXPECT_NEAR(in90 / double{n}, 0.9, 0.02);
}

TEST(CountSpread, FewAndManyMeet) {
  const Spread few = CountSpread({0, 300, 500}, 1), many = CountSpread({0, 330, 550}, 1);
  EXPECT_NEAR(many.i90.upper - many.i90.lower, (few.i90.upper - few.i90.lower) * std::sqrt(1.1), 4);
}

TEST(AmountSpread, IsNeverBelowWhatWasSeen) {
  const Spread s = AmountSpread({2, 0.5, 4});
  EXPECT_GE(s.i90.lower, 2);
  EXPECT_GT(s.i90.upper, 3);
  EXPECT_LE(s.i50.lower, s.value);
}

}  // namespace
}  // namespace tomograph::reconstruct
