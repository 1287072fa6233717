// Raw records as JSON, for people who open evidence: as they were sent, with what normalisation
// added beside it. Times are RFC 3339 to the nanosecond here, since a raw record is shown exactly;
// `start` and `time` are always raw, and a corrected time stands beside them under its own name.
#pragma once

#include "publish/json.h"
#include "telemetry/batch.h"
#include "telemetry/identities.h"

namespace tomograph::publish {

using Clocks = std::vector<telemetry::HostClock>;  // the Picture's

Json SpanJson(const telemetry::Batch& batch, size_t row, const telemetry::Identities& identities,
              const Clocks& clocks);
Json LogJson(const telemetry::Batch& batch, size_t row, const telemetry::Identities& identities,
             const Clocks& clocks);
Json EventJson(const telemetry::Batch& batch, size_t row, const telemetry::Identities& identities,
               const Clocks& clocks);

}  // namespace tomograph::publish
