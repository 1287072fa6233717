// Window: mergeable aggregates of one entity or edge over one interval. Merging is associative and
// commutative, so shards and machines can each hold a part.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/ddsketch.h"
#include "telemetry/entity.h"
#include "telemetry/quantity.h"

namespace tomograph::telemetry {

/// Calls as one kind of witness saw them.
struct CallStats {
  uint64_t seen = 0;  // records
  uint64_t failed_seen = 0;
  double calls = 0;  // sum of weights 1/p: the Horvitz-Thompson total
  double failed = 0;
  double calls_variance = 0;  // sum of (1-p)/p^2, its design variance
  double failed_variance = 0;
  double busy_s = 0;         // integral of the number in flight over the window (weighted), s
  double busy_variance = 0;  // sum of (1-p)/p^2 * overlap^2
  double wait_s = 0;         // edges: time between the caller's and the callee's clock reading the
                             // call, both ways (client duration - server duration), weighted, s
  uint64_t waits = 0;        // records behind wait_s
  double taking_s = 0;       // entities: integral of the number that waits for a connection from a
                             // pool, by the spans that take one (weighted), s
  double taking_square = 0;  // sum over traces of the square of that time (weighted), s^2
  uint64_t takings = 0;      // records behind taking_s
  double exclusive_s = 0;    // entities: time not covered by child spans, weighted, s
  DDSketch latency;          // s
  uint64_t weight_unknown = 0;  // records whose sender did not say how it samples

  void Merge(const CallStats& other);
};

/// A gauge's values in the window, pooled over instances by what the quantity means.
struct GaugeStats {
  uint32_t samples = 0;
  double sum = 0;  // of values, so that mean = sum / samples
  double min = 0;
  double max = 0;
  double last = 0;
  Nanos last_ns = 0;
  Statistic statistic = Statistic::kValue;  // of the values, as their sender made them
  void Add(double value, Nanos at);
  void Merge(const GaugeStats& other);
  double mean() const { return samples > 0 ? sum / samples : 0; }
};

/// Hidden stretches of requests: between two calls that a request was seen to make, before the
/// first and after the last one (correlate/requests/step_counter.h). One entry for each (operation,
/// after, before) of a service.
struct StepStats {
  std::string operation;     // of the request
  std::string after;         // the call that had returned, or kStepStart
  std::string before;        // the call that was made next, or kStepEnd
  uint64_t seen = 0;         // requests that passed here, once for each time that they did
  uint64_t failed_seen = 0;  // before kStepEnd: of these, requests that failed
  double calls = 0;          // sum of weights 1/p
  DDSketch duration;         // s, weighted
  void Merge(const StepStats& other);
};
inline constexpr std::string_view kStepStart = "(start)";
inline constexpr std::string_view kStepEnd = "(end)";
inline constexpr size_t kMaxSteps = 64;  // of an entity in a window

/// The two sides of calls, a client's span and the server's span below it, as far as one is known
/// to have come or not (correlate/requests/side_counter.h).
struct CallSides {
  uint64_t joined = 0;      // edges: both sides came
  uint64_t unanswered = 0;  // edges: client spans that did not fail, of a callee that sends spans,
                            // below which no span of it came
  double unanswered_share = 0;  // edges: more of them, of which only that is known: they may be of
                                // several callees; the expected number here,
  double unanswered_variance = 0;  // and its variance
  uint64_t failed_unanswered = 0;  // edges: the same that failed: it may never have got there
  uint64_t parent_lost = 0;        // entities: server spans whose named parent never came
  void Merge(const CallSides& other);
};

struct WindowKey {
  EntityId entity = kNoEntity;  // the service; for an edge the callee
  EntityId caller = kNoEntity;  // kNoEntity: a window of the entity itself
  bool operator<(const WindowKey& o) const {
    return entity != o.entity ? entity < o.entity : caller < o.caller;
  }
  bool operator==(const WindowKey&) const = default;
};

struct Window {
  WindowKey key;
  CallStats spans;    // from traces: for an entity its server side, for an edge the caller's side
  CallStats metrics;  // from counters and histograms (server side; for an edge the client side)
  std::map<Quantity, GaugeStats> gauges;
  uint64_t records = 0;    // entities: of any kind, that came from it
  double connections = 0;  // entities: that flow records show it to be an end of, weighted
  uint64_t error_logs = 0;
  uint64_t logs = 0;
  std::optional<uint32_t> restarts;  // start times or uptimes that jumped; none: nothing tells
  std::vector<uint64_t> examples;    // a few span ids worth opening: slowest and failed first
  std::vector<StepStats> steps;      // entities: by operation, after, before; at most kMaxSteps
  uint64_t steps_refused = 0;        // passed steps beyond these
  void Merge(const Window& other);
};

/// All windows of one interval, ordered by key: the same input gives the same bytes.
struct WindowSet {
  Nanos start = 0;
  Nanos length = 0;
  std::vector<Window> windows;
  // How well the interval could be joined.
  uint64_t spans = 0;
  uint64_t spans_joined = 0;  // non-root spans whose parent is there
  uint64_t orphans = 0;       // non-root spans whose parent never came
  uint64_t late_spans = 0;    // came after the watermark: stored, not aggregated
  // Calls of which the side that ended first ended before `sides_until` and after the same of the
  // window before. That is earlier than this window: what is lost must have had time to come.
  std::map<WindowKey, CallSides> sides;
  Nanos sides_until = 0;

  const Window* Find(WindowKey key) const;
  Nanos end() const { return start + length; }
};

}  // namespace tomograph::telemetry
