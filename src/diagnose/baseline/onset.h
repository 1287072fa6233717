// When a series changed its level, with an error bar.
#pragma once

#include <span>

#include "base/nanotime.h"

namespace tomograph::diagnose {

struct Onset {
  bool found = false;
  size_t step = 0;  // first step of the new level
  Nanos time = 0;
  Nanos error = 0;  // +-, 90 %: at least half a step
  double z = 0;     // signed: change of level in robust deviations of a single step
};

/// One change of level among normal deviations. The likelihood of a split at k is exp(G(k) / 2)
/// with G = n1 n2 / (n1 + n2) (m2 - m1)^2 / s^2 on values clipped at 4 deviations; under a flat
/// prior it is the posterior of k, of which the best split and the narrowest 90 % around it are
/// given. Missing steps are skipped. Needs two values on both sides; not found when the best split
/// is no better than chance among so many. Wrong for ramps (it gives their middle) and for several
/// changes (the greatest).
Onset FindOnset(std::span<const double> values, std::span<const Nanos> times, Nanos step,
                double scale_floor);

}  // namespace tomograph::diagnose
