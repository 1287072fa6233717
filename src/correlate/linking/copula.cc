#include "correlate/linking/copula.h"

#include <algorithm>
#include <cmath>

namespace tomograph::correlate::linking {
namespace {

constexpr double kSignificant = 2.5;  // standard deviations of a correlation
constexpr double kLeastPivot = .05;

}  // namespace

bool Invert(std::vector<double> m, int d, std::vector<double>* inverse, double* log_det) {
  inverse->assign(m.size(), 0);
  *log_det = 0;
  for (int a = 0; a < d; ++a) (*inverse)[a * d + a] = 1;
  for (int p = 0; p < d; ++p) {
    if (!(m[p * d + p] > kLeastPivot)) return false;
    *log_det += std::log(m[p * d + p]);
    const double scale = 1 / m[p * d + p];
    for (int b = 0; b < d; ++b) m[p * d + b] *= scale, (*inverse)[p * d + b] *= scale;
    for (int a = 0; a < d; ++a) {
      const double f = m[a * d + p];
      if (a == p || f == 0) continue;
      for (int b = 0; b < d; ++b) {
        m[a * d + b] -= f * m[p * d + b];
        (*inverse)[a * d + b] -= f * (*inverse)[p * d + b];
      }
    }
  }
  return true;
}

std::vector<double> CorrelationsNearInTime(const std::vector<float>& z, int n, int d,
                                           double significant) {
  std::vector<double> c(static_cast<size_t>(d) * d, 0.0);
  for (int i = 0; i < n; ++i) {
    for (int j = i + 1; j < std::min(n, i + 4); ++j) {
      for (int a = 0; a < d; ++a) {
        const double da = z[i * d + a] - z[j * d + a];
        for (int b = 0; b <= a; ++b) c[a * d + b] += da * (z[i * d + b] - z[j * d + b]);
      }
    }
  }
  std::vector<double> variance(d);
  for (int a = 0; a < d; ++a) variance[a] = c[a * d + a];
  const double least = significant / std::sqrt(static_cast<double>(n));
  for (int a = 0; a < d; ++a) {
    for (int b = 0; b <= a; ++b) {
      const double v = variance[a] * variance[b];
      const double r = v > 0 ? c[a * d + b] / std::sqrt(v) : 0;
      c[a * d + b] = c[b * d + a] = a == b ? 1 : std::fabs(r) < least ? 0 : r;
    }
  }
  return c;
}

void GaussianCopula::Learn(const std::vector<float>& scores, int dimensions) {
  form_.clear();
  dimensions_ = 0;
  const int d = dimensions;
  const int n = static_cast<int>(scores.size()) / d;
  if (n < 100 || d > kMaxDimensions) return;
  const std::vector<double> c = CorrelationsNearInTime(scores, n, d, kSignificant);
  std::vector<double> inverse;
  double log_det = 0;
  double shrink = .9;
  for (;; shrink *= .7) {
    if (shrink < .05) return;
    std::vector<double> m = c;
    for (int a = 0; a < d; ++a) {
      for (int b = 0; b < d; ++b) {
        if (a != b) m[a * d + b] *= shrink;
      }
    }
    if (Invert(std::move(m), d, &inverse, &log_det)) break;
  }
  dimensions_ = d;
  bool any = false;
  for (int a = 0; a < d; ++a) {
    for (int b = 0; b <= a; ++b) {
      const double q = a == b ? .5 * (1 - inverse[a * d + a]) : -inverse[a * d + b];
      form_.push_back(static_cast<float>(q));
      any |= q != 0;
    }
  }
  if (!any) form_.clear(), dimensions_ = 0;
}

}  // namespace tomograph::correlate::linking
