// Estimates and incidents: what was concluded, in the same file as what it was concluded from.
#pragma once

#include <vector>

#include "store/duckdb/database.h"
#include "store/duckdb/dictionaries.h"
#include "telemetry/estimate.h"
#include "telemetry/hypothesis.h"

namespace tomograph::store {

// The writing functions belong inside of a transaction.

Status InsertEstimates(Connection& connection, const std::vector<telemetry::Estimate>& estimates,
                       Dictionaries* dictionaries);
/// Ordered by start, state, entity, caller, detail. Of estimates put more than once the last
/// counts. An empty `state` means all.
Result<std::vector<telemetry::Estimate>> ReadEstimates(Connection& connection, TimeRange range,
                                                       const std::string& state);

Status UpsertIncident(Connection& connection, const telemetry::Incident& incident,
                      Dictionaries* dictionaries);
/// Those that were open at some time of the range, by opening time.
Result<std::vector<telemetry::Incident>> ReadIncidents(Connection& connection, TimeRange range);

}  // namespace tomograph::store
