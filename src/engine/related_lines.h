// Which lines move with a given one, or with series given by their samples, among the entities near
// it: lagged correlation (correlate/align/lagged_correlation.h) with all lines there, under control
// of the false discovery rate (Benjamini & Yekutieli: lines depend on one another). It stands here
// and is handed to publish/ as a function, because publish/ may not know correlate/ and a picture
// is made nowhere else. Pure; any thread.
//
// Near: at most two calls away in the topology, or anywhere while there are few entities. Lines of
// latency of the same entity are one quantity and not compared, nor is a series with the lines that
// are made from it; how many records come of a service moves with all that they tell, and is not
// compared either. Samples are laid on the windows by the clock of the host that took them, as far
// as the Picture knows it (correlate/align/aligned_series.h); for a series that is rarer than the
// windows, several of them make a cell. Cost, for each asked series: kMostLines pairs over
// kMostWindowsCompared windows and kMostLag lags to both sides, below 0.2 s; what is beyond is
// counted in `left_out`.
#pragma once

#include "telemetry/correlation.h"
#include "telemetry/picture.h"

namespace tomograph::engine {

inline constexpr size_t kFewEntities = 20;
inline constexpr size_t kMostLines = 500;    // the nearest in the order of the picture
inline constexpr size_t kMostLag = 60;       // windows, and at most a quarter of the range
inline constexpr size_t kFewestCells = 48;   // that windows are put together to
inline constexpr double kFalseShare = 0.05;  // of what is called related

/// kNotFound when there is no such line, or no window.
Result<telemetry::CorrelationAnswer> RelatedLines(const telemetry::Picture& picture,
                                                  const telemetry::CorrelationQuestion& question);

}  // namespace tomograph::engine
