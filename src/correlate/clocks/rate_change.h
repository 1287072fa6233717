// RateChange: from some instant of a window on, two clocks drift apart at another rate than before.
// A time daemon slews a clock so: for a while it runs off by hundreds of ppm (ntpd, adjtime) or
// thousands (chronyd), which no quartz does by itself, and then again as before.
//
//   offset |              o'           the line before is known from earlier windows; the one after
//          |            o'  x          begins on it, at the change: one slope is free
//          |  x   x   x'  x
//          | ---------'------- before
//          |  o   o   o
//          +----------------------> t
//
// A step is the other explanation of such a window: one line and another one beside it. The
// `spread` of the calls about the two lines says which explains more.
//
// Method: for every instant between two calls the slope that keeps furthest from all calls after it
// and from the band in which the line before ends (BandFit), then the instant of least spread.
// O(n^2) of the points of a window, at most 128. Wrong when the rate changes twice in a window.
#pragma once

#include <optional>

#include "correlate/clocks/offset_band.h"

namespace tomograph::correlate {

/// Seconds from the window's middle, ns, ns a second.
struct RateChange {
  double from = 0, at = 0, to = 0;  // in [from, to], most likely at `at`; before the window too
  double slope = 0, slope_sd = 0;   // after it
  double spread = 0;                // of the points about the two lines, ns in all
};

/// `offset`, `drift`: of the line before, at the window's middle; `gap`: how far the fastest calls
/// of the two sides usually lie apart. The change may be as early as one window before this one.
/// `points` ordered by time. None: no line after it fits.
std::optional<RateChange> FindRateChange(const BandPoints& points, double offset, double drift,
                                         double gap, double half);

}  // namespace tomograph::correlate
