// OffsetBand: what the calls between two hosts say of the difference of their clocks within one
// window. A call from a to b gives, with theta(t) = clock of b minus clock of a,
//
//   server.start - client.start = delay + theta  >= theta      (AtMost)
//   server.end - client.end     = theta - delay  <= theta      (AtLeast)
//
// and so a band in which theta(t) lies:
//
//   offset |  x    x   x  x     x   x    x        upper points: the lowest are the fastest requests
//          |    x     ______x____________
//          | -------                     x        theta = mid + slope t lies between the hulls
//          |   o  ---------o------------
//          | o   o  o    o     o     o  o         lower points: the highest are the fastest answers
//          +------------------------------ t
//
// Assumed: delays are never negative, and between steps and changes of rate a clock drifts evenly
// over one window, by no more than kMaxSlew against another. Nothing is assumed of how delays are
// distributed or of how much they differ by direction: that is why the bound is hard, and half the
// gap wide. Method: Moon, Skelly, Towsley, "Estimation and removal of clock skew" (INFOCOM 1999),
// as the two- variable linear programme that it is. Wrong when the clock steps inside the window:
// PairClock looks for that first.
//
// Bounded: the window is cut into kSlots, and each keeps the tightest point of each side alone, so
// that the order of the calls does not matter. Not thread-safe.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/nanotime.h"

namespace tomograph::correlate {

/// A point of the band: seconds since the window's middle, ns above the band's base. The clocks
/// were read at t or up to `lasted` seconds before (tracers read the wall clock at the start of a
/// span, and a steady clock for its length).
struct BandPoint {
  double t = 0;
  double value = 0;
  double lasted = 0;
  // A lax point bounds the offset from far below (or above) what it can be; as far as one call can
  // tell, the offset is this. NaN: the point is as tight as its call allows.
  double likely = std::nan("");
};

/// What holds at one instant; infinite: not bounded on that side.
struct OffsetInterval {
  double lower = 0, upper = 0;
};

/// The points of a band, or of a part of it, ordered by time.
struct BandPoints {
  std::vector<BandPoint> upper, lower;

  bool two_sided() const { return !upper.empty() && !lower.empty(); }
  size_t size() const { return upper.size() + lower.size(); }
  /// Those with from <= t < to.
  BandPoints Between(double from, double to) const;
};

/// The gap between the sides for lines of one slope: all such lines cut t = 0 in [lower, upper].
/// Empty when lower > upper.
OffsetInterval CutAt0(const BandPoints& points, double slope);
/// The median of one side, which has points, along lines of one slope.
double MedianAt0(const std::vector<BandPoint>& side, double slope);
/// How far the points lie from the median of their side, along lines of one slope; ns in all.
double SpreadOf(const BandPoints& points, double slope);

constexpr double kMaxSlope = 500e-6 * 1e9;  // ns a second: as fast as NTP may slew
constexpr double kMaxSlew = 5000e-6 * 1e9;  // as other time daemons do for some seconds

/// ns a second.
struct DriftRange {
  double least = -kMaxSlope, likely = 0, most = kMaxSlope;
};

/// Of a clock that drifts by nobody knows what.
constexpr DriftRange kAnyDrift{-kMaxSlew, 0, kMaxSlew};

class BandFit {
 public:
  /// Lines of a slope in `drift`. Of one that is steeper than kMaxSlope it matters at which end of
  /// a call its clocks were read: then each point is as wide as that.
  explicit BandFit(const BandPoints& points, const DriftRange& drift = {});
  /// Is there a line that all points allow? One-sided bands always allow one.
  bool feasible() const { return gap_ >= 0; }
  /// Of the line that keeps furthest from all points; the greatest gap (< 0: not feasible).
  double slope() const { return slope_; }
  double gap() const { return gap_; }
  /// Between the steepest lines that are feasible.
  double slope_range() const { return most_ - least_; }
  /// All that feasible lines reach at `t`. Only when feasible.
  OffsetInterval At(double t) const;

 private:
  void Fit(const DriftRange& drift);
  double Gap(double slope) const;

  BandPoints points_;
  double slope_ = 0;
  double gap_ = 0;
  double least_, most_;  // slopes that are feasible
};

class OffsetBand {
 public:
  static constexpr size_t kSlots = 64;
  static constexpr size_t kSideBytes = kSlots * 32;

  /// As in BandPoint.
  static constexpr Nanos kTight = INT64_MIN;

  /// theta(t) <= offset. `share` is where in the window t lies, in [0, 1]; `lasted` and `likely` as
  /// in BandPoint, the one as a share of the window too, the other kTight for NaN.
  void AtMost(double share, Nanos offset, double lasted, Nanos likely = kTight) {
    Tighten(&upper_, SlotOf(share), PointOf(share, offset, lasted, likely), true);
  }
  /// theta(t) >= offset.
  void AtLeast(double share, Nanos offset, double lasted, Nanos likely = kTight) {
    Tighten(&lower_, SlotOf(share), PointOf(share, offset, lasted, likely), false);
  }
  /// Takes in all that `other` says.
  void Merge(const OffsetBand& other);
  bool empty() const { return upper_.empty() && lower_.empty(); }
  /// Any offset of the band, to count from; the same for any order of calls.
  Nanos Base() const;
  /// `slack` widens the band on both sides: how coarsely the clocks are read.
  BandPoints Points(Nanos base, Nanos slack, Nanos window_length) const;

 private:
  struct Slot {
    float share = 0, lasted = 0;
    Nanos offset = 0, likely = kTight;
    bool used = false;
  };
  using Side = std::vector<Slot>;  // empty or kSlots
  static size_t SlotOf(double share);
  static Slot PointOf(double share, Nanos offset, double lasted, Nanos likely);
  static void Tighten(Side* side, size_t at, const Slot& point, bool upper);
  static void Merge(const Side& from, Side* to, bool upper);

  Side upper_, lower_;
};

}  // namespace tomograph::correlate
