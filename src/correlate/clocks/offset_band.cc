#include "correlate/clocks/offset_band.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

namespace tomograph::correlate {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<BandPoint> Cut(const std::vector<BandPoint>& side, double from, double to) {
  std::vector<BandPoint> part;
  for (const BandPoint& p : side)
    if (p.t >= from && p.t < to) part.push_back(p);
  return part;
}

/// The slope in [from, to] at which a concave function is greatest.
template <typename F>
double ArgMax(double from, double to, const F& f) {
  constexpr int kSteps = 64;  // to about 1e-11 of the range
  constexpr double kGolden = 0.6180339887498949;
  double a = to - kGolden * (to - from), b = from + kGolden * (to - from);
  double fa = f(a), fb = f(b);
  for (int i = 0; i < kSteps; ++i) {
    if (fa < fb) {
      from = a;
      a = b;
      fa = fb;
      b = from + kGolden * (to - from);
      fb = f(b);
    } else {
      to = b;
      b = a;
      fb = fa;
      a = to - kGolden * (to - from);
      fa = f(a);
    }
  }
  return (from + to) / 2;
}

/// Where a function that is >= 0 at `inside` and falls towards `outside` becomes negative, from
/// the outer side of it: a bound must not lose what is feasible.
template <typename F>
double Edge(double inside, double outside, const F& f) {
  if (f(outside) >= 0) return outside;
  for (int i = 0; i < 60; ++i) {
    const double middle = (inside + outside) / 2;
    (f(middle) >= 0 ? inside : outside) = middle;
  }
  return outside;
}

double SpreadOf(const std::vector<BandPoint>& side, double slope) {
  if (side.empty()) return 0;
  const double median = MedianAt0(side, slope);
  double sum = 0;
  for (const BandPoint& p : side) sum += std::abs(p.value - slope * p.t - median);
  return sum;
}

}  // namespace

double MedianAt0(const std::vector<BandPoint>& side, double slope) {
  std::vector<double> values;
  for (const BandPoint& p : side) values.push_back(p.value - slope * p.t);
  const auto median = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), median, values.end());
  return *median;
}

double SpreadOf(const BandPoints& points, double slope) {
  return SpreadOf(points.upper, slope) + SpreadOf(points.lower, slope);
}

BandPoints BandPoints::Between(double from, double to) const {
  return {Cut(upper, from, to), Cut(lower, from, to)};
}

OffsetInterval CutAt0(const BandPoints& points, double slope) {
  OffsetInterval cut{-kInfinity, kInfinity};
  for (const BandPoint& p : points.upper) cut.upper = std::min(cut.upper, p.value - slope * p.t);
  for (const BandPoint& p : points.lower) cut.lower = std::max(cut.lower, p.value - slope * p.t);
  return cut;
}

double BandFit::Gap(double slope) const {
  const OffsetInterval cut = CutAt0(points_, slope);
  return cut.upper - cut.lower;
}

BandFit::BandFit(const BandPoints& points, const DriftRange& drift)
    : points_(points), least_(drift.least), most_(drift.most) {
  if (!points.two_sided()) {
    gap_ = kInfinity;
    return;
  }
  Fit(drift);
  const double steepest = std::max(-least_, most_);
  if (gap_ < 0 || steepest <= kMaxSlope) return;
  for (BandPoint& p : points_.upper) p.value += steepest * p.lasted;
  for (BandPoint& p : points_.lower) p.value -= steepest * p.lasted;
  Fit(drift);
}

void BandFit::Fit(const DriftRange& drift) {
  const auto gap = [this](double slope) { return Gap(slope); };
  slope_ = ArgMax(drift.least, drift.most, gap);
  gap_ = Gap(slope_);
  if (gap_ < 0) return;
  least_ = Edge(slope_, drift.least, gap);
  most_ = Edge(slope_, drift.most, gap);
}

OffsetInterval BandFit::At(double t) const {
  // The highest line of one slope is a concave function of the slope, the lowest a convex one.
  const auto highest = [&](double slope) { return CutAt0(points_, slope).upper + slope * t; };
  const auto lowest = [&](double slope) { return -(CutAt0(points_, slope).lower + slope * t); };
  OffsetInterval at{-kInfinity, kInfinity};
  if (!points_.upper.empty()) {
    at.upper = highest(ArgMax(least_, most_, highest));
    at.upper = std::max({at.upper, highest(least_), highest(most_)});
  }
  if (!points_.lower.empty()) {
    at.lower = -lowest(ArgMax(least_, most_, lowest));
    at.lower = std::min({at.lower, -lowest(least_), -lowest(most_)});
  }
  return at;
}

size_t OffsetBand::SlotOf(double share) {
  return std::min(kSlots - 1, static_cast<size_t>(std::clamp(share, 0.0, 1.0) * kSlots));
}

OffsetBand::Slot OffsetBand::PointOf(double share, Nanos offset, double lasted, Nanos likely) {
  return {static_cast<float>(std::clamp(share, 0.0, 1.0)),
          static_cast<float>(std::max(0.0, lasted)), offset, likely, true};
}

void OffsetBand::Tighten(Side* side, size_t at, const Slot& point, bool upper) {
  if (side->empty()) side->resize(kSlots);
  Slot& slot = (*side)[at];
  const bool tighter = upper ? point.offset < slot.offset : point.offset > slot.offset;
  const bool equal_and_first =
      point.offset == slot.offset && std::tie(point.share, point.lasted, point.likely) <
                                         std::tie(slot.share, slot.lasted, slot.likely);
  if (!slot.used || tighter || equal_and_first) slot = point;
}

void OffsetBand::Merge(const Side& from, Side* to, bool upper) {
  for (size_t i = 0; i < from.size(); ++i)
    if (from[i].used) Tighten(to, i, from[i], upper);
}

void OffsetBand::Merge(const OffsetBand& other) {
  Merge(other.upper_, &upper_, true);
  Merge(other.lower_, &lower_, false);
}

Nanos OffsetBand::Base() const {
  for (const Side* side : {&upper_, &lower_})
    for (const Slot& slot : *side)
      if (slot.used) return slot.offset;
  return 0;
}

BandPoints OffsetBand::Points(Nanos base, Nanos slack, Nanos window_length) const {
  BandPoints points;
  const double seconds = ToSeconds(window_length);
  // Exact where the difference fits, which is wherever two clocks agree to a century.
  const auto above_base = [base](Nanos offset, Nanos wider) {
    Nanos exact;
    return __builtin_sub_overflow(offset, base, &exact)
               ? static_cast<double>(offset) - static_cast<double>(base) +
                     static_cast<double>(wider)
               : static_cast<double>(exact + wider);
  };
  const auto take = [&](const Side& side, Nanos wider, std::vector<BandPoint>* out) {
    for (const Slot& slot : side) {
      if (!slot.used) continue;
      BandPoint point;
      point.t = (static_cast<double>(slot.share) - 0.5) * seconds;
      point.value = above_base(slot.offset, wider);
      point.lasted = static_cast<double>(slot.lasted) * seconds;
      if (slot.likely != kTight) point.likely = above_base(slot.likely, 0);
      out->push_back(point);
    }
  };
  take(upper_, slack, &points.upper);
  take(lower_, -slack, &points.lower);
  return points;
}

}  // namespace tomograph::correlate
