// Window: mergeable aggregates of one entity or edge over one interval. Merging is associative and
// commutative, so shards and machines can each hold a part.
#pragma once

#include <cstdint>
#include <map>
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
  void Add(double value, Nanos at);
  void Merge(const GaugeStats& other);
  double mean() const { return samples > 0 ? sum / samples : 0; }
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
  uint64_t error_logs = 0;
  uint64_t logs = 0;
  uint32_t restarts = 0;           // start times or uptimes that jumped
  std::vector<uint64_t> examples;  // a few span ids worth opening: slowest and failed first
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

  const Window* Find(WindowKey key) const;
  Nanos end() const { return start + length; }
};

}  // namespace tomograph::telemetry
