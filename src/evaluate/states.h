// EvaluateSampling: are the intervals of reconstructed states right? Takes telemetry of which no
// span is missing, throws most of it away, reconstructs, and compares with what the whole says.
//
// Truth from spans: call_volume, failed_calls and in_flight are counted from all of them;
// queue_depth and the steps' states are what the model says when it has them all. Truth from gauges
// (requests in flight, pending requests), which the models do not get to see: a few readings of a
// number that moves. What they should read follows from the estimate's quantiles and the readings'
// own scatter; the share of that predictive distribution below the sum of the readings, ties split
// by a coin, must lie between 5 % and 95 % in 90 % of the cases.
//
// Only inferred answers are scored: observed ones are the truth itself (but are held against
// gauges), and missing ones claim nothing. An interval of a count jumps over its probability:
// the models take in the last value with the probability that makes it 50 or 90 % (posterior.h),
// which is the randomised accounting for counts near zero. Where one value alone has more than
// that, the interval is this value; such certain answers are counted apart, and promise at least
// 90 %. Deterministic for a seed.
#pragma once

#include <string>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/batch.h"
#include "telemetry/identities.h"

namespace tomograph::evaluate {

/// What the models get.
enum class Knowledge : uint8_t {
  kWeights,     // sampled spans that tell their sampling probability (tracestate ot=th)
  kCounters,    // sampled spans that do not; every second service counts its calls
  kHistograms,  // the same, with a histogram of the calls' durations
  kMetrics,     // no spans: the recorded metrics without gauges of what is in flight or waits
};
const char* KnowledgeName(Knowledge k);

struct SamplingOptions {
  std::vector<double> probabilities = {0.5, 0.1, 0.02};
  std::vector<Knowledge> knowledge = {Knowledge::kWeights, Knowledge::kCounters,
                                      Knowledge::kHistograms};
  uint64_t seed = 1;
  Nanos window_length = 5 * kSecond;
  TimeRange incident{0, 0};  // empty: all is steady
};

/// What a score is about, and what is pooled into one.
struct SamplingCell {
  Knowledge knowledge = Knowledge::kWeights;
  double p = 1;  // 0: no spans
  std::string state;
  bool gauge = false;  // held against a gauge, else against all spans
  bool incident = false;
  auto operator<=>(const SamplingCell&) const = default;
};

struct SamplingScore {
  SamplingCell cell;
  size_t n = 0;  // answers with room in their 90 % interval
  size_t in50 = 0, in90 = 0;
  double width = 0, truth = 0;            // sums over the n
  std::vector<double> relative_widths;    // of the 90 % interval, where the truth is above zero
  size_t in90_above_zero = 0;             // of these
  size_t certain = 0, certain_right = 0;  // answers whose 90 % interval is one number
  size_t missing = 0;                     // states that the sample says nothing of

  double coverage50() const;
  double coverage90() const;
  double width90() const;  // mean width / max(0.01, mean truth)
  /// Where something failed, waited or was called at all: a quiet system must not hide that these
  /// are missed. 0 when there is none.
  double coverage90_above_zero() const;
  double median_width90() const;  // of width / truth
  void Merge(const SamplingScore& other);
};

/// Ordered by cell.
std::vector<SamplingScore> EvaluateSampling(const std::vector<telemetry::Batch>& full,
                                            telemetry::Identities* ids,
                                            const SamplingOptions& options);
std::vector<SamplingScore> Pool(const std::vector<std::vector<SamplingScore>>& parts);
/// One line a score, below a legend.
std::string ToTable(const std::vector<SamplingScore>& scores);
std::string ToJson(const std::vector<SamplingScore>& scores);

}  // namespace tomograph::evaluate
