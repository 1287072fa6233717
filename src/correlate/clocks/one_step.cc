#include "correlate/clocks/one_step.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace tomograph::correlate {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr size_t kFew = 4;

/// A point of an upper side: theta <= value at some time in [from, to].
struct Reading {
  double from = 0, to = 0, value = 0;
};

size_t FewOf(const std::vector<BandPoint>& side) { return std::min(kFew, 1 + side.size() / 8); }

/// The upper side of the bound over a window, above a line of one slope through (0, 0).
class UpperSide {
 public:
  UpperSide(const std::vector<BandPoint>& side, double sign, double slope, double half)
      : later_(BandFit::kMaxSlope - sign * slope), earlier_(BandFit::kMaxSlope + sign * slope) {
    breaks_ = {-half, 0, half};
    for (const BandPoint& p : side) {
      readings_.push_back({p.t - p.lasted, p.t, sign * (p.value - slope * p.t)});
      Break(readings_.back().from, half);
      Break(readings_.back().to, half);
    }
  }

  /// Its greatest value in either half, for steps in [from, to] alone.
  std::array<double, 2> Greatest(double carried, double from, double to, double half) {
    Break(from, half);
    Break(to, half);
    std::sort(breaks_.begin(), breaks_.end());
    breaks_.erase(std::unique(breaks_.begin(), breaks_.end()), breaks_.end());
    const bool steps = from < to;
    const auto head = [&](const Reading& r) { return !steps || r.to <= from; };
    const auto tail = [&](const Reading& r) { return r.from >= to; };
    const auto all = [](const Reading&) { return true; };
    const std::vector<double> before = ByEarlier(carried, all), after = ByLater(all);
    const std::vector<double> head_before = ByEarlier(kInfinity, head), head_after = ByLater(head);
    const std::vector<double> tail_before = ByEarlier(kInfinity, tail), tail_after = ByLater(tail);
    std::array<double, 2> greatest{-kInfinity, -kInfinity};
    for (size_t j = 0; j + 1 < breaks_.size(); ++j) {
      const double wide = breaks_[j + 1] - breaks_[j];
      // Of a bound by earlier calls the greatest value is at the end, by later ones at the start.
      const auto both = [&](const std::vector<double>& b, const std::vector<double>& a) {
        return std::pair(b[j] + later_ * wide, a[j + 1] + earlier_ * wide);
      };
      double bound = 0;
      if (!steps || breaks_[j] < from) {
        const auto [b, a] = both(head_before, head_after);
        bound = std::min(a, b);
      } else if (breaks_[j] >= to) {
        const auto [b, a] = both(tail_before, tail_after);
        bound = std::min(a, b);
      } else {
        const auto [b, a] = both(before, after);
        bound = std::max(a, b);
      }
      double& of_half = greatest[breaks_[j] < 0 ? 0 : 1];
      of_half = std::max(of_half, bound);
    }
    return greatest;
  }

 private:
  void Break(double t, double half) {
    if (std::abs(t) < half) breaks_.push_back(t);
  }

  /// At every break, the bound by what was read up to it, and by `least` at the first one.
  template <typename Keep>
  std::vector<double> ByEarlier(double least, const Keep& keep) {
    std::sort(readings_.begin(), readings_.end(),
              [](const Reading& a, const Reading& b) { return a.to < b.to; });
    std::vector<double> bound;
    size_t next = 0;
    for (size_t j = 0; j < breaks_.size(); ++j) {
      if (j > 0) least += later_ * (breaks_[j] - breaks_[j - 1]);
      for (; next < readings_.size() && readings_[next].to <= breaks_[j]; ++next) {
        const Reading& r = readings_[next];
        if (keep(r)) least = std::min(least, r.value + later_ * (breaks_[j] - r.from));
      }
      bound.push_back(least);
    }
    return bound;
  }

  /// At every break, the bound by what was read from it on.
  template <typename Keep>
  std::vector<double> ByLater(const Keep& keep) {
    std::sort(readings_.begin(), readings_.end(),
              [](const Reading& a, const Reading& b) { return a.from > b.from; });
    std::vector<double> bound(breaks_.size());
    double least = kInfinity;
    size_t next = 0;
    for (size_t j = breaks_.size(); j-- > 0;) {
      if (j + 1 < breaks_.size()) least += earlier_ * (breaks_[j + 1] - breaks_[j]);
      for (; next < readings_.size() && readings_[next].from >= breaks_[j]; ++next) {
        const Reading& r = readings_[next];
        if (keep(r)) least = std::min(least, r.value + earlier_ * (r.to - breaks_[j]));
      }
      bound[j] = least;
    }
    return bound;
  }

  double later_, earlier_;  // ns a second, by which a bound widens away from what was read
  std::vector<Reading> readings_;
  std::vector<double> breaks_;
};

}  // namespace

std::array<OffsetInterval, 3> BoundsDespiteAStep(const BandPoints& points, OffsetInterval carried,
                                                 double slope, double half) {
  const bool known = std::isfinite(carried.lower) || std::isfinite(carried.upper);
  const double from = known ? -half : CoveredFrom(points), to = CoveredUntil(points);
  const auto upper = UpperSide(points.upper, 1, slope, half)
                         .Greatest(carried.upper + slope * half, from, to, half);
  const auto lower = UpperSide(points.lower, -1, slope, half)
                         .Greatest(-(carried.lower + slope * half), from, to, half);
  std::array<OffsetInterval, 3> bounds;
  for (size_t k = 0; k < 3; ++k) {
    const double line = slope * (static_cast<double>(k) - 1) * half;
    const size_t first = k < 2 ? 0 : 1, last = k > 0 ? 1 : 0;
    bounds[k] = {line - std::max(lower[first], lower[last]),
                 line + std::max(upper[first], upper[last])};
  }
  return bounds;
}

double CoveredFrom(const BandPoints& points) {
  double from = -kInfinity;
  for (const auto* side : {&points.upper, &points.lower}) {
    if (side->empty()) continue;
    std::vector<double> times;
    for (const BandPoint& p : *side) times.push_back(p.t);
    const auto at = times.begin() + static_cast<std::ptrdiff_t>(FewOf(*side) - 1);
    std::nth_element(times.begin(), at, times.end());
    from = std::max(from, *at);
  }
  return from;
}

double CoveredUntil(const BandPoints& points) {
  double until = kInfinity;
  for (const auto* side : {&points.upper, &points.lower}) {
    if (side->empty()) continue;
    std::vector<double> times;
    for (const BandPoint& p : *side) times.push_back(p.t - p.lasted);
    const auto at = times.end() - static_cast<std::ptrdiff_t>(FewOf(*side));
    std::nth_element(times.begin(), at, times.end());
    until = std::min(until, *at);
  }
  return until;
}

}  // namespace tomograph::correlate
