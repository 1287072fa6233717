#include "evaluate/recordings.h"

#include <algorithm>

#include "engine/analysis.h"
#include "engine/recorded_run.h"

namespace tomograph::evaluate {
namespace {

using telemetry::Batch;

TimeRange DiagnosedIncident(const std::vector<Batch>& batches, telemetry::Identities* ids) {
  engine::Analysis analysis({}, ids);
  for (const Batch& batch : batches) analysis.Add(batch);
  analysis.Finish();
  Nanos from = INT64_MAX;
  for (const telemetry::Incident& incident : analysis.incidents())
    from = std::min(from, incident.opened);
  return {from, INT64_MAX};
}

}  // namespace

Result<std::vector<SamplingScore>> RunSampling(const std::vector<std::string>& paths,
                                               const SamplingRunOptions& options) {
  std::vector<std::vector<SamplingScore>> parts;
  for (const std::string& path : paths) {
    telemetry::Identities ids;
    const auto batches = engine::ReadNormalised(path, &ids);
    if (!batches.ok()) return batches.status();
    SamplingOptions sampling;
    sampling.knowledge.push_back(Knowledge::kMetrics);
    if (!options.incident_after) {
      sampling.incident = DiagnosedIncident(*batches, &ids);
    } else if (*options.incident_after > 0) {
      sampling.incident = {*options.incident_after, INT64_MAX};
    }
    for (int i = 0; i < options.repeats; ++i) {
      sampling.seed = options.seed + static_cast<uint64_t>(i);
      parts.push_back(EvaluateSampling(*batches, &ids, sampling));
    }
  }
  return Pool(parts);
}

}  // namespace tomograph::evaluate
