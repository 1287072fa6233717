// The exact part of the table: metric names of OpenTelemetry's semantic conventions (today's and
// older) and of Prometheus's client libraries and exporters.
#pragma once

#include <optional>
#include <string_view>

#include "normalize/schema/metric_meaning.h"

namespace tomograph::normalize {

/// Finds the name however it is spelt: dots or underscores, with or without the unit and `_total`
/// that a Prometheus exporter appends ("http.server.request.duration" =
/// "http_server_request_duration_seconds"). The scale is the unit that the convention fixes. kOther
/// is an answer too: a known name that must not be taken for something else by its words.
std::optional<MetricMeaning> FindMetricName(std::string_view name);

}  // namespace tomograph::normalize
