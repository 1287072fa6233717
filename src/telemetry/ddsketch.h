// DDSketch: quantiles with a relative error of 1 % at any rank, in a few hundred bytes, mergeable
// in any order with the same result. Masson, Rim & Lee, "DDSketch" (VLDB 2019), with the logarithm
// taken from the float's bits and a linear interpolation (as in their "fast" variant).
//
// Values are non-negative (durations in seconds, bytes). Zero and what is below 1 ns has a bucket
// of its own; at most kMaxBuckets, beyond which the lowest collapse. Weighted, for sampled
// telemetry.
#pragma once

#include <cstdint>
#include <vector>

namespace tomograph::telemetry {

class DDSketch {
 public:
  static constexpr double kRelativeError = 0.01;
  static constexpr int kMaxBuckets = 2048;

  /// Negative or NaN values are ignored (callers count them); weight > 0.
  void Add(double value, double weight = 1);
  void Merge(const DDSketch& other);
  /// All weights times `factor` > 0.
  void Scale(double factor);
  /// q in [0, 1]; NaN when empty.
  double Quantile(double q) const;
  /// Estimated share of the weight that is <= value.
  double RankOf(double value) const;
  double count() const { return count_; }
  double sum() const { return sum_; }
  double mean() const { return count_ > 0 ? sum_ / count_ : 0; }
  bool empty() const { return count_ <= 0; }
  void Clear();
  bool operator==(const DDSketch&) const = default;

 private:
  static int Index(double value);
  static double ValueOf(int index);
  void Reserve(int index);

  std::vector<double> buckets_;  // weight of indices [first_, first_ + size)
  int first_ = 0;
  double zero_ = 0;
  double count_ = 0;
  double sum_ = 0;
};

}  // namespace tomograph::telemetry
