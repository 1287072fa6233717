// Quantity: what a number measures, whatever its metric is called. Models and causes speak of these
// and never of metric names; normalize/ holds the one table from names to quantities.
#pragma once

#include <cstdint>
#include <string_view>

namespace tomograph::telemetry {

enum class Quantity : uint8_t {
  kOther,
  kCallRate,        // requests served, 1/s (or a count per interval, see Statistic)
  kLatency,         // time to serve a request, s
  kErrorRatio,      // failed share of served requests, 0..1
  kSuccessRatio,    // 1 - kErrorRatio, where that is what is measured
  kErrorRate,       // failed requests, 1/s
  kClientCallRate,  // the same seen by the caller, per callee where known
  kClientLatency,
  kClientErrorRatio,
  kInFlight,          // requests being served now
  kQueueDepth,        // requests waiting for a worker or connection
  kConnectionsInUse,  // of a pool
  kConnectionsMax,
  kConnectionsPending,
  kCpuUtilization,  // share of what the process may use, 0..1 (may exceed 1 on several cores)
  kCpuTime,         // s, counter
  kHostCpuUtilization,
  kMemoryBytes,        // resident or heap in use
  kMemoryUtilization,  // share of the limit
  kHostMemoryUtilization,
  kDiskUtilization,
  kSchedulingDelay,  // event-loop or run-queue delay, s
  kCpuWait,          // time ready to run but given no core (or throttled), s, counter
  kGcTime,           // s, counter or histogram
  kUptime,           // s since the process started
  kStartTime,        // s since the epoch
  kRestarts,         // counter
  kNetworkBytes,
  kRetransmits,
  kReplicaLag,  // how old the last write is that a replica has applied, s
  kActivity,    // other work counters: syscalls, packets, operations
};
inline constexpr int kQuantityCount = static_cast<int>(Quantity::kActivity) + 1;

/// Stable snake_case name, as in the API: "call_rate", "client_latency".
std::string_view QuantityName(Quantity q);
/// "1/s", "s", "1", "By"
std::string_view QuantityUnit(Quantity q);

enum class Statistic : uint8_t { kValue, kMean, kSum, kP50, kP90, kP95, kP99, kMax };
/// Of how many values it stands for one: "mean", "p90", "max"; empty for a plain value or a sum.
std::string_view StatisticName(Statistic s);

}  // namespace tomograph::telemetry
