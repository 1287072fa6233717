#include "normalize/schema/metric_meaning.h"

#include "normalize/schema/metric_names.h"
#include "normalize/schema/metric_units.h"
#include "normalize/schema/metric_words.h"

namespace tomograph::normalize {
namespace {

using telemetry::MetricKind;
using telemetry::Quantity;
using telemetry::Statistic;

bool IsShare(const MetricWords& w) {
  return w.unit == "%" || w.Has({"percent", "percentage", "pct", "ratio"}) || w.HasStem({"util"});
}
/// "usage rate", "error rate": a share, unless it is said to be per second.
bool IsRateOfChange(const MetricWords& w) {
  return w.unit.find("/s") != std::string::npos || w.Has({"persecond", "ps"}) ||
         (w.Has({"per"}) && w.Has({"second", "sec", "s"}));
}

Quantity OfHost(const MetricWords& w) {
  const bool share = IsShare(w) || w.Has({"usage"});
  if (w.Has({"cpu"}) && share) return Quantity::kHostCpuUtilization;
  if (w.HasStem({"mem"}) && share) return Quantity::kHostMemoryUtilization;
  if (w.Has({"disk", "filesystem"}) && share) return Quantity::kDiskUtilization;
  if (w.Has({"network", "net"}) && w.Has({"bytes"})) return Quantity::kNetworkBytes;
  if (w.HasStem({"retrans"})) return Quantity::kRetransmits;
  return Quantity::kOther;
}

Quantity OfProcess(const MetricWords& w) {
  const bool time = w.Has({"time", "duration", "pause", "seconds", "ms"});
  if (w.HasStem({"restart"})) return Quantity::kRestarts;
  if (w.Has({"uptime"})) return Quantity::kUptime;
  if (w.Has({"start"}) && w.Has({"time"})) return Quantity::kStartTime;
  if (w.Has({"gc", "garbage"})) return time ? Quantity::kGcTime : Quantity::kOther;
  if (w.Has({"eventloop", "loop", "runqueue", "scheduling", "scheduler"}) &&
      w.Has({"delay", "lag", "latency", "wait"}))
    return Quantity::kSchedulingDelay;
  return Quantity::kOther;
}

Quantity OfPool(const MetricWords& w) {
  if (w.Has({"max", "limit", "maximum"})) return Quantity::kConnectionsMax;
  if (w.Has({"pending", "waiting", "queued"})) return Quantity::kConnectionsPending;
  if (w.Has({"used", "use", "active", "busy"})) return Quantity::kConnectionsInUse;
  return Quantity::kOther;
}

Quantity OfResource(const MetricWords& w) {
  const bool timed = !IsShare(w) && w.Has({"time", "seconds"});
  if (w.Has({"cpu"}) && timed &&
      (w.Has({"wait", "waiting", "stalled"}) || w.HasStem({"throttled"}))) {
    return Quantity::kCpuWait;
  }
  const bool bound =
      w.Has({"limit", "limits", "quota", "request", "requests", "total", "capacity"}) ||
      w.HasStem({"throttl", "fault"});
  if (w.Has({"cpu"})) {
    if (bound || w.Has({"load"})) return Quantity::kOther;
    return timed ? Quantity::kCpuTime : Quantity::kCpuUtilization;
  }
  if (w.Has({"mem", "memory", "heap", "rss"})) {
    if (bound || w.Has({"free", "available", "cache", "cached", "swap", "max"}))
      return Quantity::kOther;
    return IsShare(w) || w.Has({"rate"}) ? Quantity::kMemoryUtilization : Quantity::kMemoryBytes;
  }
  const bool share = IsShare(w) || w.Has({"usage"});
  return share ? Quantity::kDiskUtilization : Quantity::kActivity;
}

/// Of what a service does for its callers, or (`client`) others do for it.
Quantity OfCalls(const MetricWords& w, bool client) {
  const bool share = IsShare(w) || (w.Has({"rate"}) && !IsRateOfChange(w));
  const bool response_time = w.Has({"response"}) && w.Has({"time", "seconds", "ms"});
  if (w.Has({"latency", "latencies", "duration", "elapsed"}) || response_time)
    return client ? Quantity::kClientLatency : Quantity::kLatency;
  if (w.Has({"availability"}) || w.HasStem({"success"})) {
    const bool counted = w.HasStem({"request", "call"}) || w.Has({"count", "total"});
    return client || (counted && !share) ? Quantity::kOther : Quantity::kSuccessRatio;
  }
  if (w.HasStem({"error", "fail", "exception"}) || w.Has({"5xx"})) {
    if (share) return client ? Quantity::kClientErrorRatio : Quantity::kErrorRatio;
    return client ? Quantity::kOther : Quantity::kErrorRate;
  }
  const bool calls = w.Has({"request", "requests", "workload", "throughput", "ops", "qps", "rps",
                            "tps", "queries", "calls", "transactions", "invocations"});
  if (calls) return client ? Quantity::kClientCallRate : Quantity::kCallRate;
  return Quantity::kOther;
}

Quantity ByWords(const MetricWords& w) {
  if (w.StartsWith("node") || w.StartsWith("host")) return OfHost(w);
  if (const Quantity q = OfProcess(w); q != Quantity::kOther || w.Has({"gc"})) return q;
  const bool message = w.Has({"request", "response", "body", "message", "payload"});
  if (message && w.Has({"size", "bytes"})) return Quantity::kNetworkBytes;
  if (w.Has({"connection", "connections", "conns"})) return OfPool(w);
  const bool calls = w.Has({"requests", "request", "calls"});
  if (w.Has({"inflight", "concurrency"}) || (w.Has({"in"}) && w.Has({"flight"})) ||
      (w.Has({"active", "concurrent"}) && calls))
    return Quantity::kInFlight;
  if (w.Has({"queue", "backlog", "queued"})) {
    // How long things wait there is neither a length nor a latency.
    return w.Has({"time", "duration", "latency", "wait"}) ? Quantity::kOther
                                                          : Quantity::kQueueDepth;
  }
  const bool client = w.Has({"client", "outgoing", "outbound", "upstream", "egress"});
  if (w.Has({"cpu", "mem", "memory", "heap", "rss", "disk", "filesystem"})) return OfResource(w);
  if (w.HasStem({"retrans"})) return Quantity::kRetransmits;
  if (const Quantity q = OfCalls(w, client); q != Quantity::kOther) return q;
  if (w.Has({"network", "net", "receive", "received", "transmit", "transmitted", "sent", "rx",
             "tx"}) &&
      w.Has({"bytes"}))
    return Quantity::kNetworkBytes;
  if (w.HasStem({"syscall", "packet"}) || w.Has({"network", "bytes"})) return Quantity::kActivity;
  return Quantity::kOther;
}

Statistic StatisticOf(const MetricWords& w, MetricKind kind) {
  if (w.Has({"average", "mean", "avg"})) return Statistic::kMean;
  if (w.Has({"p50", "median"})) return Statistic::kP50;
  if (w.Has({"p90"})) return Statistic::kP90;
  if (w.Has({"p95"})) return Statistic::kP95;
  if (w.Has({"p99"})) return Statistic::kP99;
  if (w.Has({"max", "maximum"})) return Statistic::kMax;
  if (kind != MetricKind::kCounter && w.Has({"sum", "total", "count"})) return Statistic::kSum;
  return Statistic::kValue;
}

/// The counters that a Prometheus histogram or summary consists of.
enum class Part { kWhole, kCount, kSum, kBucket };

Part TakePart(std::string_view* metric, MetricKind kind) {
  if (kind != MetricKind::kCounter) return Part::kWhole;
  for (const auto& [suffix, part] : {std::pair<std::string_view, Part>("_count", Part::kCount),
                                     std::pair<std::string_view, Part>("_sum", Part::kSum),
                                     std::pair<std::string_view, Part>("_bucket", Part::kBucket)}) {
    if (!metric->ends_with(suffix)) continue;
    metric->remove_suffix(suffix.size());
    return part;
  }
  return Part::kWhole;
}

MetricMeaning OfPart(MetricMeaning whole, Part part) {
  if (part == Part::kSum) {
    whole.statistic = Statistic::kSum;
    return whole;
  }
  MetricMeaning count;  // a bucket's counter is not a value of the quantity, and stays kOther
  count.client_side = whole.client_side;
  if (part == Part::kCount && whole.quantity == Quantity::kLatency)
    count.quantity = Quantity::kCallRate;
  if (part == Part::kCount && whole.quantity == Quantity::kClientLatency)
    count.quantity = Quantity::kClientCallRate;
  return count;
}

bool IsClientSide(Quantity q) {
  return q == Quantity::kClientCallRate || q == Quantity::kClientLatency ||
         q == Quantity::kClientErrorRatio;
}

}  // namespace

MetricMeaning MeaningOf(std::string_view metric, std::string_view unit, MetricKind kind) {
  const Part part = TakePart(&metric, kind);
  const MetricWords words = SplitMetricName(metric);
  MetricMeaning meaning;
  if (const auto known = FindMetricName(metric)) {
    meaning = *known;
  } else {
    meaning.quantity = ByWords(words);
    meaning.statistic = StatisticOf(words, kind);
  }
  if (const auto scale = FindScale(meaning.quantity, unit, words)) meaning.scale = *scale;
  meaning.client_side = IsClientSide(meaning.quantity);
  return part == Part::kWhole ? meaning : OfPart(meaning, part);
}

}  // namespace tomograph::normalize
