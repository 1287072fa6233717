// Scenario: what is simulated, read from YAML (docs/simulator.md shows every key). Unknown keys,
// names that nothing has and values out of range are errors that say the line. Reading is bounded
// in time and memory whatever the text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/nanotime.h"
#include "base/status.h"
#include "simulate/loss/loss.h"
#include "simulate/scenario/yaml_tree.h"
#include "simulate/system/part.h"

namespace tomograph::simulate {

struct Scenario {
  std::string name;
  std::string about;  // one sentence for people
  uint64_t seed = 1;
  Nanos start = 1'767'225'600 * kSecond;  // 2026-01-01T00:00:00Z
  Nanos length = 10 * kMinute;            // whole seconds
  Nanos export_every = 10 * kSecond;      // between two exports of metrics; whole seconds
  /// For testing alone: no tuning may look at it (evaluate marks its figures).
  bool kept_apart = false;
  std::vector<Fault> faults;
  LossSettings loss;
  YamlNode text;  // all of it: the parts read their sections from it when the simulation is made

  /// The same without faults: the twin. Draws are the same, so what differs is the faults' effect.
  Scenario WithoutFaults() const;
};

/// kInvalidArgument: "line 12: services[2].workers: must be a whole number between 0 and 100000".
Result<Scenario> ReadScenario(std::string_view yaml);

/// `loss`, as docs/simulator.md has it.
LossSettings ReadLoss(Section section);

}  // namespace tomograph::simulate
