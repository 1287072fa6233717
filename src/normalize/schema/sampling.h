// Sampling probability from a W3C tracestate, as OpenTelemetry's probability sampling writes it.
#pragma once

#include <optional>
#include <string_view>

namespace tomograph::normalize {

/// The probability with which the span was kept, from `ot=...;th:<hex>`: the rejection threshold T
/// has up to 14 hexadecimal digits (trailing zeros left out) of 56 bits, and p = 1 - T / 2^56.
/// Empty when the sender did not say, or said what is no threshold.
std::optional<double> SamplingProbability(std::string_view trace_state);

}  // namespace tomograph::normalize
