#include "correlate/metrics/series_meaning.h"

#include <charconv>

namespace tomograph::correlate {
namespace {

using telemetry::MetricKind;
using telemetry::Quantity;
using telemetry::Statistic;

bool IsAdditive(Quantity q) {
  switch (q) {
    case Quantity::kCallRate:
    case Quantity::kClientCallRate:
    case Quantity::kErrorRate:
    case Quantity::kInFlight:
    case Quantity::kQueueDepth:
    case Quantity::kConnectionsInUse:
    case Quantity::kConnectionsMax:
    case Quantity::kConnectionsPending:
    case Quantity::kCpuTime:
    case Quantity::kCpuWait:
    case Quantity::kMemoryBytes:
    case Quantity::kGcTime:
    case Quantity::kNetworkBytes:
    case Quantity::kRetransmits:
    case Quantity::kActivity:
      return true;
    default:
      return false;
  }
}

bool IsOfCallee(Quantity q) {
  return q == Quantity::kClientCallRate || q == Quantity::kClientLatency ||
         q == Quantity::kClientErrorRatio;
}

int ToInt(std::string_view text) {
  int value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// An HTTP status fails the server from 500 on, also as its class: "5xx".
bool IsFailedHttp(std::string_view status) {
  return ToInt(status) >= 500 || (status.size() == 3 && status[0] == '5');
}

/// OpenTelemetry's rule for servers: unknown, deadline exceeded, unimplemented, internal,
/// unavailable, data loss.
bool IsFailedGrpc(std::string_view code) {
  switch (ToInt(code)) {
    case 2:
    case 4:
    case 12:
    case 13:
    case 14:
    case 15:
      return true;
    default:
      return false;
  }
}

void ReadLabels(const telemetry::Series& series, const telemetry::Interner& strings,
                SeriesMeaning* meaning) {
  for (const auto& [key_id, value_id] : series.labels) {
    const std::string_view key = strings.Get(key_id);
    const std::string_view value = strings.Get(value_id);
    bool failed = false;
    if (key == "http.response.status_code" || key == "http.status_code" ||
        key == "http_response_status_code" || key == "status_code" || key == "code") {
      failed = IsFailedHttp(value);
    } else if (key == "rpc.grpc.status_code" || key == "rpc_grpc_status_code") {
      failed = IsFailedGrpc(value);
    } else if (key == "error.type" || key == "error_type") {
      // A status as error.type may be the client's fault; a name (timeout, exception) is not.
      const int status = ToInt(value);
      failed = !value.empty() && (status < 0 || status >= 500);
    } else {
      continue;
    }
    meaning->tells_failure = true;
    meaning->failed = meaning->failed || failed;
  }
}

SeriesRole RoleOf(const telemetry::Series& s) {
  const bool counts = s.kind == MetricKind::kCounter || s.statistic == Statistic::kSum;
  const bool histogram = s.kind == MetricKind::kHistogram;
  switch (s.quantity) {
    case Quantity::kOther:
      return SeriesRole::kNothing;
    case Quantity::kCallRate:
    case Quantity::kClientCallRate:
      return histogram ? SeriesRole::kNothing : counts ? SeriesRole::kCalls : SeriesRole::kCallRate;
    case Quantity::kErrorRate:
      return histogram ? SeriesRole::kNothing
             : counts  ? SeriesRole::kErrors
                       : SeriesRole::kErrorRate;
    case Quantity::kLatency:
    case Quantity::kClientLatency:
      return histogram ? SeriesRole::kDurations : SeriesRole::kLevel;
    case Quantity::kUptime:
      return SeriesRole::kUptime;
    case Quantity::kStartTime:
      return SeriesRole::kStartTime;
    case Quantity::kRestarts:
      return SeriesRole::kRestarts;
    case Quantity::kGcTime:
    case Quantity::kCpuTime:
    case Quantity::kCpuWait:
      return histogram || counts ? SeriesRole::kWork : SeriesRole::kLevel;
    default:
      return histogram ? SeriesRole::kMeanOf : counts ? SeriesRole::kWork : SeriesRole::kLevel;
  }
}

}  // namespace

SeriesMeaning MeaningOf(const telemetry::Series& series, const telemetry::Interner& strings) {
  SeriesMeaning meaning;
  if (series.entity == telemetry::kNoEntity) return meaning;
  // What a service says of its calls to nobody in particular is neither its own calls nor an
  // edge's.
  if (IsOfCallee(series.quantity) && series.peer == telemetry::kNoEntity) return meaning;
  meaning.role = RoleOf(series);
  meaning.additive = IsAdditive(series.quantity);
  meaning.delta = series.temporality == telemetry::Temporality::kDelta ||
                  (series.kind != MetricKind::kCounter && series.kind != MetricKind::kHistogram);
  if (meaning.role == SeriesRole::kErrors || meaning.role == SeriesRole::kErrorRate) {
    meaning.failed = meaning.tells_failure = true;
  } else {
    ReadLabels(series, strings, &meaning);
  }
  return meaning;
}

}  // namespace tomograph::correlate
