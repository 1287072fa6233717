// NetworkShare: what a call usually spends between caller and callee when nobody waits: a low
// quantile of past mean waits. Means are taken over equally many calls, since the low quantile of
// means of few calls would lie the lower the fewer they are, and a sampled edge would look like a
// queue.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace tomograph::reconstruct {

class NetworkShare {
 public:
  /// A window's `calls` waited `mean` seconds each.
  void Learn(double mean, double calls) {
    if (known()) {
      const double off = usual() > 0 ? mean / usual() - 1 : 0;
      scatter_ += kStep * (std::clamp(calls * off * off, 0.02, 4.0) - scatter_);
    }
    sum_ += mean * calls;
    calls_ += calls;
    if (calls_ < kBlock) return;
    blocks_.push_back(sum_ / calls_);
    if (blocks_.size() > kBlocks) blocks_.erase(blocks_.begin());
    sum_ = calls_ = 0;
  }
  bool known() const { return !blocks_.empty() || calls_ > 0; }
  double usual() const {
    if (blocks_.empty()) return calls_ > 0 ? sum_ / calls_ : 0;
    std::vector<double> sorted = blocks_;
    const auto low = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 4);
    std::nth_element(sorted.begin(), low, sorted.end());
    return *low;
  }
  /// Variance of one call's wait over its squared mean.
  double scatter() const { return scatter_; }
  /// Variance of the mean wait between times, over the squared usual one.
  double between() const {
    double squares = 0;
    for (const double block : blocks_) squares += (block / usual() - 1) * (block / usual() - 1);
    return (squares + kPriorBlocks * kPriorBetween) /
           (static_cast<double>(blocks_.size()) + kPriorBlocks);
  }
  /// Of usual(): how well a block's mean is known, and how well a low quantile of them stands for
  /// nobody waiting.
  double variance() const {
    const double n = blocks_.empty() ? std::max(calls_, 1.0) : kBlock;
    return usual() * usual() * (scatter_ / n + kDefinition);
  }

 private:
  static constexpr double kBlock = 50;  // calls
  static constexpr size_t kBlocks = 60;
  static constexpr double kPriorBlocks = 2;
  static constexpr double kPriorBetween = 0.03;
  static constexpr double kStep = 0.05;
  static constexpr double kDefinition = 0.002;
  std::vector<double> blocks_;
  double sum_ = 0, calls_ = 0;
  double scatter_ = 0.5;
};

}  // namespace tomograph::reconstruct
