// CallHistory: how many pieces of news (traces with calls of a key) a sampler usually leaves of a
// window, from the windows before. A sample of one or two says little alone, and a window is heard
// of only if it has one, so that without the past it looks busier than it was.
//
// Gamma-Poisson with discount (West & Harrison 1997): the older windows count the less, and never
// for more than the load kept to what they foresaw. Beside it stands the same with hardly any past,
// for a load that has changed; each is weighed by how well it foresaw the window.
#pragma once

#include <algorithm>
#include <cmath>

namespace tomograph::reconstruct {

class CallHistory {
 public:
  /// A gamma distribution of the news a window.
  struct Rate {
    double shape = 0.5, windows = 0;
    double mean() const { return shape / windows; }
    double variance() const { return shape / (windows * windows); }
    Rate After(double news) const { return {shape + news, windows + 1}; }
    double LogSeen(double news) const {
      return std::lgamma(shape + news) - std::lgamma(shape) + shape * std::log(windows) -
             (shape + news) * std::log(windows + 1);
    }
  };
  struct Rates {
    Rate as_before, afresh;
    double as_before_probability = 0;
  };
  /// What a window with so much news says, the past included.
  Rates After(double news) const {
    const Rate nothing{0.5, 0};
    if (windows_ <= 0) return {nothing.After(news), nothing.After(news), 1};
    const Rate before = Before();
    const Rate vague{0.5, 0.5 / before.mean()};
    const double odds = kSame / (1 - kSame) * std::exp(before.LogSeen(news) - vague.LogSeen(news));
    return {before.After(news), vague.After(news), std::isfinite(odds) ? odds / (1 + odds) : 1};
  }
  void Learn(double news) {
    if (windows_ > 0) {
      const double mean = (0.5 + news_) / windows_;
      const double by_chance = mean + mean / windows_;
      const double beyond = (news - mean) * (news - mean) - by_chance;
      beyond_ = kKeepUnrest * beyond_ + std::min(beyond, mean * mean);
      squares_ = kKeepUnrest * squares_ + mean * mean;
    }
    news_ = kKeep * news_ + news;
    windows_ = kKeep * windows_ + 1;
  }

 private:
  Rate Before() const {
    const double mean = (0.5 + news_) / windows_;
    const double assumed = kAssumedWindows * mean * mean;
    const double unrest =
        std::max(kLeastUnrest, (beyond_ + kAssumedUnrest * assumed) / (squares_ + assumed));
    const double shape = 1 / (1 / (0.5 + news_) + unrest);
    return {shape, shape / mean};
  }

  static constexpr double kKeep = 0.85;  // a window: half is forgotten after 4
  static constexpr double kSame = 0.9;   // how often a load is as before
  static constexpr double kKeepUnrest = 0.97;
  static constexpr double kLeastUnrest = 0.002;   // variance of a load over its squared mean
  static constexpr double kAssumedUnrest = 0.04;  // before anything is seen,
  static constexpr double kAssumedWindows = 10;   // which counts for so many
  double news_ = 0, windows_ = 0;
  double beyond_ = 0, squares_ = 0;  // what the load moved beyond chance, over squared means
};

}  // namespace tomograph::reconstruct
