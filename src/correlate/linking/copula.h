// GaussianCopula: what the gaps and durations of one request say about each other beyond what each
// says alone. A call that is slow is slow at its callee too, a late start goes with a late end.
//
// Correlations come from differences between requests that are near in time, so that the load they
// share, which tells nothing about who belongs to whom, cancels out.
#pragma once

#include <vector>

namespace tomograph::correlate::linking {

/// Correlations (a square matrix) of differences between items up to three apart. `scores`: `d` per
/// item, n items in order of time. Those of less than `significant` standard deviations are 0.
std::vector<double> CorrelationsNearInTime(const std::vector<float>& scores, int n, int d,
                                           double significant);

/// Inverse by Gauss-Jordan, and the log of the determinant; false unless `m` is comfortably
/// positive definite.
bool Invert(std::vector<double> m, int d, std::vector<double>* inverse, double* log_det);

class GaussianCopula {
 public:
  static constexpr int kMaxDimensions = 17;

  /// `scores`: normal scores, `dimensions` per request, requests in time order. Learns nothing from
  /// fewer than 100 requests or without a significant correlation.
  void Learn(const std::vector<float>& scores, int dimensions);
  bool learned() const { return !form_.empty(); }
  /// Log of the copula's density, up to a constant.
  float Log(const float* scores) const {
    float total = 0;
    const float* q = form_.data();
    for (int a = 0; a < dimensions_; ++a) {
      float row = 0;
      for (int b = 0; b <= a; ++b) row += *q++ * scores[b];
      total += row * scores[a];
    }
    return total;
  }

 private:
  int dimensions_ = 0;
  std::vector<float> form_;  // lower triangle of (I - inverse) / 2, off-diagonals doubled
};

}  // namespace tomograph::correlate::linking
