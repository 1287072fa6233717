#include "normalize/schema/metric_names.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <string>

#include "base/check.h"

namespace tomograph::normalize {
namespace {

using telemetry::Quantity;
using telemetry::Statistic;

struct Entry {
  std::string_view name;  // lower case, underscores, no unit, no _total
  Quantity quantity;
  double scale = 1;
  Statistic statistic = Statistic::kValue;
};

constexpr double kMs = 1e-3;

// Ordered by name (checked in FindMetricName's first call).
constexpr Entry kNames[] = {
    {"container_cpu_system", Quantity::kOther},  // parts of container_cpu_usage
    {"container_cpu_time", Quantity::kCpuTime},
    {"container_cpu_usage", Quantity::kCpuTime},
    {"container_cpu_user", Quantity::kOther},
    {"container_cpu_utilization", Quantity::kCpuUtilization},
    {"container_memory_cache", Quantity::kOther},
    {"container_memory_mapped_file", Quantity::kOther},
    {"container_memory_max_usage", Quantity::kOther},
    {"container_memory_rss", Quantity::kOther},
    {"container_memory_swap", Quantity::kOther},
    {"container_memory_usage",
     Quantity::kOther},  // with the page cache: not what the limit kills by
    {"container_memory_working_set", Quantity::kMemoryBytes},
    {"container_network_receive", Quantity::kNetworkBytes},
    {"container_network_transmit", Quantity::kNetworkBytes},
    {"container_start_time", Quantity::kStartTime},
    {"container_uptime", Quantity::kUptime},
    {"db_client_connection_count", Quantity::kConnectionsInUse},  // state=used alone
    {"db_client_connection_max", Quantity::kConnectionsMax},
    {"db_client_connection_pending_requests", Quantity::kConnectionsPending},
    {"db_client_connection_timeouts", Quantity::kOther},
    {"db_client_connection_use_time", Quantity::kOther},
    {"db_client_connection_wait_time", Quantity::kOther},
    {"db_client_connections_max", Quantity::kConnectionsMax},
    {"db_client_connections_pending_requests", Quantity::kConnectionsPending},
    {"db_client_connections_usage", Quantity::kConnectionsInUse},  // state=used alone
    {"db_client_operation_duration", Quantity::kClientLatency},
    {"go_gc_duration", Quantity::kGcTime},
    {"go_memory_used", Quantity::kMemoryBytes},
    {"go_schedule_duration", Quantity::kSchedulingDelay},
    {"grpc_client_handled", Quantity::kClientCallRate},
    {"grpc_client_handling", Quantity::kClientLatency},
    {"grpc_client_started", Quantity::kOther},  // the same calls as _handled
    {"grpc_server_handled", Quantity::kCallRate},
    {"grpc_server_handling", Quantity::kLatency},
    {"grpc_server_started", Quantity::kOther},
    {"http_client_active_requests", Quantity::kOther},
    {"http_client_duration", Quantity::kClientLatency, kMs},
    {"http_client_request_duration", Quantity::kClientLatency},
    {"http_client_requests", Quantity::kClientLatency},  // Micrometer's timer
    {"http_request_duration", Quantity::kLatency},
    {"http_requests", Quantity::kCallRate},
    {"http_requests_in_flight", Quantity::kInFlight},
    {"http_server_active_requests", Quantity::kInFlight},
    {"http_server_duration", Quantity::kLatency, kMs},
    {"http_server_request_duration", Quantity::kLatency},
    {"http_server_requests", Quantity::kLatency},  // Micrometer's timer
    {"jvm_cpu_recent_utilization", Quantity::kCpuUtilization},
    {"jvm_cpu_time", Quantity::kCpuTime},
    {"jvm_gc_collection", Quantity::kGcTime},
    {"jvm_gc_duration", Quantity::kGcTime},
    {"jvm_gc_pause", Quantity::kGcTime},
    {"jvm_memory_used", Quantity::kMemoryBytes},
    {"k8s_container_restarts", Quantity::kRestarts},
    {"k8s_node_cpu_usage", Quantity::kOther},  // cores, of an unknown number of them
    {"k8s_pod_cpu_limit_utilization", Quantity::kCpuUtilization},
    {"k8s_pod_cpu_usage", Quantity::kCpuUtilization},
    {"k8s_pod_memory_limit_utilization", Quantity::kMemoryUtilization},
    {"k8s_pod_memory_working_set", Quantity::kMemoryBytes},
    {"kube_pod_container_status_restarts", Quantity::kRestarts},
    {"messaging_client_operation_duration", Quantity::kClientLatency},
    {"messaging_process_duration", Quantity::kLatency},
    {"mysql_replica_time_behind_source", Quantity::kReplicaLag},
    {"mysql_slave_status_seconds_behind_master", Quantity::kReplicaLag},
    {"node_netstat_tcp_retranssegs", Quantity::kRetransmits},
    {"node_network_receive", Quantity::kNetworkBytes},
    {"node_network_transmit", Quantity::kNetworkBytes},
    {"nodejs_eventloop_delay_max", Quantity::kSchedulingDelay, 1, Statistic::kMax},
    {"nodejs_eventloop_delay_mean", Quantity::kSchedulingDelay, 1, Statistic::kMean},
    {"nodejs_eventloop_delay_p50", Quantity::kSchedulingDelay, 1, Statistic::kP50},
    {"nodejs_eventloop_delay_p90", Quantity::kSchedulingDelay, 1, Statistic::kP90},
    {"nodejs_eventloop_delay_p99", Quantity::kSchedulingDelay, 1, Statistic::kP99},
    {"nodejs_eventloop_lag", Quantity::kSchedulingDelay},
    // The loop's busy share is no CPU share (a blocked read is busy, too): pooling both would be
    // neither.
    {"nodejs_eventloop_utilization", Quantity::kOther},
    {"pg_replication_lag", Quantity::kReplicaLag},
    {"postgresql_wal_delay", Quantity::kReplicaLag},  // of operation=replay alone
    {"postgresql_wal_lag", Quantity::kReplicaLag},    // likewise, in whole seconds
    {"process_cpu", Quantity::kCpuTime},
    {"process_cpu_time", Quantity::kCpuTime},
    {"process_cpu_utilization", Quantity::kCpuUtilization},
    {"process_cpu_wait_time", Quantity::kCpuWait},
    {"process_memory_usage", Quantity::kMemoryBytes},
    {"process_memory_virtual", Quantity::kOther},
    {"process_resident_memory", Quantity::kMemoryBytes},
    {"process_start_time", Quantity::kStartTime},
    {"process_uptime", Quantity::kUptime},
    {"process_virtual_memory", Quantity::kOther},
    {"process_virtual_memory_max", Quantity::kOther},
    {"rpc_client_call_duration", Quantity::kClientLatency},
    {"rpc_client_duration", Quantity::kClientLatency, kMs},
    {"rpc_server_call_duration", Quantity::kLatency},
    {"rpc_server_duration", Quantity::kLatency, kMs},
    {"system_cpu_time", Quantity::kOther},
    {"system_cpu_utilization", Quantity::kHostCpuUtilization},  // without a mode alone
    {"system_filesystem_utilization", Quantity::kDiskUtilization},
    {"system_memory_usage", Quantity::kOther},
    {"system_memory_utilization", Quantity::kHostMemoryUtilization},  // state=used alone
    {"system_network_io", Quantity::kNetworkBytes},
    {"up", Quantity::kOther},
    {"v8js_gc_duration", Quantity::kGcTime},
    {"v8js_memory_heap_used", Quantity::kMemoryBytes},
};

/// Families of exporters whose other names say nothing of requests, whatever their words.
constexpr std::string_view kOtherFamilies[] = {
    "go_",       "jvm_",    "kube_",   "nodejs_", "otelcol_", "prometheus_",
    "promhttp_", "python_", "scrape_", "v8js_",   "k8s_",     "machine_",
};

constexpr std::string_view kUnitSuffixes[] = {
    "_seconds", "_milliseconds", "_microseconds", "_nanoseconds",
    "_bytes",   "_ratio",        "_percent",      "_ms"};

bool Before(const Entry& a, const Entry& b) { return a.name < b.name; }

const Entry* Find(std::string_view name) {
  static const bool ordered = std::is_sorted(std::begin(kNames), std::end(kNames), Before);
  TG_CHECK(ordered);
  const auto it =
      std::lower_bound(std::begin(kNames), std::end(kNames), Entry{name, Quantity::kOther}, Before);
  return it != std::end(kNames) && it->name == name ? &*it : nullptr;
}

std::string_view Without(std::string_view name, std::string_view suffix) {
  return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : name;
}

std::string Canonical(std::string_view name) {
  std::string canonical(name);
  for (char& c : canonical) {
    c = c == '.' || c == '-' || c == '/'
            ? '_'
            : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return canonical;
}

}  // namespace

std::optional<MetricMeaning> FindMetricName(std::string_view name) {
  const std::string canonical = Canonical(name);
  const std::string_view plain = Without(canonical, "_total");
  const Entry* entry = Find(plain);
  for (const std::string_view suffix : kUnitSuffixes) {
    if (entry == nullptr && plain.ends_with(suffix)) entry = Find(Without(plain, suffix));
  }
  MetricMeaning meaning;
  if (entry != nullptr) {
    meaning.quantity = entry->quantity;
    meaning.statistic = entry->statistic;
    meaning.scale = entry->scale;
    return meaning;
  }
  for (const std::string_view family : kOtherFamilies) {
    if (canonical.compare(0, family.size(), family) == 0) return meaning;
  }
  return std::nullopt;
}

}  // namespace tomograph::normalize
