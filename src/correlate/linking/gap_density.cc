#include "correlate/linking/gap_density.h"

#include <algorithm>
#include <array>

namespace tomograph::correlate::linking {
namespace {

/// Inverse of the normal distribution function (Hastings 26.2.23, error below 5e-4).
double NormalQuantile(double p) {
  const double t = std::sqrt(-2 * std::log(std::min(p, 1 - p)));
  const double x = t - (2.515517 + t * (.802853 + t * .010328)) /
                           (1 + t * (1.432788 + t * (.189269 + t * .001308)));
  return p < .5 ? -x : x;
}

}  // namespace

double GapDensity::Edge(int b) const {
  const float y = std::bit_cast<float>(0x3f800000u + (static_cast<uint32_t>(b) << kShift));
  return (static_cast<double>(y) - 1) / inverse_scale_;
}

double GapDensity::Width(int bin) const {
  const int b = bin >= kSide ? bin - kSide : kSide - 1 - bin;
  return Edge(b + 1) - Edge(b);
}

std::vector<double> GapDensity::Smooth(const std::vector<double>& histogram, double n,
                                       double bandwidth) const {
  double m1 = 0, m2 = 0;
  for (int b = 0; b < 2 * kSide; ++b) {
    m1 += histogram[b] * b;
    m2 += histogram[b] * b * b;
  }
  m1 /= n;
  const double spread = std::sqrt(std::max(0.0, m2 / n - m1 * m1));
  const double sd = std::max(0.5, bandwidth * spread * std::pow(std::max(n, 2.0), -0.2));
  const int reach = static_cast<int>(3 * sd) + 1;
  std::vector<double> kernel(2 * reach + 1);
  double sum = 0;
  for (int d = -reach; d <= reach; ++d) {
    sum += kernel[d + reach] = std::exp(-0.5 * d * d / (sd * sd));
  }
  for (double& k : kernel) k /= sum;
  std::vector<double> density(2 * kSide, 0.0);
  for (int b = 0; b < 2 * kSide; ++b) {
    if (histogram[b] <= 0) continue;
    for (int d = -reach; d <= reach; ++d) {
      density[std::clamp(b + d, 0, 2 * kSide - 1)] += histogram[b] * kernel[d + reach];
    }
  }
  const double floor = 0.5 + 1e-3 * n;  // weight of the log-uniform density, in examples
  for (int b = 0; b < 2 * kSide; ++b) {
    density[b] = (density[b] + floor / (2 * kSide)) / (n + floor) / Width(b);
  }
  return density;
}

void GapDensity::Fit(std::span<const double> gaps, TimeGrain grain, bool careful,
                     std::span<const double> weights) {
  inverse_scale_ = 1 / grain.scale();
  std::array<std::vector<double>, 2> half;
  half[0].assign(2 * kSide, 0.0);
  half[1].assign(2 * kSide, 0.0);
  std::array<double, 2> n{0, 0};
  for (size_t i = 0; i < gaps.size(); ++i) {
    const double weight = weights.empty() ? 1 : weights[i];
    std::vector<double>& histogram = half[i & 1];
    n[i & 1] += weight;
    if (grain.quantum > 1) {
      for (int part = 0; part < 8; ++part) {
        histogram[Bin(gaps[i] + grain.quantum * ((part + .5) / 8 - .5))] += weight / 8;
      }
    } else {
      histogram[Bin(gaps[i])] += weight;
    }
  }
  double bandwidth = 0.5;
  if (careful && n[0] > 10 && n[1] > 10) {
    double best = -INFINITY;
    for (const double candidate : {0.05, 0.2, 0.4, 0.7, 1.0}) {
      double score = 0;
      for (int a = 0; a < 2; ++a) {
        const std::vector<double> density = Smooth(half[a], n[a], candidate);
        for (int b = 0; b < 2 * kSide; ++b) {
          if (half[1 - a][b] > 0) score += half[1 - a][b] * std::log(density[b]);
        }
      }
      if (score > best) best = score, bandwidth = candidate;
    }
  }
  std::vector<double>& all = half[0];
  for (int b = 0; b < 2 * kSide; ++b) all[b] += half[1][b];
  const double total = n[0] + n[1];
  mean_log_ = kUnlearned;
  flat_ = kNoExamples;
  if (total <= 0) {
    bins_ = {};  // there may be many that never see an example
    return;
  }
  bins_.assign(2 * kSide, {});
  const std::vector<double> density = Smooth(all, total, bandwidth);
  double below = 0;
  mean_log_ = 0;
  for (int b = 0; b < 2 * kSide; ++b) {
    bins_[b].log_density = static_cast<float>(std::log(density[b]));
    if (all[b] > 0) mean_log_ += all[b] * bins_[b].log_density;
    if (!careful) continue;
    const double mass = density[b] * Width(b);
    bins_[b].score =
        static_cast<float>(NormalQuantile(std::clamp(below + mass / 2, 1e-3, 1 - 1e-3)));
    below += mass;
  }
  mean_log_ /= total;
}

}  // namespace tomograph::correlate::linking
