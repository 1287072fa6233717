// CountScatter: how much more or less a count moves from window to window than independent events
// would (the quasi-Poisson index, 1 for a Poisson stream): three queries of one request come
// together, a paced client's calls one by one. What is not known of where in time a count lies
// scatters in the same way.
//
// Of counts that were split between windows a part of the scatter does not show: what an export
// holds is told to both sides of a border in proportion, so that neighbours differ less.
#pragma once

#include <algorithm>
#include <cmath>

namespace tomograph::reconstruct {

class CountScatter {
 public:
  /// Of two neighbouring windows with one mean, E (x - y)^2 = index * (E (x + y) - V), V being how
  /// far the difference may be off by splitting single events. `split` is the variance of one such
  /// count; of both they add up to most where they share all exports.
  void Learn(double count, double split = 0) {
    const double sum = count + last_;
    if (known_ && sum > 0) {
      const double root = std::sqrt(split) + std::sqrt(last_split_);
      const double shown = std::max(0.0, 1 - root * root / sum);
      const double off = std::min(kOutlier, (count - last_) * (count - last_) / sum);
      squares_ = kKeep * squares_ + off;
      windows_ = kKeep * windows_ + shown;
    }
    last_ = count;
    last_split_ = split;
    known_ = true;
  }
  double index() const {
    return std::clamp((squares_ + kPriorWindows) / (windows_ + kPriorWindows), 0.1, 10.0);
  }

 private:
  static constexpr double kKeep = 0.97;       // a window: half is forgotten after 23
  static constexpr double kOutlier = 9;       // one change of the level is no scatter
  static constexpr double kPriorWindows = 5;  // that scatter like single events
  double last_ = 0, last_split_ = 0;
  bool known_ = false;
  double squares_ = 0, windows_ = 0;
};

}  // namespace tomograph::reconstruct
