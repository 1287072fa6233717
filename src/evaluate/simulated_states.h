// EvaluateStates: are the intervals of reconstructed states right, against a simulated system that
// knows the truth (src/simulate)? Scenarios are run, their telemetry loses what the level of loss
// takes away, is written as OTLP and read as any other; what the models say of each window is held
// against the truth log, steady time and incidents apart.
//
// Beside each model stands the naive estimator: what the window's own telemetry says at face value
// (the last reading of a gauge; seen spans times their weights).
//
// Windows in which a fault is at work, and those of two minutes after it, are the incident. The
// first two minutes are not scored. Deterministic for a seed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/nanotime.h"
#include "base/status.h"

namespace tomograph::evaluate {

enum class TelemetryLoss : uint8_t { kLight, kHeavy };

struct StatesOptions {
  std::string model = "all";     // a model's name: "volume"
  std::string scenario = "all";  // of those that the program brings along
  uint64_t seed = 1;             // added to the scenarios' own
  TelemetryLoss loss = TelemetryLoss::kLight;
  Nanos window = 5 * kSecond;
};

/// Of one state, in one phase, over scenarios of one kind.
struct StateScore {
  std::string model, state;
  bool incident = false, kept_apart = false;
  bool binary = false;  // value is a probability: brier and ece count, the intervals do not
  size_t n = 0, missing = 0;
  size_t in50 = 0, in80 = 0, in90 = 0, in95 = 0;
  double worst_window = 1;          // lowest share in 90 % of 200 estimates in a row
  double median_width = 0;          // of the 90 % interval / max(truth, .01)
  double crps = 0, naive_crps = 0;  // means; naive where it says anything
  double brier = 0, ece = 0;
};

/// A scenario that the program brings along.
struct ShippedScenario {
  std::string_view name, yaml;
};
std::vector<ShippedScenario> ShippedScenarios();

/// kInvalidArgument: there is no such model or scenario.
Result<std::vector<StateScore>> EvaluateStates(const StatesOptions& options);
std::string StatesText(const std::vector<StateScore>& scores);
std::string StatesJson(const std::vector<StateScore>& scores);

}  // namespace tomograph::evaluate
