// The closed lists of words that a query may ask for. A word that is none of them is a mistake of
// who asks, and an empty answer would hide it.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace tomograph::publish {

/// What telemetry::Estimate::state may be: a model that adds one adds it here.
inline constexpr auto kEstimateStates = std::to_array<std::string_view>(
    {"call_volume", "failed_calls", "in_flight", "queue_depth", "missing_server_spans",
     "missing_client_spans", "missing_traces", "step_duration_p50", "step_duration_p95",
     "step_completion", "replica_lag", "replica_diverged"});

std::vector<std::string_view> EntityKinds();
/// A quantity, or one statistic of it: "latency_p50".
bool IsLineName(std::string_view name);
/// For the sentence of a refusal.
std::string LineNames();

}  // namespace tomograph::publish
