// Units of metrics: UCUM ("ms", "By", "%"), words in names ("milliseconds", "bytes") and the short
// forms of people's tables ("Mi", "KB", "m" for thousandths of a core).
#pragma once

#include <optional>
#include <string_view>

#include "normalize/schema/metric_words.h"
#include "telemetry/quantity.h"

namespace tomograph::normalize {

/// What brings a value in `unit` to the quantity's base unit; empty when the unit is not one of
/// that quantity's dimension (a "s" says nothing of a ratio).
std::optional<double> UnitScale(telemetry::Quantity quantity, std::string_view unit);

/// The first that says something: `unit`, the name's own unit, a unit among the name's last words.
std::optional<double> FindScale(telemetry::Quantity quantity, std::string_view unit,
                                const MetricWords& name);

}  // namespace tomograph::normalize
