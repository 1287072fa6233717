// `tomograph evaluate sampling`: EvaluateSampling on recordings of which no span is missing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "evaluate/states.h"

namespace tomograph::evaluate {

struct SamplingRunOptions {
  uint64_t seed = 1;
  int repeats = 1;  // with seed, seed + 1, ...; all pooled
  /// All from here on is the incident; 0: there is none. Not given: from the first incident that
  /// the recording's own diagnosis opens.
  std::optional<Nanos> incident_after;
};

/// Scores of all recordings together. kNotFound / kInvalidArgument when one can't be read.
Result<std::vector<SamplingScore>> RunSampling(const std::vector<std::string>& paths,
                                               const SamplingRunOptions& options);

}  // namespace tomograph::evaluate
