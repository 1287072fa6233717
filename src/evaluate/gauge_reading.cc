#include "evaluate/gauge_reading.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace tomograph::evaluate {
namespace {

constexpr int kSteps = 40;  // of the estimate's distribution

/// The estimate's distribution as its quantiles tell it: linear between them.
double QuantileOf(const telemetry::Estimate& e, double q) {
  const double ends[] = {std::max(0.0, e.i90.lower - (e.i50.lower - e.i90.lower) / 2),
                         e.i90.upper + (e.i90.upper - e.i50.upper)};
  const double at[] = {0, 0.05, 0.25, 0.5, 0.75, 0.95, 1};
  const double value[] = {ends[0],     e.i90.lower, e.i50.lower, e.value,
                          e.i50.upper, e.i90.upper, ends[1]};
  size_t i = 1;
  while (i + 1 < std::size(at) && q > at[i]) ++i;
  return value[i - 1] + (value[i] - value[i - 1]) * (q - at[i - 1]) / (at[i] - at[i - 1]);
}

struct Share {
  double below = 0, at = 0;
};

/// P(X < x) and P(X = x) of a count with this mean and variance `dispersion` * mean.
Share ShareOf(double mean, double dispersion, int x) {
  if (mean <= 0) return {x > 0 ? 1.0 : 0.0, x == 0 ? 1.0 : 0.0};
  const bool poisson = dispersion < 1 + 1e-6;
  const double r = poisson ? 0 : mean / (dispersion - 1);
  double log_term = poisson ? -mean : -r * std::log(dispersion);
  Share share;
  for (int k = 0; k < x; ++k) {
    share.below += std::exp(log_term);
    log_term +=
        poisson ? std::log(mean / (k + 1)) : std::log((k + r) / (k + 1) * (1 - 1 / dispersion));
  }
  share.at = std::exp(log_term);
  return share;
}

}  // namespace

double PredictedBelow(const telemetry::Estimate& estimate, const telemetry::GaugeStats& gauge,
                      double looks, double coin) {
  const double readings = gauge.samples;
  const double dispersion = std::max(1.0, readings / std::max(looks, 1.0));
  const int sum = static_cast<int>(std::lround(std::max(0.0, gauge.sum)));
  double below = 0;
  for (int i = 0; i < kSteps; ++i) {
    const double mean = std::max(0.0, QuantileOf(estimate, (i + 0.5) / kSteps));
    const Share share = ShareOf(mean * readings, dispersion, sum);
    below += (share.below + coin * share.at) / kSteps;
  }
  return below;
}

}  // namespace tomograph::evaluate
