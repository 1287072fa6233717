// Parts of ClockSegments, and segments of which either may be true.
#pragma once

#include "base/nanotime.h"
#include "telemetry/host_clock.h"

namespace tomograph::correlate {

/// Away from zero to whole ns; kUnbounded beyond what they hold.
Nanos Outward(double ns);

/// The stretch [from, to) of a segment. Bounds are convex between the three instants, so that the
/// straight lines stay outside of them.
telemetry::ClockSegment Part(const telemetry::ClockSegment& s, Nanos from, Nanos to);

/// `s` with bounds that hold as well if, over its stretch, `by` is what is true.
telemetry::ClockSegment Widened(telemetry::ClockSegment s, const telemetry::ClockSegment& by);

}  // namespace tomograph::correlate
