// The stored samples of one metric of one entity, as they came: what is asked for a series that is
// in no line of the Picture, or at another rate than its windows.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "publish/json.h"
#include "store/store.h"
#include "telemetry/correlation.h"
#include "telemetry/identities.h"

namespace tomograph::publish {

inline constexpr size_t kMostSeries = 10;  // of one metric: those with the most samples
inline constexpr size_t kMostSamples = 200'000;

struct MetricSamples {
  std::vector<telemetry::AskedSeries> asked;
  std::vector<const telemetry::Series*> series;  // likewise
  size_t left_out = 0;                           // series beyond the limit
  bool cut = false;                              // there were more samples: the newest are missing
};

/// Those of [range), by the clock of the host that took them, and of some minutes around it, which
/// the first and last windows need. kNotFound: no such metric of this entity (it says which there
/// are), or nothing of it is kept; kInvalidArgument: a histogram, which has no one number a sample.
/// `store` and `identities` may be null. Scans the store: not for I/O threads.
Result<MetricSamples> ReadMetric(telemetry::EntityId entity, const std::string& metric,
                                 TimeRange range, const telemetry::Picture& picture,
                                 store::Store* store, const telemetry::Identities* identities);

/// {"labels", "instance", "host", "unit", "read_as", and what became of it on the windows}
Json SeriesJson(const telemetry::Series& series, telemetry::Reading reading,
                const telemetry::SeriesOnGrid& on_grid, const telemetry::Identities& identities);

}  // namespace tomograph::publish
