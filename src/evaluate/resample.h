// What is left of a system's telemetry when most of it is thrown away: spans of which a sampler
// kept whole traces, and the metrics that SDKs would have exported of the calls.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/batch.h"
#include "telemetry/identities.h"

namespace tomograph::evaluate {

/// The spans alone, of whole traces kept with probability `p`; `tell`: they say so.
std::vector<telemetry::Batch> SampleTraces(const std::vector<telemetry::Batch>& full, double p,
                                           bool tell, uint64_t seed);

/// The spans alone, without these.
std::vector<telemetry::Batch> WithoutSpans(
    const std::vector<telemetry::Batch>& full,
    const std::set<std::pair<telemetry::TraceId, uint64_t>>& gone);

/// The metrics alone, without gauges of what is in flight or waits.
std::vector<telemetry::Batch> MetricsWithoutGauges(const std::vector<telemetry::Batch>& full,
                                                   const telemetry::Identities& ids);

/// What the SDKs of every second service would have exported, every 2 s: calls counted, or with
/// their durations.
class MadeUpMetrics {
 public:
  MadeUpMetrics(const std::vector<telemetry::Batch>& full, telemetry::Identities* ids);
  telemetry::Batch Export(bool histograms) const;

 private:
  using Calls = std::vector<std::pair<Nanos, Nanos>>;  // end, duration

  telemetry::SeriesId SeriesOf(telemetry::EntityId service, bool histogram) const;
  void Write(telemetry::EntityId service, const Calls& calls, bool histograms,
             telemetry::SampleBatch* out) const;

  telemetry::Identities* ids_;
  std::map<telemetry::EntityId, Calls> calls_;
};

}  // namespace tomograph::evaluate
