// AlignedSeries: samples that came when they came, by the clock of their own host, laid on a common
// grid: one value a cell, NaN where nothing is known, and how wrong the times may be. Pure; any
// thread. Cost: O(samples log samples + cells).
//
// Each sample is known for a stretch of time, and a cell's value is the mean over the stretches
// that fall into it, weighted by their length:
//   level    around the sample, half way to its neighbours
//   counter  between two samples: the difference over the time; a fall is a restart, and the
//            stretch across it is not known
//   count    from the sample before up to it: the count over the time
// A gap of more than kLongestGap intervals of the series itself is not bridged (a level then stands
// for half an interval on the side of the gap, a counter for nothing, a count for one interval),
// and a cell of which less than half is known is NaN: missing is not zero. Wrong where a series'
// rate changes for good: the interval is the median over all its samples.
//
// Either all times are by a clock that is known, or all stand as they are: a counter of which the
// first samples were not moved, and the others were, would seem to fall. By a clock that is known
// for at least half of the samples, the others lie nowhere and are ignored.
#pragma once

#include <span>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/host_clock.h"
#include "telemetry/sampled_series.h"

namespace tomograph::correlate {

using telemetry::Reading;
using telemetry::Sample;

struct Grid {
  Nanos start = 0;
  Nanos step = 0;
  size_t cells = 0;
};

struct AlignedSeries {
  std::vector<double> values;  // one a cell; levels, or a rate in 1/s
  Nanos step = 0;
  Nanos interval = 0;  // median distance of its samples; 0: fewer than two
  // Of the samples whose times, corrected, lie in the grid: those around it have a say in the first
  // and last cells only.
  // The widest bound of the clock; kUnknownBound where nothing bounds it.
  Nanos clock_bound = telemetry::kUnknownBound;
  size_t samples = 0;      // that count
  bool corrected = false;  // some were moved by their clock's offset
  size_t restarts = 0;     // of a counter
  // Not a number, a second value for the same time (the last one counts), or of an unknown time.
  size_t ignored = 0;

  bool clock_is_known() const { return clock_bound != telemetry::kUnknownBound; }
  /// How far an event may be from where the grid shows it, as far as that is known: the clock's
  /// bound and half the distance of the samples. Without a known clock the latter alone.
  Nanos timing_error() const { return (clock_is_known() ? clock_bound : 0) + interval / 2; }
};

inline constexpr int kLongestGap = 3;  // in intervals of the series itself

/// `clock`: the segments of the host that took the times; empty: nothing is known of it, the times
/// stand. A grid without cells or step gives no values.
AlignedSeries Align(std::span<const Sample> samples, Reading reading,
                    std::span<const telemetry::ClockSegment> clock, const Grid& grid);

}  // namespace tomograph::correlate
