// ConformalWidth: how much wider (or narrower) a method's intervals must be than its formula says,
// learned online from windows where an independent measurement of the same thing exists.
//
// After Gibbs & Candes, "Adaptive conformal inference" (2021), on the logarithm of the width
// instead of the level: log s += gamma (miss - 0.1). Promises coverage in the long run whatever the
// formula misses, as far as the measurement's own error is known. Never below 0.7 or above 5.
#pragma once

#include <algorithm>
#include <cmath>

namespace tomograph::reconstruct {

class ConformalWidth {
 public:
  /// The method said `mean` with standard deviation `sd`; an independent look said `measured` with
  /// `measured_sd`.
  void Learn(double mean, double sd, double measured, double measured_sd) {
    const double within =
        kNormal90 * std::sqrt(scale_ * scale_ * sd * sd + measured_sd * measured_sd);
    const bool missed = std::fabs(mean - measured) > within;
    scale_ = std::clamp(scale_ * std::exp(kGamma * ((missed ? 1.0 : 0.0) - kTarget)), 0.7, 5.0);
  }
  /// Multiplies a standard deviation.
  double scale() const { return scale_; }

 private:
  static constexpr double kGamma = 0.01;
  static constexpr double kTarget = 0.1;
  static constexpr double kNormal90 = 1.6448536269514722;
  double scale_ = 1;
};

}  // namespace tomograph::reconstruct
