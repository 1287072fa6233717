#include "evaluate/gauge_reading.h"

#include <gtest/gtest.h>

namespace tomograph::evaluate {
namespace {

telemetry::Estimate Exactly(double value) {
  telemetry::Estimate e;
  e.value = value;
  e.i50 = e.i90 = {value, value};
  return e;
}

telemetry::GaugeStats Readings(uint32_t samples, double sum) {
  telemetry::GaugeStats g;
  g.samples = samples;
  g.sum = sum;
  return g;
}

TEST(PredictedBelow, IsThePoissonDistributionForAnExactMean) {
  EXPECT_NEAR(PredictedBelow(Exactly(1), Readings(2, 2), 2, 0), 0.4060, 1e-4);  // P(X < 2), mean 2
  EXPECT_NEAR(PredictedBelow(Exactly(1), Readings(2, 2), 2, 1), 0.6767, 1e-4);  // P(X <= 2)
}

TEST(PredictedBelow, OfNothingOnlyNothingIsExpected) {
  EXPECT_NEAR(PredictedBelow(Exactly(0), Readings(3, 0), 3, 0.4), 0.4, 1e-9);
  EXPECT_NEAR(PredictedBelow(Exactly(0), Readings(3, 1), 3, 0.4), 1, 1e-9);
}

TEST(PredictedBelow, DependentReadingsAndWideEstimatesExcuseMore) {
  const double exact = PredictedBelow(Exactly(4), Readings(3, 24), 3, 0.5);
  EXPECT_GT(exact, 0.99);
  EXPECT_LT(PredictedBelow(Exactly(4), Readings(3, 24), 1, 0.5), exact);
  telemetry::Estimate wide = Exactly(4);
  wide.i50 = {3, 6};
  wide.i90 = {1, 12};
  EXPECT_LT(PredictedBelow(wide, Readings(3, 24), 3, 0.5), 0.95);
}

}  // namespace
}  // namespace tomograph::evaluate
