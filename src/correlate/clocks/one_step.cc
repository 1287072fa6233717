#include "correlate/clocks/one_step.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

namespace tomograph::correlate {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr size_t kFew = 4;       // points of a side: fewer are luck
constexpr double kLoose = 1.25;  // times that gap

/// A point of an upper side: theta <= value at some time in [from, to].
struct Reading {
  double from = 0, to = 0, value = 0;
};

/// What was read up to an instant, or from one on.
BandPoints ReadUpTo(const BandPoints& points, double t) {
  BandPoints part;
  for (const auto& [from, to] :
       {std::pair(&points.upper, &part.upper), std::pair(&points.lower, &part.lower)})
    for (const BandPoint& p : *from)
      if (p.t <= t) to->push_back(p);
  return part;
}

BandPoints ReadFrom(const BandPoints& points, double t) {
  BandPoints part;
  for (const auto& [from, to] :
       {std::pair(&points.upper, &part.upper), std::pair(&points.lower, &part.lower)})
    for (const BandPoint& p : *from)
      if (p.t - p.lasted >= t) to->push_back(p);
  return part;
}

/// Of points that come one by one, how many of each side there are and what gap they leave.
class Gathered {
 public:
  explicit Gathered(double slope) : slope_(slope) {}
  void Add(const BandPoint& p, bool upper) {
    const double value = p.value - slope_ * p.t;
    (upper ? cut_.upper : cut_.lower) =
        upper ? std::min(cut_.upper, value) : std::max(cut_.lower, value);
    ++(upper ? uppers_ : lowers_);
  }
  bool AtLeast(size_t uppers, size_t lowers) const {
    return uppers_ >= uppers && lowers_ >= lowers;
  }
  double gap() const { return cut_.upper - cut_.lower; }

 private:
  double slope_;
  OffsetInterval cut_{-kInfinity, kInfinity};
  size_t uppers_ = 0, lowers_ = 0;
};

double GapOf(const BandPoints& points, double slope) {
  const OffsetInterval cut = CutAt0(points, slope);
  return cut.upper - cut.lower;
}

/// The upper side of the bound over a window, above a line of one slope through (0, 0).
class UpperSide {
 public:
  /// `sign` -1: the lower side, upside down.
  UpperSide(const std::vector<BandPoint>& side, double sign, const DriftRange& drift, double half)
      : later_(sign > 0 ? drift.most - drift.likely : drift.likely - drift.least),
        earlier_(sign > 0 ? drift.likely - drift.least : drift.most - drift.likely) {
    breaks_ = {-half, 0, half};
    for (const BandPoint& p : side) {
      readings_.push_back({p.t - p.lasted, p.t, sign * (p.value - drift.likely * p.t)});
      Break(readings_.back().from, half);
      Break(readings_.back().to, half);
    }
  }

  /// Outside of it: straight lines from the start to the middle and on to the end. For steps in
  /// [from, to] alone.
  std::array<double, 3> Above(double carried, double from, double to, double half) {
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
    const std::vector<double> all_during = During(all), tail_during = During(tail);
    std::vector<double> bounds;  // from each break to the next
    for (size_t j = 0; j + 1 < breaks_.size(); ++j) {
      const double wide = breaks_[j + 1] - breaks_[j];
      // Of a bound by earlier calls the greatest value is at the end, by later ones at the start.
      const auto both = [&](const std::vector<double>& b, const std::vector<double>& a) {
        return std::pair(b[j] + later_ * wide, a[j + 1] + earlier_ * wide);
      };
      double bound = 0;
      if (!steps || breaks_[j] < from) {
        const auto [b, a] = both(head_before, head_after);
        // Among the first calls of all there may have been a step that nothing before them shows.
        bound = std::min({a, b, steps ? kInfinity : all_during[j]});
      } else if (breaks_[j] >= to) {
        // A step here: what comes after it is left to the next window, what was before is not.
        const auto [b, a] = both(tail_before, tail_after);
        const double unstepped = before[j] + later_ * wide;
        bound = std::max(unstepped, std::min({a, b, tail_during[j]}));
      } else {
        const auto [b, a] = both(before, after);
        bound = std::max(a, b);
      }
      bounds.push_back(bound);
    }
    return LinesOver(bounds, half);
  }

 private:
  /// As low in the middle as the half of the window around it lets them be.
  std::array<double, 3> LinesOver(const std::vector<double>& bounds, double half) const {
    double middle = -kInfinity;
    for (size_t j = 0; j < bounds.size(); ++j)
      if (breaks_[j + 1] > -half / 4 && breaks_[j] < half / 4) middle = std::max(middle, bounds[j]);
    std::array<double, 3> knots{-kInfinity, middle, -kInfinity};
    for (size_t j = 0; j < bounds.size(); ++j) {
      double& knot = knots[breaks_[j] < 0 ? 0 : 2];
      const double nearest = std::min(std::abs(breaks_[j]), std::abs(breaks_[j + 1])) / half;
      // What a line from the middle has to reach at the end, to be above it all the way.
      const double over = bounds[j] - middle;
      const double reach = over > 0 ? middle + over / nearest : bounds[j];
      knot = std::max(knot, reach);
    }
    return knots;
  }

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

