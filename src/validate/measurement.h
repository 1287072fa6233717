// What of a window is a direct measurement of a state, and the same window without it. Counters of
// calls are not among them: how wrong they are where exports are split between windows is not known
// well enough to hold anything against them.
#pragma once

#include <string_view>
#include <vector>

#include "telemetry/window.h"

namespace tomograph::validate {

/// One kind of witness that tells states of an entity or edge directly.
enum class Witness : uint8_t {
  kInFlight,    // in_flight, by a gauge
  kQueue,       // queue_depth, by a gauge
  kReplicaLag,  // replica_lag, by a gauge
};

struct Measurement {
  Witness witness = Witness::kInFlight;
  std::string_view state;  // as Estimate::state
  double value = 0;
  /// Of the measurement itself. A lag: what a reading is good for (reconstruct/replica_lag.h), and
  /// what it moved within the window.
  double variance = 0;
  /// A number of requests that was read k times, each a moment's: independent ones have their true
  /// mean as variance, over k. 0: it is no such number.
  double readings = 0;
};

std::vector<Measurement> MeasuredIn(const telemetry::Window& window);
/// Takes away all that this witness says.
void Hide(Witness witness, telemetry::Window* window);

}  // namespace tomograph::validate
