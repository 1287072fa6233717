#include "diagnose/baseline/onset_posterior.h"

#include <algorithm>
#include <cmath>

#include "diagnose/baseline/onset.h"
#include "diagnose/baseline/robust.h"

namespace tomograph::diagnose {
namespace {

constexpr int kParts = 4;     // of a window, in which onsets are looked for
constexpr double kPrior = 2;  // degrees of freedom of the variances' prior
constexpr double kClip = 4;
constexpr double kSteps = 0.5;       // of the changes are steps, the others ramps of any length
constexpr double kRampRatio = 1.19;  // of one ramp's length to the next one's
constexpr double kPi = 3.14159265358979;

/// Values with sums over what came before each step; missing ones weigh nothing.
struct Values {
  std::vector<double> y;  // 0 where missing
  std::vector<double> known;
  std::vector<double> count, sum, square;  // of steps [0, i)
};

Values Prepare(std::span<const double> values, double scale) {
  const std::vector<double> sorted = SortedFinite(values);
  const double low = QuantileOfSorted(sorted, 0.1) - kClip * scale;
  const double high = QuantileOfSorted(sorted, 0.9) + kClip * scale;
  const double middle = QuantileOfSorted(sorted, 0.5);
  Values v;
  v.count = v.sum = v.square = {0};
  for (const double raw : values) {
    const bool there = std::isfinite(raw);
    const double y = there ? (std::clamp(raw, low, high) - middle) / scale : 0;
    v.y.push_back(y);
    v.known.push_back(there ? 1 : 0);
    v.count.push_back(v.count.back() + v.known.back());
    v.sum.push_back(v.sum.back() + y);
    v.square.push_back(v.square.back() + y * y);
  }
  return v;
}

/// log p(values with this sum of squares around a fitted mean of `weight`), the variance integrated
/// out.
double LogMarginal(double n, double rest, double weight) {
  if (n < 1) return 0;
  const double freedom = kPrior + n - 1;
  return std::lgamma(freedom / 2) - std::lgamma(kPrior / 2) + kPrior / 2 * std::log(kPrior) -
         freedom / 2 * std::log(std::max(rest, 0.0) + kPrior) - (n - 1) / 2 * std::log(kPi) -
         std::log(weight) / 2;
}

/// Integral of the ramp from 0 at 0 to 1 at d, up to t.
double RampIntegral(double t, double d) {
  if (t <= 0) return 0;
  if (t >= d) return t - d / 2;
  return t * t / (2 * d);
}

double RampMean(double window, double onset, double d) {
  return RampIntegral(window + 1 - onset, d) - RampIntegral(window - onset, d);
}

struct Fit {
  double log_likelihood = -INFINITY;
  double level = 0, height = 0;
};

Fit FitAt(const Values& v, double onset, double d) {
  const size_t n = v.y.size();
  const auto first = static_cast<size_t>(onset);  // the first window that shows any of it
  const double n0 = v.count[first], n1 = v.count[n] - n0;
  if (n0 < 2 || n1 < 2) return {};
  Fit fit;
  fit.level = v.sum[first] / n0;
  const double rest0 = v.square[first] - v.sum[first] * fit.level;
  const auto full = std::min(n, static_cast<size_t>(std::ceil(onset + d)));  // from here on g is 1
  double gg = v.count[n] - v.count[full];
  double gy = v.sum[n] - v.sum[full] - gg * fit.level;
  for (size_t i = first; i < full; ++i) {
    const double g = RampMean(static_cast<double>(i), onset, d) * v.known[i];
    gg += g * g;
    gy += g * (v.y[i] - fit.level);
  }
  const double all1 = (v.square[n] - v.square[first]) - 2 * fit.level * (v.sum[n] - v.sum[first]) +
                      n1 * fit.level * fit.level;
  if (!(gg > 1e-9)) return {};
  fit.height = gy / gg;
  fit.log_likelihood =
      LogMarginal(n0, rest0, n0) + LogMarginal(n1, all1 - gy * gy / gg, std::max(gg, 1e-3));
  return fit;
}

/// How much a log-likelihood counts that takes neighbours for independent.
double Independence(const Values& v, double onset, double d, const Fit& fit) {
  double product = 0, square = 0, before = 0;
  bool there = false;
  for (size_t i = 0; i < v.y.size(); ++i) {
    const double e = v.y[i] - fit.level - fit.height * RampMean(static_cast<double>(i), onset, d);
    if (v.known[i] > 0 && there) product += std::clamp(e, -kClip, kClip) * before;
    there = v.known[i] > 0;
    before = std::clamp(e, -kClip, kClip);
    if (there) square += before * before;
  }
  const double phi = square > 0 ? std::clamp(product / square, 0.0, 0.9) : 0;
  return (1 - phi) / (1 + phi);
}

// A listed ramp stands for those up to half way to the next one, which begin earlier or later.
void Spread(double m, size_t place, double d, std::vector<double>* mass) {
  const auto reach = static_cast<size_t>(d * (std::sqrt(kRampRatio) - 1) * kParts + 0.5);
  const size_t from = place - std::min(place, reach),
               to = std::min(place + reach, mass->size() - 1);
  for (size_t i = from; i <= to; ++i) (*mass)[i] += m / static_cast<double>(to - from + 1);
}

double NoiseScale(std::span<const double> values, double floor) {
  std::vector<double> steps;
  double last = NAN;
  for (const double x : values) {
    if (!std::isfinite(x)) continue;
    if (std::isfinite(last)) steps.push_back(std::abs(x - last));
    last = x;
  }
  return std::max({Median(steps) * 1.4826 / std::sqrt(2.0), floor, 1e-12});
}

}  // namespace

Nanos OnsetPosterior::Quantile(double q) const {
  double sum = 0;
  for (size_t i = 0; i < mass.size(); ++i) {
    // Each time stands for the pitch around it.
    if (mass[i] > 0 && sum + mass[i] >= q) {
      const double within = (q - sum) / mass[i] - 0.5;
      return first +
             static_cast<Nanos>((static_cast<double>(i) + within) * static_cast<double>(pitch));
    }
    sum += mass[i];
  }
  return first + static_cast<Nanos>(mass.size()) * pitch;
}

OnsetPosterior FindOnsetPosterior(std::span<const double> values, std::span<const Nanos> times,
                                  Nanos step, double scale_floor) {
  const Onset split = FindOnset(values, times, step, scale_floor);
  OnsetPosterior out;
  if (!split.found) return out;
  const size_t n = std::min(values.size(), times.size());
  const Values v = Prepare(values.first(n), NoiseScale(values.first(n), scale_floor));
  std::vector<double> ramps{0};
  for (double d = 1; d < static_cast<double>(n) / 2; d *= kRampRatio) ramps.push_back(d);
  const size_t places = n * kParts;
  std::vector<double> logs(places * ramps.size());
  std::vector<double> log_prior(
      ramps.size(),
      std::log((1 - kSteps) / static_cast<double>(std::max<size_t>(ramps.size() - 1, 1))));
  log_prior[0] = std::log(kSteps);
  size_t best = 0;
  Fit best_fit;
  for (size_t i = 0; i < logs.size(); ++i) {
    const double onset = (static_cast<double>(i % places) + 0.5) / kParts;
    const Fit fit = FitAt(v, onset, ramps[i / places]);
    logs[i] = fit.log_likelihood;
    if (logs[i] > logs[best] || i == 0) {
      best = i;
      best_fit = fit;
    }
  }
  if (!std::isfinite(logs[best])) return out;
  const double share = Independence(v, (static_cast<double>(best % places) + 0.5) / kParts,
                                    ramps[best / places], best_fit);
  out.mass.assign(places, 0);
  double total = 0;
  for (size_t i = 0; i < logs.size(); ++i) {
    const double m = std::exp(share * (logs[i] - logs[best]) + log_prior[i / places]);
    if (m < 1e-12) continue;
    Spread(m, i % places, ramps[i / places], &out.mass);
    total += m;
  }
  for (double& m : out.mass) m /= total;
  out.found = true;
  out.z = split.z;
  out.pitch = step / kParts;
  out.first = times[0] + out.pitch / 2;
  return out;
}

OnsetPosterior Delay(const OnsetPosterior& a, const OnsetPosterior& b) {
  OnsetPosterior delay;
  delay.found = a.found && b.found && a.pitch == b.pitch;
  if (!delay.found) return delay;
  delay.pitch = a.pitch;
  delay.first = b.first - a.first - static_cast<Nanos>(a.mass.size() - 1) * a.pitch;
  delay.mass.assign(a.mass.size() + b.mass.size() - 1, 0);
  for (size_t i = 0; i < a.mass.size(); ++i) {
    if (a.mass[i] <= 0) continue;
    for (size_t j = 0; j < b.mass.size(); ++j)
      delay.mass[a.mass.size() - 1 - i + j] += a.mass[i] * b.mass[j];
  }
  return delay;
}

double ProbabilityPositive(const OnsetPosterior& delay, Nanos error) {
  double positive = 0;
  const double reach = static_cast<double>(error);
  for (size_t i = 0; i < delay.mass.size(); ++i) {
    const double gap = static_cast<double>(delay.first + static_cast<Nanos>(i) * delay.pitch);
    const double p = reach > 0 ? std::clamp((gap + reach) / (2 * reach), 0.0, 1.0)
                     : gap > 0 ? 1
                     : gap < 0 ? 0
                               : 0.5;
    positive += delay.mass[i] * p;
  }
  return std::clamp(positive, 0.0, 1.0);
}

}  // namespace tomograph::diagnose
