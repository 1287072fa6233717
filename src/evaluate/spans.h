// EvaluateSpans: does the estimate of lost spans (reconstruct/missing_spans.h) hold what was lost?
// Takes telemetry of which both sides of all calls are there, takes away client and server spans by
// single coins, and holds the intervals against what was taken.
//
// The truth of an edge and window is what was taken of the calls that the window speaks of
// (WindowSet::sides_until). Clocks are taken as they are, so that a span is in the same window with
// and without the others. As elsewhere intervals of one number are counted apart ("certain").
// Deterministic for a seed.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "telemetry/batch.h"
#include "telemetry/identities.h"

namespace tomograph::evaluate {

struct SpanLoss {
  double client = 0.3;  // share of the client spans of joined calls that is taken away
  double server = 0.3;
  auto operator<=>(const SpanLoss&) const = default;
};

struct SpansCell {
  SpanLoss loss;
  std::string state;
  auto operator<=>(const SpansCell&) const = default;
};

struct SpansScore {
  SpansCell cell;
  size_t n = 0, in50 = 0, in90 = 0;        // answers with room in their 90 % interval
  size_t certain = 0, certain_right = 0;   // answers whose 90 % interval is one number
  size_t missing = 0;                      // no answer, although calls ended
  double width = 0, truth = 0, value = 0;  // sums over the n

  double all90() const;  // share of all answers whose 90 % interval holds what was taken
};

struct SpansRunOptions {
  std::vector<SpanLoss> losses = {{0.1, 0.1}, {0.3, 0.3}, {0.5, 0.5}, {0.1, 0.4}, {0.4, 0.1}};
  uint64_t seed = 1;
  int repeats = 1;  // with seed, seed + 1, ...; all pooled
};

std::vector<SpansScore> EvaluateSpans(const std::vector<telemetry::Batch>& full,
                                      telemetry::Identities* ids, const SpansRunOptions& options);
/// Scores of all recordings together. kNotFound / kInvalidArgument when one can't be read.
Result<std::vector<SpansScore>> RunSpans(const std::vector<std::string>& paths,
                                         const SpansRunOptions& options);
std::string SpansText(const std::vector<SpansScore>& scores);
std::string SpansJson(const std::vector<SpansScore>& scores);

}  // namespace tomograph::evaluate
