// Raw records as JSON, for people who open evidence: as they were sent, with what normalisation
// added beside it. Times are RFC 3339 to the nanosecond here, since a raw record is shown exactly.
#pragma once

#include "publish/json.h"
#include "telemetry/batch.h"
#include "telemetry/identities.h"

namespace tomograph::publish {

Json SpanJson(const telemetry::Batch& batch, size_t row, const telemetry::Identities& identities);
Json LogJson(const telemetry::Batch& batch, size_t row, const telemetry::Identities& identities);
Json EventJson(const telemetry::Batch& batch, size_t row, const telemetry::Identities& identities);

}  // namespace tomograph::publish
