#include "diagnose/baseline/onset.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "diagnose/baseline/robust.h"

namespace tomograph::diagnose {
namespace {

constexpr size_t kLeastSide = 2;
constexpr double kClip = 4;

struct Split {
  double gain = 0;  // G(k)
  double shift = 0;
};

// Deviations between neighbours: insensitive to the very change that is looked for.
double NoiseScale(const std::vector<double>& x, double floor) {
  std::vector<double> steps;
  for (size_t i = 1; i < x.size(); ++i) steps.push_back(std::abs(x[i] - x[i - 1]));
  return std::max({Median(steps) * 1.4826 / std::sqrt(2.0), floor, 1e-12});
}

std::vector<Split> Splits(const std::vector<double>& x) {
  double total = 0;
  for (const double v : x) total += v;
  std::vector<Split> splits(x.size());
  double left = 0;
  for (size_t k = 1; k < x.size(); ++k) {
    left += x[k - 1];
    if (k < kLeastSide || x.size() - k < kLeastSide) continue;
    const double n1 = static_cast<double>(k), n2 = static_cast<double>(x.size() - k);
    const double shift = (total - left) / n2 - left / n1;
    splits[k].gain = n1 * n2 / (n1 + n2) * shift * shift;
    splits[k].shift = shift;
  }
  return splits;
}

}  // namespace

Onset FindOnset(std::span<const double> values, std::span<const Nanos> times, Nanos step,
                double scale_floor) {
  std::vector<double> x;
  std::vector<size_t> at;
  for (size_t i = 0; i < values.size() && i < times.size(); ++i) {
    if (!std::isfinite(values[i])) continue;
    x.push_back(values[i]);
    at.push_back(i);
  }
  if (x.size() < 2 * kLeastSide) return {};

  const double scale = NoiseScale(x, scale_floor);
  const double median = Median(x);
  // A step that is large against the noise must keep its height: clip around both ends of the range
  // that the middle 80 % of the values span.
  const std::vector<double> sorted = SortedFinite(x);
  const double low = QuantileOfSorted(sorted, 0.1) - kClip * scale;
  const double high = QuantileOfSorted(sorted, 0.9) + kClip * scale;
  for (double& v : x) v = (std::clamp(v, low, high) - median) / scale;

  const std::vector<Split> splits = Splits(x);
  size_t best = 0;
  for (size_t k = 1; k < splits.size(); ++k) {
    if (splits[k].gain > splits[best].gain) best = k;
  }
  // The greatest of n chance gains is about 2 ln n.
  if (splits[best].gain < 2 * std::log(static_cast<double>(x.size())) + 6) return {};

  double mass = 0;
  for (const Split& s : splits) mass += s.gain > 0 ? std::exp((s.gain - splits[best].gain) / 2) : 0;
  size_t from = best, to = best;
  double covered = 1;
  while (covered < 0.9 * mass) {
    const auto likelihood = [&](size_t k) {
      return k < splits.size() && splits[k].gain > 0
                 ? std::exp((splits[k].gain - splits[best].gain) / 2)
                 : -1.0;
    };
    const double below = from > 0 ? likelihood(from - 1) : -1, above = likelihood(to + 1);
    if (below < 0 && above < 0) break;
    if (below > above)
      covered += likelihood(--from);
    else
      covered += likelihood(++to);
  }

  Onset onset;
  onset.found = true;
  onset.step = at[best];
  onset.time = times[at[best]];
  // The change lies between the last old value and the first new one.
  const Nanos earliest = times[at[from - 1]] + step, latest = times[at[to]];
  onset.error = std::max({step / 2, onset.time - earliest, latest - onset.time});
  onset.z = splits[best].shift;
  return onset;
}

}  // namespace tomograph::diagnose
