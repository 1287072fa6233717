// FailureHistory: which share of a key's calls usually fails, and how much that share scatters
// between windows. Failures come in bursts: a mean share alone would make every burst look
// impossible.
#pragma once

#include <algorithm>

namespace tomograph::reconstruct {

struct Beta {
  double a = 0.5, b = 0.5;
  Beta After(double failed, double fine) const { return {a + failed, b + fine}; }
  double share() const { return a / (a + b); }
};

class FailureHistory {
 public:
  void Learn(double calls, double failed) {
    calls_ = kKeep * calls_ + calls;
    failed_ = kKeep * failed_ + failed;
    call_pairs_ = kKeep * call_pairs_ + calls * std::max(0.0, calls - 1);
    failed_pairs_ = kKeep * failed_pairs_ + failed * std::max(0.0, failed - 1);
  }
  /// The next window's share, by moments: under thinning E f(f-1) = E n(n-1) E share^2. `common` is
  /// the share that all keys have together, which speaks for a key that has said little itself.
  Beta Usual(double common) const {
    const double mean = (failed_ + kBorrowed * common) / (calls_ + kBorrowed);
    const double square = call_pairs_ > 0 ? failed_pairs_ / call_pairs_ : 0;
    const double own = std::max(0.0, square / (mean * mean) - 1);
    const double scatter = (failed_ * own + kFewFailures * kScatter) / (failed_ + kFewFailures);
    const double a = 1 / std::clamp(scatter, kLeastScatter, kMostScatter);
    return {a, a * (1 - mean) / mean};
  }

 private:
  static constexpr double kKeep = 0.95;      // a window: half is forgotten after 14
  static constexpr double kBorrowed = 20;    // calls that the others' share counts for
  static constexpr double kFewFailures = 2;  // that the assumed scatter counts for
  static constexpr double kScatter = 1;      // variance of the share over its squared mean
  static constexpr double kLeastScatter = 0.02;
  static constexpr double kMostScatter = 50;
  double calls_ = 0, failed_ = 0;
  double call_pairs_ = 0, failed_pairs_ = 0;
};

}  // namespace tomograph::reconstruct
