// Rebuilt requests as the API shows them (docs/api.md, "Requests").
#pragma once

#include "publish/json.h"
#include "telemetry/rebuilt_request.h"

namespace tomograph::publish {

/// The root's span id; with lost roots the id that others name.
std::string RequestIdText(const telemetry::RebuiltRequest& request);
bool PassesThrough(const telemetry::RebuiltRequest& request, telemetry::EntityId entity);

Json RequestSummaryJson(const telemetry::RebuiltRequest& request, const EntityNames& names);
/// With all its spans. Hosts' names are those of the Picture's clocks.
Json RequestJson(const telemetry::RebuiltRequest& request, const telemetry::Picture& picture,
                 const EntityNames& names);
/// {"requests", "total", "linking"}: all that are kept, with their spans, as many as fit into
/// `max_bytes`; newest first.
Json RequestsJson(const telemetry::Picture& picture, size_t max_bytes);
/// {"kind", "trace", "span", "parent_trace", "parent_span", "posterior", "none", "runner_up_trace",
/// "runner_up_span", "runner_up_posterior"} on one line; parent_span null: none of those seen.
std::string JoinLine(const telemetry::InferredJoin& join);
Json RebuildingJson(const telemetry::RebuildStats& stats);

}  // namespace tomograph::publish
