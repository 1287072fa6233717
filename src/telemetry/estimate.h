// Estimate: one reconstructed state variable with what a reader needs to trust it or not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/entity.h"

namespace tomograph::telemetry {

/// observed: counted directly. inferred: a model filled what was not measured. missing: the
/// evidence does not reach; the intervals are then not numbers (NaN) and nothing must be drawn.
enum class Basis : uint8_t { kObserved, kInferred, kMissing };
std::string_view BasisName(Basis b);

struct Interval {
  double lower = 0;
  double upper = 0;
  bool Contains(double x) const { return x >= lower && x <= upper; }
};

/// A pointer to raw evidence that the API resolves: "trace:<hex>", "window:<entity>:<start ns>",
/// "series:<entity>:<quantity>:<from ns>:<to ns>", "event:<source>:<id>",
/// "log:<entity>:<from>:<to>".
using EvidenceId = std::string;

struct Estimate {
  std::string state;  // "call_volume", "failed_calls", "in_flight", "queue_depth", ...
  EntityId entity = kNoEntity;
  EntityId caller = kNoEntity;  // for an edge
  std::string detail;           // which of several of this state and entity; empty: there is one
  Nanos start = 0;              // the interval that it speaks of
  Nanos length = 0;
  double value = 0;  // median of the posterior; NaN when missing
  Interval i50;
  Interval i90;
  double confidence = 0;  // probability that the basis holds up, 0..1
  Basis basis = Basis::kMissing;
  std::string unit;    // "calls", "requests"
  std::string method;  // "horvitz_thompson", "little", ...
  std::string note;    // why it is wide or missing; empty else
  std::vector<EvidenceId> evidence;
};

}  // namespace tomograph::telemetry
