// Propagation: what changed first in an incident, and in which order the changes are met along the
// calls. Every quantity of an ill entity that left its level gets an onset with a 90 % interval
// (baseline/onset_posterior.h, window length included, clock bounds added); then, along the edges,
// how likely the order is:
//
//   harm (latency, failures, requests waiting)   callee -> caller   a caller waits for its callee
//   load (calls)                                 caller -> callee   a caller calls its callee
//
//   payment latency up 10:31:05 [-2, +3] s
//     checkout latency up, 1.2 s [-1, 4] after payment: clear (P = 0.97), unclear, or contradicted
//
// Of an entity's own means (processor, scheduling, pools) only a rise is told, and it has no
// neighbour that it came from. Memory is not looked at: it breathes in most runtimes
// (cause/memory_leak.cc fits its slope).
//
// Of several neighbours the one is named whose change most likely came before. Where the intervals
// overlap, the order is "unclear" and said to be; where the times speak against the only way that
// the calls allow, "contradicted": then it came another way, or at once from something unseen.
// Order in time along a call is not cause. Pure; any thread. Cost: one onset posterior a changed
// series (at most kMostMovements), and one delay an edge.
#pragma once

#include <vector>

#include "diagnose/case.h"
#include "telemetry/hypothesis.h"

namespace tomograph::diagnose {

inline constexpr size_t kMostMovements = 64;  // the rest are left out, by the order of the members

/// Ordered by onset, then entity and quantity.
std::vector<telemetry::Movement> TracePropagation(const Case& incident,
                                                  const std::vector<telemetry::EntityId>& members);

}  // namespace tomograph::diagnose
