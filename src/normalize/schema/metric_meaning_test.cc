#include "normalize/schema/metric_meaning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tomograph::normalize {
namespace {

using telemetry::MetricKind;
using telemetry::Quantity;
using telemetry::QuantityName;
using telemetry::Statistic;

constexpr auto kGauge = MetricKind::kGauge;
constexpr auto kCounter = MetricKind::kCounter;
constexpr auto kHistogram = MetricKind::kHistogram;

struct Case {
  const char* metric;
  const char* unit;
  MetricKind kind;
  Quantity quantity;
  Statistic statistic = Statistic::kValue;
  double scale = 1;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.metric << " [" << c.unit << "]"; }

class MetricMeaningOf : public testing::TestWithParam<Case> {};

TEST_P(MetricMeaningOf, IsTheQuantityItMeasures) {
  const Case& c = GetParam();
  const MetricMeaning got = MeaningOf(c.metric, c.unit, c.kind);
  EXPECT_EQ(QuantityName(got.quantity), QuantityName(c.quantity));
  EXPECT_EQ(got.statistic, c.statistic);
  EXPECT_DOUBLE_EQ(got.scale, c.scale);
}

constexpr double kMebi = 1024.0 * 1024.0;

INSTANTIATE_TEST_SUITE_P(
    OpenTelemetry, MetricMeaningOf,
    testing::Values(
        Case{"http.server.request.duration", "s", kHistogram, Quantity::kLatency},
        Case{"http.server.duration", "ms", kHistogram, Quantity::kLatency, Statistic::kValue, 1e-3},
        Case{"http.server.duration", "", kHistogram, Quantity::kLatency, Statistic::kValue, 1e-3},
        Case{"http.server.duration", "s", kHistogram, Quantity::kLatency},
        Case{"http.client.request.duration", "s", kHistogram, Quantity::kClientLatency},
        Case{"rpc.server.duration", "ms", kHistogram, Quantity::kLatency, Statistic::kValue, 1e-3},
        Case{"db.client.operation.duration", "s", kHistogram, Quantity::kClientLatency},
        Case{"http.server.active_requests", "{request}", kGauge, Quantity::kInFlight},
        Case{"process.cpu.utilization", "1", kGauge, Quantity::kCpuUtilization},
        Case{"process.cpu.time", "s", kCounter, Quantity::kCpuTime},
        Case{"process.cpu.wait_time", "s", kCounter, Quantity::kCpuWait},
        Case{"process.memory.usage", "By", kGauge, Quantity::kMemoryBytes},
        Case{"process.uptime", "s", kGauge, Quantity::kUptime},
        Case{"v8js.memory.heap.used", "By", kGauge, Quantity::kMemoryBytes},
        Case{"v8js.gc.duration", "s", kHistogram, Quantity::kGcTime},
        Case{"nodejs.eventloop.delay.p99", "s", kGauge, Quantity::kSchedulingDelay,
             Statistic::kP99},
        Case{"nodejs.eventloop.delay.mean", "s", kGauge, Quantity::kSchedulingDelay,
             Statistic::kMean},
        Case{"nodejs.eventloop.delay.stddev", "s", kGauge, Quantity::kOther},
        Case{"nodejs.eventloop.utilization", "1", kGauge, Quantity::kOther},
        Case{"db.client.connection.count", "{connection}", kGauge, Quantity::kConnectionsInUse},
        Case{"db.client.connection.pending_requests", "", kGauge, Quantity::kConnectionsPending},
        Case{"db.client.connection.max", "", kGauge, Quantity::kConnectionsMax},
        Case{"jvm.gc.duration", "s", kHistogram, Quantity::kGcTime},
        Case{"jvm.memory.used", "By", kGauge, Quantity::kMemoryBytes},
        Case{"jvm.class.count", "", kGauge, Quantity::kOther},
        Case{"system.cpu.utilization", "1", kGauge, Quantity::kHostCpuUtilization},
        Case{"postgresql.wal.delay", "s", kGauge, Quantity::kReplicaLag},
        Case{"postgresql.wal.lag", "s", kGauge, Quantity::kReplicaLag},
        Case{"k8s.container.restarts", "", kGauge, Quantity::kRestarts}));

INSTANTIATE_TEST_SUITE_P(
    Prometheus, MetricMeaningOf,
    testing::Values(
        Case{"http_request_duration_seconds_bucket", "", kCounter, Quantity::kOther},
        Case{"http_request_duration_seconds_sum", "", kCounter, Quantity::kLatency,
             Statistic::kSum},
        Case{"http_request_duration_seconds_count", "", kCounter, Quantity::kCallRate},
        Case{"http_request_duration_seconds", "", kHistogram, Quantity::kLatency},
        Case{"http_server_duration_milliseconds_sum", "", kCounter, Quantity::kLatency,
             Statistic::kSum, 1e-3},
        Case{"http_client_request_duration_seconds_count", "", kCounter, Quantity::kClientCallRate},
        Case{"http_server_requests_seconds_count", "", kCounter, Quantity::kCallRate},
        Case{"http_requests_total", "", kCounter, Quantity::kCallRate},
        Case{"http_errors_total", "", kCounter, Quantity::kErrorRate},
        Case{"process_start_time_seconds", "", kGauge, Quantity::kStartTime},
        Case{"process_resident_memory_bytes", "", kGauge, Quantity::kMemoryBytes},
        Case{"process_virtual_memory_bytes", "", kGauge, Quantity::kOther},
        Case{"process_cpu_seconds_total", "", kCounter, Quantity::kCpuTime},
        Case{"up", "", kGauge, Quantity::kOther},
        Case{"scrape_duration_seconds", "", kGauge, Quantity::kOther},
        Case{"promhttp_metric_handler_requests_total", "", kCounter, Quantity::kOther},
        Case{"go_goroutines", "", kGauge, Quantity::kOther},
        Case{"go_gc_duration_seconds_sum", "", kCounter, Quantity::kGcTime, Statistic::kSum},
        Case{"node_cpu_seconds_total", "", kCounter, Quantity::kOther},
        Case{"node_network_receive_bytes_total", "", kCounter, Quantity::kNetworkBytes},
        Case{"node_netstat_Tcp_RetransSegs", "", kGauge, Quantity::kRetransmits},
        Case{"container_cpu_usage_seconds_total", "", kCounter, Quantity::kCpuTime},
        Case{"container_cpu_cfs_throttled_seconds_total", "", kCounter, Quantity::kCpuWait},
        Case{"container_pressure_cpu_waiting_seconds_total", "", kCounter, Quantity::kCpuWait},
        Case{"container_memory_working_set_bytes", "", kGauge, Quantity::kMemoryBytes},
        Case{"kube_pod_container_status_restarts_total", "", kCounter, Quantity::kRestarts},
        Case{"kube_pod_container_resource_requests", "", kGauge, Quantity::kOther},
        Case{"jvm_gc_pause_seconds_sum", "", kCounter, Quantity::kGcTime, Statistic::kSum},
        Case{"work_queue_length", "", kGauge, Quantity::kQueueDepth},
        Case{"grpc_server_handled_total", "", kCounter, Quantity::kCallRate},
        Case{"pg_replication_lag_seconds", "", kGauge, Quantity::kReplicaLag},
        Case{"mysql_slave_status_seconds_behind_master", "", kGauge, Quantity::kReplicaLag},
        Case{"grpc_server_started_total", "", kCounter, Quantity::kOther}));

INSTANTIATE_TEST_SUITE_P(
    GeneralWords, MetricMeaningOf,
    testing::Values(
        Case{"PodServerLatencyP90(s)", "", kGauge, Quantity::kLatency, Statistic::kP90},
        Case{"PodServerLatencyP95(ms)", "", kGauge, Quantity::kLatency, Statistic::kP95, 1e-3},
        Case{"PodClientLatencyP99(s)", "", kGauge, Quantity::kClientLatency, Statistic::kP99},
        Case{"CpuUsageRate(%)", "", kGauge, Quantity::kCpuUtilization, Statistic::kValue, 0.01},
        Case{"CpuUsage(m)", "", kGauge, Quantity::kCpuUtilization, Statistic::kValue, 1e-3},
        Case{"SuccessRate(%)", "", kGauge, Quantity::kSuccessRatio, Statistic::kValue, 0.01},
        Case{"PodSuccessRate(%)", "", kGauge, Quantity::kSuccessRatio, Statistic::kValue, 0.01},
        Case{"latency Average", "", kGauge, Quantity::kLatency, Statistic::kMean},
        Case{"latency p50", "", kGauge, Quantity::kLatency, Statistic::kP50},
        Case{"availability Average", "", kGauge, Quantity::kSuccessRatio, Statistic::kMean},
        Case{"requests Sum", "", kGauge, Quantity::kCallRate, Statistic::kSum},
        Case{"NodeCpuUsageRate(%)", "", kGauge, Quantity::kHostCpuUtilization, Statistic::kValue,
             0.01},
        Case{"NodeMemoryUsageRate(%)", "", kGauge, Quantity::kHostMemoryUtilization,
             Statistic::kValue, 0.01},
        Case{"PodWorkload(Ops)", "", kGauge, Quantity::kCallRate},
        Case{"SyscallRead", "", kGauge, Quantity::kActivity},
        Case{"MemoryUsage(Mi)", "", kGauge, Quantity::kMemoryBytes, Statistic::kValue, kMebi},
        Case{"MemoryUsageRate(%)", "", kGauge, Quantity::kMemoryUtilization, Statistic::kValue,
             0.01},
        Case{"memory_usage_mb", "", kGauge, Quantity::kMemoryBytes, Statistic::kValue, 1e6},
        Case{"available memory", "MiBy", kGauge, Quantity::kOther},
        Case{"NetworkReceiveBytes", "", kGauge, Quantity::kNetworkBytes},
        Case{"NetworkP90(ms)", "", kGauge, Quantity::kActivity, Statistic::kP90},
        Case{"response_time_ms_mean", "", kGauge, Quantity::kLatency, Statistic::kMean, 1e-3},
        Case{"HTTPResponseTimeP99", "us", kGauge, Quantity::kLatency, Statistic::kP99, 1e-6},
        Case{"error_rate", "%", kGauge, Quantity::kErrorRatio, Statistic::kValue, 0.01},
        Case{"errors per second", "", kGauge, Quantity::kErrorRate},
        Case{"failures Sum", "", kGauge, Quantity::kErrorRate, Statistic::kSum},
        Case{"outgoing requests", "", kGauge, Quantity::kClientCallRate},
        Case{"in_flight_requests", "", kGauge, Quantity::kInFlight},
        Case{"connection pool used", "", kGauge, Quantity::kConnectionsInUse},
        Case{"response size bytes", "", kGauge, Quantity::kNetworkBytes},
        Case{"event_loop_lag_ms", "", kGauge, Quantity::kSchedulingDelay, Statistic::kValue, 1e-3},
        Case{"queue_wait_time", "", kGauge, Quantity::kOther},
        Case{"restarts", "", kGauge, Quantity::kRestarts},
        Case{"temperature", "Cel", kGauge, Quantity::kOther},
        Case{"", "", kGauge, Quantity::kOther}, Case{"(%)", "", kGauge, Quantity::kOther}));

TEST(MetricMeaning, SaysWhichMetricsSpeakOfACallee) {
  EXPECT_TRUE(MeaningOf("http.client.request.duration", "s", kHistogram).client_side);
  EXPECT_TRUE(MeaningOf("rpc_client_duration_milliseconds_count", "", kCounter).client_side);
  EXPECT_FALSE(MeaningOf("http.server.request.duration", "s", kHistogram).client_side);
}

}  // namespace
}  // namespace tomograph::normalize
