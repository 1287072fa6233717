// Posteriors of what a sampler did not keep, from its first two moments. The seen part is certain,
// so a value is `floor` + something >= 0, which is skewed when little was seen: no Gaussians here.
#pragma once

#include <cstdint>

#include "telemetry/estimate.h"

namespace tomograph::reconstruct {

struct Spread {
  double value = 0;  // median
  telemetry::Interval i50;
  telemetry::Interval i90;
};

/// Moments of a quantity that lies `mean` above `floor`, give or take `variance`.
struct Moments {
  double floor = 0;
  double mean = 0;
  double variance = 0;
};

/// Of what is `a` with probability `weight` and else `b`; both have one floor.
Moments Mixed(const Moments& a, const Moments& b, double weight);

/// A whole number: floor + negative binomial of these moments (what Gamma-Poisson thinning leaves
/// open), or binomial when the variance is smaller than the mean (calls that lie on either side of
/// a window's border). The intervals are the shortest of their
/// probability. Since a count jumps over 90 %, the last value taken in is taken with the
/// probability that makes it 90 % on average, by a coin made from `seed`; a single value more
/// likely than that stays alone.
Spread CountSpread(const Moments& m, uint64_t seed);

/// The same for a count that is `a` with probability `weight` and else `b`; both have one floor.
Spread CountSpread(const Moments& a, const Moments& b, double weight, uint64_t seed);

/// A real number: floor + gamma of these moments; equal tails.
Spread AmountSpread(const Moments& m);

/// Inverse of the gamma distribution function with unit scale. shape > 0, 0 < q < 1.
double GammaQuantile(double shape, double q);

}  // namespace tomograph::reconstruct
