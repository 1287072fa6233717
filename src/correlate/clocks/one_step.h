// What bounds the difference of two clocks in a window in which one of them may have stepped.
//
// A line through all calls of a window (BandFit) is narrowed on one side of a step by calls from
// the other side; and a step of less than the gap between the fastest calls leaves such a line, so
// that its bound is wrong and nothing shows it. So no step is taken for excluded here. Were there
// one at an instant s, of any size, then t would be bounded
//
//   before s   by the calls up to t, and by what held when the window began
//   after it   by the calls from t on
//
//   upper |        x       x = calls, ' = by those up to t, . = by those from t on
//         |  x''''.\.......x
//         | ''     x'''''''          the bound is the greater of the two, since s is not known
//         +---------------------> t
//
// each call reaching to t at no more than BandFit::kMaxSlope.
//
// Assumed: of two adjacent windows one has a step at most, and none is among the first few calls of
// all (kFew points of a side) or the last few of a window: what comes after those, the next window
// has to tell. Wrong otherwise, by the step. Method: our own; running extremes, O(n log n).
#pragma once

#include <array>

#include "correlate/clocks/offset_band.h"

namespace tomograph::correlate {

/// At the start, the middle and the end of a window of twice `half` seconds; what holds in between
/// is inside the straight lines. `carried` is what held at its start as far as earlier windows
/// know; infinite: nothing is known. The bounds are read along lines of `slope` (ns a second): near
/// the drift they are tightest, and they hold by any.
std::array<OffsetInterval, 3> BoundsDespiteAStep(const BandPoints& points, OffsetInterval carried,
                                                 double slope, double half);

/// A step before or after these (seconds from the window's middle) would not be in those bounds;
/// the first only where nothing is carried.
double CoveredFrom(const BandPoints& points);
double CoveredUntil(const BandPoints& points);

}  // namespace tomograph::correlate