  /// From every break to the next, the bound by calls that began before it and ended after it:
  /// where nothing steps they hold at any time that they may have been read at. Few calls leave no
  /// other.
  template <typename Keep>
  std::vector<double> During(const Keep& keep) const {
    std::vector<double> bound(breaks_.size(), kInfinity);
    for (const Reading& r : readings_) {
      if (!keep(r)) continue;
      const auto first = std::lower_bound(breaks_.begin(), breaks_.end(), r.from);
      for (size_t j = static_cast<size_t>(first - breaks_.begin());
           j + 1 < breaks_.size() && breaks_[j + 1] <= r.to; ++j) {
        const double off =
            std::max(later_ * (breaks_[j + 1] - r.from), earlier_ * (r.to - breaks_[j]));
        bound[j] = std::min(bound[j], r.value + off);
      }
    }
    return bound;
  }

  double later_, earlier_;  // ns a second, by which a bound widens away from what was read
  std::vector<Reading> readings_;
  std::vector<double> breaks_;
};

}  // namespace

Covered CoveredBy(const BandPoints& points, double drift, double usual_gap, bool begins,
                  double half) {
  Covered covered{-half, half};
  // A step makes one of the halves look tighter than it is, not both.
  const double of_half =
      std::max(GapOf(ReadUpTo(points, 0), drift), GapOf(ReadFrom(points, 0), drift));
  const double enough = std::max(kLoose * std::min(of_half, usual_gap), GapOf(points, drift));
  std::vector<std::tuple<double, const BandPoint*, bool>> order;
  const auto few = [](size_t n) { return std::min(kFew, (n + 7) / 8); };
  const size_t uppers = few(points.upper.size()), lowers = few(points.lower.size());
  const auto gather = [&](const auto& time_of) {
    order.clear();
    for (const BandPoint& p : points.upper) order.emplace_back(time_of(p), &p, true);
    for (const BandPoint& p : points.lower) order.emplace_back(time_of(p), &p, false);
    std::sort(order.begin(), order.end(),
              [](const auto& a, const auto& b) { return std::get<0>(a) < std::get<0>(b); });
    Gathered gathered(drift);
    for (const auto& [time, point, upper] : order) {
      gathered.Add(*point, upper);
      if (gathered.AtLeast(uppers, lowers) && gathered.gap() <= enough) return time;
    }
    return kInfinity;
  };
  covered.to = -gather([](const BandPoint& p) { return p.lasted - p.t; });
  if (begins) covered.from = gather([](const BandPoint& p) { return p.t; });
  return covered;
}

std::array<OffsetInterval, 3> BoundsDespiteAStep(const BandPoints& points, OffsetInterval carried,
                                                 const DriftRange& drift, const Covered& covered,
                                                 double half) {
  const double begin = drift.likely * half;
  const auto upper = UpperSide(points.upper, 1, drift, half)
                         .Above(carried.upper + begin, covered.from, covered.to, half);
  const auto lower = UpperSide(points.lower, -1, drift, half)
                         .Above(-(carried.lower + begin), covered.from, covered.to, half);
  std::array<OffsetInterval, 3> bounds;
  for (size_t k = 0; k < 3; ++k) {
    const double line = drift.likely * (static_cast<double>(k) - 1) * half;
    bounds[k] = {line - lower[k], line + upper[k]};
  }
  return bounds;
}

StepSides SidesOfAStep(const BandPoints& points, OffsetInterval carried, const DriftRange& drift,
                       const Covered& covered, const Covered& likely, double half) {
  const double first = std::max(-half, covered.from), last = std::min(half, covered.to);
  std::vector<double> times{first, last};
  for (const auto* side : {&points.upper, &points.lower})
    for (const BandPoint& p : *side)
      for (const double t : {p.t - p.lasted, p.t})
        if (t > first && t < last) times.push_back(t);
  std::sort(times.begin(), times.end());
  // The more comes before a step the less it may all come before, and likewise after it.
  const auto first_after = std::partition_point(times.begin(), times.end(), [&](double t) {
    return !BandFit(ReadFrom(points, t), drift).feasible();
  });
  const auto end_before = std::partition_point(times.begin(), times.end(), [&](double t) {
    const BandPoints before = ReadUpTo(points, t);
    const BandFit fit(before, drift);
    if (!fit.feasible()) return false;
    if (before.size() == 0) return true;
    const OffsetInterval at = fit.At(-half);
    return at.lower <= carried.upper && at.upper >= carried.lower;
  });
  StepSides sides{likely.from, likely.to, {}, {}};
  if (first_after <= end_before) {
    // Between two of these times nothing is read: the step may be anywhere there.
    const auto from = first_after == times.begin() ? first_after : first_after - 1;
    sides.from = std::min(sides.from, *from);
    sides.to = std::max(sides.to, end_before == times.end() ? last : *end_before);
  }
  sides.before = ReadUpTo(points, sides.from);
  sides.after = ReadFrom(points, sides.to);
  return sides;
}

}  // namespace tomograph::correlate
