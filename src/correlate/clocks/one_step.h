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
// each call reaching to t at the drifts that are possible.
//
// A few slow calls bound next to nothing. So a step is allowed for only while the calls that remain
// bound as well as a window of this pair usually does, or as half of this one; what comes after a
// later one is the next window's to tell. Nor is one looked for among the first calls of all.
//
// A change of rate is the same: one line before it and another after it, which SidesOfAStep finds
// at any slopes.
//
// Assumed: of two adjacent windows one has a step or a change of rate at most. Wrong otherwise and,
// until the next window has come, after a step among the last calls: by the step. Method: our own;
// running extremes, O(n log n) of the points.
#pragma once

#include <array>

#include "correlate/clocks/offset_band.h"

namespace tomograph::correlate {

/// When a step is allowed for, in seconds from the window's middle.
struct Covered {
  double from = 0, to = 0;
};
/// `drift`: about what it is. `usual_gap`: what all calls of a window leave, as far as earlier ones
/// tell; infinite: they don't. `begins`: nothing is known of the time before.
Covered CoveredBy(const BandPoints& points, double drift, double usual_gap, bool begins,
                  double half);

/// At the start, the middle and the end of a window of twice `half` seconds, for a step in
/// `covered`; what holds in between is inside the straight lines. `carried` is what held at its
/// start as far as earlier windows know; infinite: nothing is known.
std::array<OffsetInterval, 3> BoundsDespiteAStep(const BandPoints& points, OffsetInterval carried,
                                                 const DriftRange& drift, const Covered& covered,
                                                 double half);

/// All instants [from, to] of `covered` at which no call contradicts a step; the calls that were
/// before it and after it wherever it was, along lines of a slope in `drift`. `likely`: in the
/// answer in any case.
struct StepSides {
  double from = 0, to = 0;
  BandPoints before, after;
};
StepSides SidesOfAStep(const BandPoints& points, OffsetInterval carried, const DriftRange& drift,
                       const Covered& covered, const Covered& likely, double half);

}  // namespace tomograph::correlate
