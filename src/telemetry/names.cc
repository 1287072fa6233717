// The words of telemetry/'s enums and ids, as the API and the store spell them.
#include <cctype>

#include "telemetry/batch.h"
#include "telemetry/estimate.h"
#include "telemetry/hypothesis.h"
#include "telemetry/loss_ledger.h"
#include "telemetry/quantity.h"
#include "telemetry/sampled_series.h"

namespace tomograph::telemetry {
namespace {

std::string Hex(uint64_t word) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out(16, '0');
  for (size_t i = 0; i < 16; ++i) out[i] = kDigits[word >> (60 - 4 * i) & 15];
  return out;
}

bool ParseWord(std::string_view hex, uint64_t* word) {
  *word = 0;
  for (const char c : hex) {
    int digit;
    if (c >= '0' && c <= '9')
      digit = c - '0';
    else if (c >= 'a' && c <= 'f')
      digit = c - 'a' + 10;
    else if (c >= 'A' && c <= 'F')
      digit = c - 'A' + 10;
    else
      return false;
    *word = *word << 4 | static_cast<uint64_t>(digit);
  }
  return true;
}

}  // namespace

std::string ToHex(TraceId id) { return Hex(id.hi) + Hex(id.lo); }
std::string SpanIdToHex(uint64_t id) { return Hex(id); }

bool ParseTraceId(std::string_view hex, TraceId* id) {
  // 16 digits: the 64-bit ids of older tracers.
  if (hex.size() == 16) {
    id->hi = 0;
    return ParseWord(hex, &id->lo);
  }
  return hex.size() == 32 && ParseWord(hex.substr(0, 16), &id->hi) &&
         ParseWord(hex.substr(16), &id->lo);
}

bool ParseSpanId(std::string_view hex, uint64_t* id) {
  return hex.size() == 16 && ParseWord(hex, id);
}

std::string_view ChangeKindName(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kDeploy:
      return "deploy";
    case ChangeKind::kRollback:
      return "rollback";
    case ChangeKind::kRemove:
      return "remove";
    case ChangeKind::kConfig:
      return "config";
    case ChangeKind::kFlag:
      return "flag";
    case ChangeKind::kPipeline:
      return "pipeline";
    case ChangeKind::kScale:
      return "scale";
    case ChangeKind::kOther:
      return "other";
  }
  return "other";
}

std::string_view ReadingName(Reading reading) {
  switch (reading) {
    case Reading::kLevel:
      return "level";
    case Reading::kCounter:
      return "counter";
    case Reading::kCount:
      return "count";
  }
  return "level";
}

std::string_view FormatName(Format f) {
  static constexpr std::string_view kNames[kFormatCount] = {
      "otlp_grpc",   "otlp_http", "otlp_file", "remote_write", "scrape",
      "openmetrics", "jaeger",    "csv",       "cdevents"};
  return kNames[static_cast<size_t>(f)];
}

std::string_view SignalName(Signal s) {
  static constexpr std::string_view kNames[kSignalCount] = {"message", "span", "sample",
                                                            "log",     "flow", "event"};
  return kNames[static_cast<size_t>(s)];
}

std::string_view BasisName(Basis b) {
  return b == Basis::kObserved ? "observed" : b == Basis::kInferred ? "inferred" : "missing";
}

std::string_view OrderName(Order o) {
  switch (o) {
    case Order::kNone:
      return "none";
    case Order::kClear:
      return "clear";
    case Order::kUnclear:
      return "unclear";
    case Order::kContradicted:
      return "contradicted";
  }
  return "";
}

std::string_view CertaintyName(Certainty c) {
  return c == Certainty::kConfirmed ? "confirmed"
         : c == Certainty::kLikely  ? "likely"
                                    : "inconclusive";
}

std::string_view StatisticName(Statistic s) {
  switch (s) {
    case Statistic::kMean:
      return "mean";
    case Statistic::kP50:
      return "p50";
    case Statistic::kP90:
      return "p90";
    case Statistic::kP95:
      return "p95";
    case Statistic::kP99:
      return "p99";
    case Statistic::kMax:
      return "max";
    case Statistic::kValue:
    case Statistic::kSum:
      break;
  }
  return "";
}

Support SupportOf(const Hypothesis& h) {
  double own = 0;
  bool any = false;
  for (const auto* list : {&h.evidence_for, &h.evidence_against}) {
    for (const Evidence& e : *list) {
      if (e.of_place) continue;
      own += e.weight;
      any = any || e.weight > 0;
    }
  }
  return !any ? Support::kNone : own > 0 ? Support::kMeasured : Support::kOutweighed;
}

std::string_view SupportName(Support s) {
  return s == Support::kMeasured ? "measured" : s == Support::kOutweighed ? "outweighed" : "none";
}

namespace {
struct QuantityWords {
  std::string_view name;
  std::string_view unit;
};
constexpr QuantityWords kQuantities[kQuantityCount] = {{"other", "1"},
                                                       {"call_rate", "1/s"},
                                                       {"latency", "s"},
                                                       {"error_ratio", "1"},
                                                       {"success_ratio", "1"},
                                                       {"error_rate", "1/s"},
                                                       {"client_call_rate", "1/s"},
                                                       {"client_latency", "s"},
                                                       {"client_error_ratio", "1"},
                                                       {"in_flight", "{request}"},
                                                       {"queue_depth", "{request}"},
                                                       {"connections_in_use", "{connection}"},
                                                       {"connections_max", "{connection}"},
                                                       {"connections_pending", "{request}"},
                                                       {"cpu_utilization", "1"},
                                                       {"cpu_time", "s"},
                                                       {"host_cpu_utilization", "1"},
                                                       {"memory_bytes", "By"},
                                                       {"memory_utilization", "1"},
                                                       {"host_memory_utilization", "1"},
                                                       {"disk_utilization", "1"},
                                                       {"scheduling_delay", "s"},
                                                       {"cpu_wait", "s"},
                                                       {"gc_time", "s"},
                                                       {"uptime", "s"},
                                                       {"start_time", "s"},
                                                       {"restarts", "1"},
                                                       {"network_bytes", "By"},
                                                       {"retransmits", "1"},
                                                       {"replica_lag", "s"},
                                                       {"activity", "1"}};
}  // namespace

std::string_view QuantityName(Quantity q) { return kQuantities[static_cast<size_t>(q)].name; }
std::string_view QuantityUnit(Quantity q) { return kQuantities[static_cast<size_t>(q)].unit; }

}  // namespace tomograph::telemetry
