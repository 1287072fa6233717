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

}  // namespace

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

BandFit::BandFit(const BandPoints& points) : points_(points) {
  if (!points.two_sided()) {
    gap_ = kInfinity;
    return;
  }
  const auto gap = [this](double slope) { return Gap(slope); };
  slope_ = ArgMax(-kMaxSlope, kMaxSlope, gap);
  gap_ = Gap(slope_);
  if (gap_ < 0) return;
  least_ = Edge(slope_, -kMaxSlope, gap);
  most_ = Edge(slope_, kMaxSlope, gap);
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

void OffsetBand::Tighten(Side* side, double share, Nanos offset, double lasted, bool upper) {
  ++count_;
  if (side->empty()) side->resize(kSlots);
  share = std::clamp(share, 0.0, 1.0);
  const size_t at = std::min(kSlots - 1, static_cast<size_t>(share * kSlots));
  Slot& slot = (*side)[at];
  const float exact = static_cast<float>(share);
  const bool tighter = upper ? offset < slot.offset : offset > slot.offset;
  const float length = static_cast<float>(std::max(0.0, lasted));
  const bool equal_and_first =
      offset == slot.offset && std::tie(exact, length) < std::tie(slot.share, slot.lasted);
  if (slot.used && !tighter && !equal_and_first) return;
  slot = {exact, length, offset, true};
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
  const auto take = [&](const Side& side, Nanos wider, std::vector<BandPoint>* out) {
    for (const Slot& slot : side) {
      if (!slot.used) continue;
      const double above_base =
          static_cast<double>(slot.offset) - static_cast<double>(base) + static_cast<double>(wider);
      // Exact where the difference fits, which is wherever two clocks agree to a century.
      Nanos exact;
      const bool fits = !__builtin_sub_overflow(slot.offset, base, &exact);
      out->push_back({(static_cast<double>(slot.share) - 0.5) * seconds,
                      fits ? static_cast<double>(exact + wider) : above_base,
                      static_cast<double>(slot.lasted) * seconds});
    }
  };
  take(upper_, slack, &points.upper);
  take(lower_, -slack, &points.lower);
  return points;
}

}  // namespace tomograph::correlate
