// The one table from metric names to quantities: OpenTelemetry's and Prometheus's names exactly,
// and for everything else general words (latency, duration, error, cpu, ...). No product's or data
// set's names.
#pragma once

#include <string_view>

#include "telemetry/quantity.h"
#include "telemetry/series.h"

namespace tomograph::normalize {

struct MetricMeaning {
  telemetry::Quantity quantity = telemetry::Quantity::kOther;
  telemetry::Statistic statistic = telemetry::Statistic::kValue;
  double scale = 1;          // value * scale is in the quantity's base unit
  bool client_side = false;  // says something of a call's callee
};

/// `unit` as UCUM or empty. A unit in the name ("PodLatency(ms)", "_seconds", "%") counts too.
MetricMeaning MeaningOf(std::string_view metric, std::string_view unit, telemetry::MetricKind kind);

}  // namespace tomograph::normalize
