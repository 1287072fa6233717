// Conservation of excess flow (docs/models/excess_flow.md): which entity's own doing the harm is.
// An entity's blame is the share of the alerting entity's excess that arises in it: its excess less
// what its callees hand up. Silence, saturation and the network between two entities add to it.
//
// Assumes that calls are synchronous (a callee's time is inside its caller's) and that each call's
// cost is counted in the step in which it ends. Wrong where a caller does not wait for its callee,
// and blind to a network delay of which neither client-side latency nor spans tell. Cost: linear in
// series, edges and steps.
#pragma once

#include <array>
#include <vector>

#include "diagnose/case_view.h"
#include "diagnose/excess.h"

namespace tomograph::diagnose {

/// Shares in [0, 1] of the alerting entity's excess; a part is 0 where nothing speaks for it.
struct Blame {
  double latency = 0;
  double errors = 0;   // failures that arise here, silence of what it should have called included
  double network = 0;  // of latency: between it and its neighbours, not inside it
  double refused = 0;  // of errors: its callers see them, it does not
  double saturation = 0;  // share of a capacity gained
  /// Noisy-or of the parts.
  double score() const;
};

/// What one entity has of one harm, and how much of it comes from below.
struct Suffering {
  Excess excess;
  double handed_up = 0;  // seconds or failures per step of it that its callees account for
  bool ill() const { return excess.z() > 3; }
  /// Its callees account for nearly all that it has.
  bool passed_on() const { return excess.amount > 0 && handed_up >= 0.75 * excess.amount; }
};

struct ExcessFlow {
  std::vector<Blame> blame;  // by entity number
  /// By Harm and entity number; nothing of a harm that the alert does not speak of.
  std::array<std::vector<Suffering>, kHarms> suffering;
  double alarm = 0;  // belief that the alerting entity is ill, or something is saturated
};

ExcessFlow ComputeExcessFlow(const CaseView& view);

}  // namespace tomograph::diagnose
