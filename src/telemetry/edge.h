// Edge: who calls whom, who says so, and whether it still does. A call is witnessed by telemetry of
// several kinds; each has stretches of time in which it saw calls, so that the topology of an
// instant in the past can be told (EdgeAt).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/entity.h"

namespace tomograph::telemetry {

/// What kind of telemetry saw the calls, from weak to strong.
enum class EdgeWitness : uint8_t {
  kFlows,          // network flow records: both ends known by address
  kAccessLogs,     // the callee's own record, which names its caller by address
  kConsumerSpans,  // the callee's own, which name the queue that they take from
  kClientMetrics,  // the caller's counters, which name the callee
  kClientSpans,    // the caller's spans, which name the callee
  kInferredJoins,  // spans of both, joined by inference
  kSpans,          // spans of both, joined by ids
};
inline constexpr size_t kEdgeWitnessCount = 7;
/// "flows", "access log", "consumer spans", "client metrics", "client spans", "inferred", "spans"
std::string_view EdgeWitnessName(EdgeWitness w);

enum class EdgeState : uint8_t {
  kActive,   // seen, or silent for no longer than it may well be
  kStopped,  // its witness is there and sees no more calls, although it would have by now
  kUnseen,   // its witness is silent: nobody knows, which is no outage
};
std::string_view EdgeStateName(EdgeState s);  // "active", "stopped", "unseen"

/// Calls came without a pause worth the name.
struct EdgeStretch {
  Nanos from = 0;
  Nanos to = 0;
  double calls = 0;                     // weighted
  EdgeState then = EdgeState::kActive;  // what the silence behind it is; kActive: none yet
};

struct EdgeSource {
  EdgeWitness by = EdgeWitness::kSpans;
  double confidence = 0;  // that calls go between these two, by its word alone
  Nanos last_seen = 0;
  double calls = 0;                    // weighted, since the first
  std::vector<EdgeStretch> stretches;  // by time; when there are many, near ones are one
};

struct Edge {
  EntityId caller = kNoEntity;
  EntityId callee = kNoEntity;
  double confidence = 0;  // that it is there: over all witnesses, fading while none confirms it
  Nanos first_seen = 0;
  Nanos last_seen = 0;
  std::string basis;  // the strongest witness: its EdgeWitnessName
  EdgeState state = EdgeState::kActive;
  Nanos since = 0;                  // of the state: first or last call
  std::vector<EdgeSource> sources;  // strongest first
  double ends_per_s = 0;            // how often edges end: what confidence fades by
};

/// That calls go between two entities, by what independent witnesses say:
///     1 - (1 - ids) (1 - named) (1 - logged)
/// ids: joined spans (by ids, else inferred); named: the greater of client spans and client
/// metrics, which share the naming of the callee; logged: the greater of the callee's log and of
/// consumer spans, which name the caller. A flow names both by address and falls with either, so it
/// only stands in for them where it is the stronger: 1 - (1 - ids) (1 - flows).
double CombinedConfidence(const std::vector<EdgeSource>& sources);

/// Fills what follows from `sources` (none of them empty): all but the two ends and `ends_per_s`.
/// Confidence is CombinedConfidence x exp(-ends_per_s x time since the last call), since an edge
/// that nothing confirms may have ended meanwhile.
void SumUp(Nanos at, Edge* edge);

/// The edge as it was at `at`: only what was seen until then, the silence between two stretches as
/// what it turned out to be. nullopt when nothing had been seen yet.
std::optional<Edge> EdgeAt(const Edge& edge, Nanos at);

}  // namespace tomograph::telemetry
