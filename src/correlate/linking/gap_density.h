// GapDensity: the density of a signed time gap (microseconds), learned from examples.
//
// A histogram over the bits of the float |x| / scale + 1, 16 bins an octave: a logarithmic axis
// that is linear near 0, and a lookup without a logarithm. Smoothed by a Gaussian kernel over bins
// whose width is chosen by two-fold likelihood; a floor of log-uniform density holds what was never
// seen. Timestamps of coarse resolution (`quantum`) are spread over it.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace tomograph::correlate::linking {

/// Resolution of the timestamps that gaps are made of, in microseconds.
struct TimeGrain {
  double quantum = 1;
  double scale() const { return quantum > 20 ? quantum : 20; }
};

class GapDensity {
 public:
  static constexpr float kUnlearned = -20;
  static constexpr float kNoExamples = -12;

  /// Learns from `gaps`, each of weight 1 or `weights[i]`. `careful` chooses the bandwidth and
  /// makes Score available; without it a fixed bandwidth is good enough to compare.
  void Fit(std::span<const double> gaps, TimeGrain grain, bool careful,
           std::span<const double> weights = {});

  /// Log density per microsecond.
  float Log(double gap) const { return bins_.empty() ? flat_ : bins_[Bin(gap)].log_density; }
  /// Normal score of the gap's rank, for correlations; 0 unless fitted carefully.
  float Score(double gap) const { return bins_.empty() ? 0 : bins_[Bin(gap)].score; }
  /// Mean log density of the examples.
  double mean_log() const { return mean_log_; }
  size_t bytes() const { return bins_.capacity() * sizeof(BinValue); }

 private:
  static constexpr int kShift = 19;      // bits of a float below the bin number: 16 bins an octave
  static constexpr int kSide = 16 * 26;  // bins on each side of 0
  struct BinValue {
    float log_density;
    float score;
  };

  int Bin(double gap) const {
    const auto y = static_cast<float>(std::fabs(gap) * inverse_scale_) + 1.0f;
    const uint32_t b = (std::bit_cast<uint32_t>(y) - 0x3f800000u) >> kShift;
    const int clipped = b < kSide ? static_cast<int>(b) : kSide - 1;
    return gap >= 0 ? kSide + clipped : kSide - 1 - clipped;
  }
  /// Where bin `b` of one side begins, in microseconds.
  double Edge(int b) const;
  double Width(int bin) const;
  /// Density per bin; `bandwidth` in units of Silverman's rule.
  std::vector<double> Smooth(const std::vector<double>& histogram, double n,
                             double bandwidth) const;

  float flat_ = kUnlearned;  // log density without examples
  double inverse_scale_ = 1.0 / 20;
  std::vector<BinValue> bins_;
  double mean_log_ = kUnlearned;
};

}  // namespace tomograph::correlate::linking
