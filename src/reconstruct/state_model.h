// StateModel: windows in, estimates out. One model a file pair; its header states the assumptions,
// the formula with its source, and when it is wrong; docs/models/<name>.md shows it. Adding one:
// docs/adding-a-model.md.
//
// Window sets come in time order, each once. A model may keep state between them (priors), bounded
// by the number of entities. The same window sets give the same estimates. Not thread-safe.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "telemetry/estimate.h"
#include "telemetry/window.h"

namespace tomograph::reconstruct {

class StateModel {
 public:
  virtual ~StateModel() = default;
  virtual std::string_view name() const = 0;
  /// Appends the estimates for this interval: one for each entity or edge that the model has an
  /// opinion of, Basis::kMissing included (an entity that it knows and that is silent now).
  virtual void Update(const telemetry::WindowSet& windows,
                      std::vector<telemetry::Estimate>* estimates) = 0;
};

/// All models, in a fixed order.
std::vector<std::unique_ptr<StateModel>> AllModels();

}  // namespace tomograph::reconstruct
