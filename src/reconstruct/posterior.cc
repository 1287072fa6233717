#include "reconstruct/posterior.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"

namespace tomograph::reconstruct {
namespace {

constexpr double kFewCounts = 400;  // beyond, a count is spread like an amount
constexpr double kNormal95 = 1.6448536269514722;
constexpr double kNormal75 = 0.6744897501960817;

/// Regularised lower incomplete gamma function: a series below the mode, Lentz's fraction above.
double GammaP(double a, double x) {
  if (x <= 0) return 0;
  const double front = std::exp(a * std::log(x) - x - std::lgamma(a));
  if (x < a + 1) {
    double term = 1 / a, sum = term;
    for (int n = 1; n < 1000 && term > sum * 1e-13; ++n) sum += term *= x / (a + n);
    return front * sum;
  }
  double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
  for (int n = 1; n < 1000; ++n) {
    const double an = -n * (n - a);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    h *= d * c;
    if (std::fabs(d * c - 1) < 1e-13) break;
  }
  return 1 - front * h;
}

double NormalQuantileOf(double q) {
  if (q == 0.05) return -kNormal95;
  if (q == 0.25) return -kNormal75;
  if (q == 0.75) return kNormal75;
  if (q == 0.95) return kNormal95;
  return 0;
}

/// Of so many trials that mean and variance are met; there is no less scatter than a whole number
/// must have around a broken mean.
std::vector<double> BinomialProbabilities(double mean, double variance) {
  const double trials = std::ceil(mean / (1 - variance / mean) - 0.05);
  const double share = std::min(1.0, mean / trials);
  if (share > 1 - 1e-12) {
    std::vector<double> certain(static_cast<size_t>(trials) + 1, 0);
    certain.back() = 1;
    return certain;
  }
  std::vector<double> p;
  for (double k = 0; k <= trials; ++k)
    p.push_back(std::exp(std::lgamma(trials + 1) - std::lgamma(k + 1) -
                         std::lgamma(trials - k + 1) + k * std::log(share) +
                         (trials - k) * std::log1p(-share)));
  return p;
}

/// Probabilities of 0, 1, 2, ... until nearly all is there.
std::vector<double> CountProbabilities(double mean, double variance) {
  if (variance < mean * (1 - 1e-9)) return BinomialProbabilities(mean, variance);
  std::vector<double> p;
  const bool poisson = variance <= mean * (1 + 1e-9);
  const double r = poisson ? 0 : mean * mean / (variance - mean);
  const double fail = poisson ? 0 : 1 - mean / variance;
  double term = poisson ? std::exp(-mean) : std::exp(r * std::log(mean / variance));
  double sum = 0;
  for (int k = 0; k < 20 * static_cast<int>(kFewCounts); ++k) {
    p.push_back(term);
    sum += term;
    if (sum > 1 - 1e-6 && k > mean) break;
    term *= poisson ? mean / (k + 1) : fail * (k + r) / (k + 1);
  }
  return p;
}

telemetry::Interval Shortest(const std::vector<double>& p, double level, double floor,
                             double coin) {
  size_t low = static_cast<size_t>(std::max_element(p.begin(), p.end()) - p.begin());
  size_t high = low;
  double mass = p[low];
  while (mass < level) {
    const double left = low > 0 ? p[low - 1] : 0;
    const double right = high + 1 < p.size() ? p[high + 1] : 0;
    const double next = std::max(left, right);
    if (next <= 0 || (mass + next > level && coin > (level - mass) / next)) break;
    mass += next;
    left > right ? --low : ++high;
  }
  return {floor + static_cast<double>(low), floor + static_cast<double>(high)};
}

double Square(double x) { return x * x; }

bool IsFew(const Moments& m) { return m.mean + 4 * std::sqrt(m.variance) <= kFewCounts; }

}  // namespace

Moments Mixed(const Moments& a, const Moments& b, double weight) {
  Moments m;
  m.floor = a.floor;
  m.mean = weight * a.mean + (1 - weight) * b.mean;
  m.variance = weight * (a.variance + Square(a.mean - m.mean)) +
               (1 - weight) * (b.variance + Square(b.mean - m.mean));
  return m;
}

double GammaQuantile(double shape, double q) {
  const double z = NormalQuantileOf(q);
  const double cube = 1 - 1 / (9 * shape) + z / (3 * std::sqrt(shape));
  if (shape > 100 && (z != 0 || q == 0.5)) return shape * cube * cube * cube;  // Wilson & Hilferty
  double low = 0, high = shape + 1;
  while (GammaP(shape, high) < q) high *= 2;
  for (int i = 0; i < 200 && high - low > 1e-12 * high; ++i) {
    const double middle = low > 0 && high / low > 4 ? std::sqrt(low * high) : (low + high) / 2;
    (GammaP(shape, middle) < q ? low : high) = middle;
  }
  return (low + high) / 2;
}

Spread CountSpread(const Moments& m, uint64_t seed) { return CountSpread(m, m, 1, seed); }

Spread CountSpread(const Moments& a, const Moments& b, double weight, uint64_t seed) {
  const Moments m = Mixed(a, b, weight);
  if (!(m.mean > 1e-9) || !(m.variance > 0))
    return {m.floor, {m.floor, m.floor}, {m.floor, m.floor}};
  if (!IsFew(a) || !IsFew(b)) {
    Spread s = AmountSpread(m);
    for (double* x : {&s.value, &s.i50.lower, &s.i50.upper, &s.i90.lower, &s.i90.upper})
      *x = std::round(*x);
    return s;
  }
  std::vector<double> p = CountProbabilities(a.mean, a.variance);
  if (weight < 1) {
    const std::vector<double> q = CountProbabilities(b.mean, b.variance);
    p.resize(std::max(p.size(), q.size()), 0);
    for (size_t k = 0; k < p.size(); ++k)
      p[k] = weight * p[k] + (k < q.size() ? (1 - weight) * q[k] : 0);
  }
  Random coin(seed);
  Spread s;
  s.i50 = Shortest(p, 0.5, m.floor, coin.Uniform());
  s.i90 = Shortest(p, 0.9, m.floor, coin.Uniform());
  double below = 0;
  size_t median = 0;
  while (median + 1 < p.size() && below + p[median] < 0.5) below += p[median++];
  s.value = m.floor + static_cast<double>(median);
  return s;
}

Spread AmountSpread(const Moments& m) {
  if (!(m.mean > 0) || !(m.variance > 0)) {
    const double at = m.floor + std::max(m.mean, 0.0);
    return {at, {at, at}, {at, at}};
  }
  const double shape = m.mean * m.mean / m.variance;
  const double scale = m.variance / m.mean;
  const auto at = [&](double q) { return m.floor + scale * GammaQuantile(shape, q); };
  return {at(0.5), {at(0.25), at(0.75)}, {at(0.05), at(0.95)}};
}

}  // namespace tomograph::reconstruct
