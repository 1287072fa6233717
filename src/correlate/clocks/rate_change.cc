#include "correlate/clocks/rate_change.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace tomograph::correlate {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Through a few points, or those of a moment, some line always goes.
constexpr size_t kWellSeen = 10;
constexpr double kMostRange = 4 * kMaxSlope;

/// All calls come after it: where their line meets the one before.
std::optional<RateChange> BeforeWindow(const BandPoints& points, double offset, double drift,
                                       double gap, double half) {
  if (points.size() < kWellSeen) return std::nullopt;
  const BandFit fit(points, kAnyDrift);
  if (!fit.feasible() || fit.slope_range() > kMostRange || fit.slope() == drift)
    return std::nullopt;
  const OffsetInterval cut = CutAt0(points, fit.slope());
  const double met = (offset - (cut.lower + cut.upper) / 2) / (fit.slope() - drift);
  const double unsure = (gap + fit.gap()) / 2 / std::abs(fit.slope() - drift);
  const double from = std::max(met - unsure, -3 * half), to = std::min(met + unsure, -half);
  if (from > to) return std::nullopt;
  return RateChange{from,        std::clamp(met, from, to), to,
                    fit.slope(), fit.slope_range() / 4,     SpreadOf(points, fit.slope())};
}

}  // namespace

std::optional<RateChange> FindRateChange(const BandPoints& points, double offset, double drift,
                                         double gap, double half) {
  std::vector<double> read, instants;
  for (const auto* side : {&points.upper, &points.lower})
    for (const BandPoint& p : *side) read.push_back(p.t);
  std::sort(read.begin(), read.end());
  read.erase(std::unique(read.begin(), read.end()), read.end());
  for (size_t i = 0; i + 1 < read.size(); ++i) instants.push_back((read[i] + read[i + 1]) / 2);
  std::vector<RateChange> changes;
  double least = kInfinity;
  if (const auto earlier = BeforeWindow(points, offset, drift, gap, half)) {
    changes.push_back(*earlier);
    least = earlier->spread;
  }
  for (const double at : instants) {
    BandPoints after = points.Between(at, kInfinity);
    if (!after.two_sided() || after.size() < kWellSeen) break;
    const BandPoints before = points.Between(-kInfinity, at);
    const double spread_before = SpreadOf(before, drift);
    if (spread_before > least) break;
    const double value = offset + drift * at;
    after.upper.push_back({at, value + gap / 2});
    after.lower.push_back({at, value - gap / 2});
    const BandFit fit(after, kAnyDrift);
    if (!fit.feasible() || fit.slope_range() > kMostRange) continue;
    after.upper.pop_back();
    after.lower.pop_back();
    RateChange change{at,
                      at,
                      at,
                      fit.slope(),
                      fit.slope_range() / 4,
                      spread_before + SpreadOf(after, fit.slope())};
    least = std::min(least, change.spread);
    changes.push_back(change);
  }
  if (changes.empty()) return std::nullopt;
  RateChange best = *std::min_element(
      changes.begin(), changes.end(),
      [](const RateChange& a, const RateChange& b) { return a.spread < b.spread; });
  // Every instant about as good may be the true one.
  const double noise =
      3 * best.spread / static_cast<double>(std::max<size_t>(1, points.size())) + 2 * kMicrosecond;
  for (const RateChange& c : changes) {
    if (c.spread > best.spread + noise) continue;
    best.from = std::min(best.from, c.from);
    best.to = std::max(best.to, c.to);
  }
  return best;
}

}  // namespace tomograph::correlate
