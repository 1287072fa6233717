// Which lines move with a given one, among the entities near it: lagged correlation
// (correlate/align/lagged_correlation.h) of one line with all others, under control of the false
// discovery rate (Benjamini & Yekutieli: lines depend on one another). It stands here and is handed
// to publish/ as a function, because publish/ may not know correlate/ and a picture is made nowhere
// else. Pure; any thread.
//
// Near: at most two calls away in the topology, or anywhere while there are few entities. Lines of
// latency of the same entity are one quantity and not compared. Cost: kMostLines pairs over
// kMostCells windows and kMostLag lags to both sides, below 0.2 s; what is beyond is counted in
// `left_out`.
#pragma once

#include "telemetry/correlation.h"
#include "telemetry/picture.h"

namespace tomograph::engine {

inline constexpr size_t kFewEntities = 20;
inline constexpr size_t kMostLines = 500;    // the nearest in the order of the picture
inline constexpr size_t kMostCells = 360;    // the newest of the range
inline constexpr size_t kMostLag = 60;       // and at most a quarter of the range
inline constexpr double kFalseShare = 0.05;  // of what is called related

/// kNotFound when there is no such line.
Result<telemetry::CorrelationAnswer> RelatedLines(const telemetry::Picture& picture,
                                                  const telemetry::CorrelationQuestion& question);

}  // namespace tomograph::engine
