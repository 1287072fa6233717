// When a series left its level, as a posterior: where FindOnset says one time and an error, this
// says how likely each time is, so that onsets of different entities can be put in order.
//
// Model: the values of the windows are a level with noise, then from t0 on, over a ramp of length d
// (0, and from 1 window on in steps of 19 %), another level with another noise. t0 lies anywhere
// within a window: the window that holds it shows the change by the part of it that came after, so
// the window's length is in the error by itself. For each t0 (quarters of a window) and d
//   y = m0 + a g(t; t0, d) + noise,  g the mean over the window of the ramp from 0 to 1,
// m0 from the windows before t0, a from the others (flat priors), the two variances under an
// inverse gamma prior of two degrees of freedom around the differences between neighbours; a
// flat prior over t0; d is 0 in half of all changes, else any of the listed ones. (Conjugate change
// point: Smith 1975, Biometrika 62.) Noise that hangs together (AR(1) coefficient phi of the
// residuals) makes the log-likelihood count (1 - phi) / (1 + phi) as much.
//
// Wrong for several changes (the greatest counts), for a change that is over before the series
// ends, and for a slow start that hides in the noise: it gives the time from which a straight ramp
// would have begun. Coverage: docs/models/alignment.md. Cost: O(windows * 2000), about 1 ms for
// 120.
#pragma once

#include <span>
#include <vector>

#include "base/nanotime.h"

namespace tomograph::diagnose {

struct OnsetPosterior {
  bool found = false;
  double z = 0;              // signed, in deviations of a single window (FindOnset)
  Nanos first = 0;           // time of mass[0]
  Nanos pitch = 0;           // between the times
  std::vector<double> mass;  // sums to 1

  Nanos Quantile(double q) const;
};

/// Not found when FindOnset sees no change.
OnsetPosterior FindOnsetPosterior(std::span<const double> values, std::span<const Nanos> times,
                                  Nanos step, double scale_floor);

/// How long after `a` it was that `b` came, as a distribution (its times are differences). Both of
/// the same windows. Cost: product of the windows that have any weight.
OnsetPosterior Delay(const OnsetPosterior& a, const OnsetPosterior& b);

/// P(a before b) of such a delay, when clocks may be off so that it is wrong by up to `error`
/// (uniform). Of exactly equal times half counts.
double ProbabilityPositive(const OnsetPosterior& delay, Nanos error);

}  // namespace tomograph::diagnose
