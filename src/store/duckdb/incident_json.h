// Incident <-> JSON, every field. Entities are hex texts (JSON readers round 64-bit numbers);
// numbers that are not finite are the texts "NaN", "Infinity", "-Infinity".
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "telemetry/hypothesis.h"

namespace tomograph::store {

std::string IncidentToJson(const telemetry::Incident& incident);
/// kCorrupt when it is not JSON or a field is of the wrong type. Absent fields keep their defaults.
Result<telemetry::Incident> IncidentFromJson(std::string_view json);

}  // namespace tomograph::store
