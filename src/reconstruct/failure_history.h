// FailureHistory: which share of a key's calls fails, as the past foresees it. Failures come in
// outbreaks: most of the time a key fails as seldom as ever, and then for a while often. So there
// are two regimes, and the past says how likely each is now (a hidden Markov chain, filtered):
//   well  the usual share, with the scatter that it had between windows
//   ill   the share of this outbreak so far, the older windows the less and all together for a few
//         calls only (a discount in place of a scatter that a few windows could not tell); before
//         it anything
#pragma once

#include <algorithm>
#include <cmath>

namespace tomograph::reconstruct {

struct Beta {
  double a = 0.5, b = 0.5;
  Beta After(double failed, double fine) const { return {a + failed, b + fine}; }
  double share() const { return a / (a + b); }
  /// log of the normalising constant
  double LogConstant() const { return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b); }
  /// log probability of one sequence with so many failures
  double LogSeen(double failed, double fine) const {
    return After(failed, fine).LogConstant() - LogConstant();
  }
};

class FailureHistory {
 public:
  struct Regimes {
    Beta well, ill;
    double ill_probability = 0;
    Regimes After(double failed, double fine) const {
      const double odds = ill_probability / (1 - ill_probability) *
                          std::exp(ill.LogSeen(failed, fine) - well.LogSeen(failed, fine));
      return {well.After(failed, fine), ill.After(failed, fine),
              std::isfinite(odds) ? odds / (1 + odds) : 1};
    }
  };
  /// What the next window is expected to be. `common` is the share that all keys have together,
  /// which speaks for a key that has said little itself.
  Regimes Next(double common) const {
    return {Usual(common), Outbreak(), ill_ * (1 - kRecovers) + (1 - ill_) * kFallsIll};
  }
  /// The window had `failed` of `calls`, in pieces of news of `cluster` failures each; `ill` is the
  /// probability that it belongs to an outbreak.
  void Learn(double calls, double failed, double cluster, double ill) {
    const double well = 1 - ill;
    calls_ = kKeep * calls_ + well * calls;
    failed_ = kKeep * failed_ + well * failed;
    call_pairs_ = kKeep * call_pairs_ + well * calls * std::max(0.0, calls - 1);
    failed_pairs_ = kKeep * failed_pairs_ + well * failed * std::max(0.0, failed - 1);
    outbreak_failed_ = kKeepOutbreak * outbreak_failed_ + ill * failed / cluster;
    outbreak_fine_ = kKeepOutbreak * outbreak_fine_ + ill * (calls - failed) / cluster;
    ill_ = ill;
  }

 private:
  // However long it lasts, it stays restless: its windows are no draws of one share.
  Beta Outbreak() const {
    const double seen = outbreak_failed_ + outbreak_fine_;
    const double part = kMostOutbreak / std::max(seen, kMostOutbreak);
    return Beta{}.After(part * outbreak_failed_, part * outbreak_fine_);
  }
  /// By moments: under thinning E f(f-1) = E n(n-1) E share^2.
  Beta Usual(double common) const {
    const double mean = (failed_ + kBorrowed * common) / (calls_ + kBorrowed);
    const double square = call_pairs_ > 0 ? failed_pairs_ / call_pairs_ : 0;
    const double own = std::max(0.0, square / (mean * mean) - 1);
    const double scatter = (failed_ * own + kFewFailures * kScatter) / (failed_ + kFewFailures);
    const double a = 1 / std::clamp(scatter, kLeastScatter, kMostScatter);
    return {a, a * (1 - mean) / mean};
  }

  static constexpr double kKeep = 0.95;         // a window: half is forgotten after 14
  static constexpr double kKeepOutbreak = 0.8;  // half after 3
  static constexpr double kMostOutbreak = 4;    // calls
  static constexpr double kFallsIll = 0.01;     // a window
  static constexpr double kRecovers = 0.05;
  static constexpr double kBorrowed = 20;    // calls that the others' share counts for
  static constexpr double kFewFailures = 2;  // that the assumed scatter counts for
  static constexpr double kScatter = 1;      // variance of the share over its squared mean
  static constexpr double kLeastScatter = 0.02;
  static constexpr double kMostScatter = 50;
  double calls_ = 0, failed_ = 0;
  double call_pairs_ = 0, failed_pairs_ = 0;
  double ill_ = kFallsIll / (kFallsIll + kRecovers);
  double outbreak_failed_ = 0, outbreak_fine_ = 0;
};

}  // namespace tomograph::reconstruct
