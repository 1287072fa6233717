#include "correlate/linking/gap_density.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"

namespace tomograph::correlate::linking {
namespace {

std::vector<double> LogNormal(int n, double median, double sigma, uint64_t seed) {
  Random random(seed);
  std::vector<double> gaps(n);
  for (double& gap : gaps) gap = median * std::exp(random.Normal(0, sigma));
  return gaps;
}

TEST(GapDensity, IntegratesToOne) {
  GapDensity density;
  density.Fit(LogNormal(2'000, 500, .5, 1), {}, true);
  double mass = 0;
  for (double x = -20'000; x < 100'000; x += 1) mass += std::exp(density.Log(x));
  EXPECT_NEAR(mass, 1, .02);
}

TEST(GapDensity, LearnsTheShape) {
  GapDensity density;
  const double sigma = .5, median = 500;
  density.Fit(LogNormal(5'000, median, sigma, 2), {}, true);
  for (const double x : {300.0, 500.0, 800.0}) {
    const double z = std::log(x / median) / sigma;
    const double truth = -z * z / 2 - std::log(x * sigma * std::sqrt(2 * M_PI));
    EXPECT_NEAR(density.Log(x), truth, .15) << x;
  }
  EXPECT_LT(density.Log(-300), density.Log(300) - 6);
}

TEST(GapDensity, ScoresAreNormal) {
  GapDensity density;
  density.Fit(LogNormal(5'000, 500, .5, 3), {}, true);
  EXPECT_NEAR(density.Score(500), 0, .1);
  EXPECT_NEAR(density.Score(500 * std::exp(.5)), 1, .15);
}

TEST(GapDensity, CoarseTimestampsAreSpread) {
  // Whole milliseconds: a gap of 2 ms is one of 1.5 to 2.5 ms.
  GapDensity density;
  density.Fit(std::vector<double>(200, 2'000.0), {1'000}, true);
  EXPECT_NEAR(density.Log(1'700), density.Log(2'300), .5);
  EXPECT_GT(density.Log(1'700), density.Log(3'500) + 3);
}

TEST(GapDensity, HoldsWhatIsAbsurd) {
  GapDensity density;
  EXPECT_EQ(density.Log(5), GapDensity::kUnlearned);
  density.Fit({}, {}, true);
  EXPECT_TRUE(std::isfinite(density.Log(1e18)));
  density.Fit(std::vector<double>{-1e18, 0, 1e18}, {}, true);
  EXPECT_TRUE(std::isfinite(density.Log(-1e18)));
  EXPECT_TRUE(std::isfinite(density.Log(1e300)));
}

}  // namespace
}  // namespace tomograph::correlate::linking
