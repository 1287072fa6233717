#include "evaluate/resample.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/random.h"

namespace tomograph::evaluate {
namespace {

using telemetry::Batch;
using telemetry::EntityId;
using telemetry::Quantity;

constexpr Nanos kExportInterval = 2 * kSecond;
constexpr Nanos kExportOffset = 700 * kMillisecond;  // exports do not meet the windows' borders
constexpr double kBounds[] = {.005, .01, .025, .05, .075, .1, .25,     .5,
                              .75,  1,   2.5,  5,   7.5,  10, INFINITY};

void CopySpan(const telemetry::SpanBatch& from, size_t i, double p, bool tell,
              telemetry::SpanBatch* to) {
  to->trace_id.push_back(from.trace_id[i]);
  to->span_id.push_back(from.span_id[i]);
  to->parent_span_id.push_back(from.parent_span_id[i]);
  to->start_ns.push_back(from.start_ns[i]);
  to->end_ns.push_back(from.end_ns[i]);
  to->corrected_start_ns.push_back(from.corrected_start_ns[i]);
  to->kind.push_back(from.kind[i]);
  to->service.push_back(from.service[i]);
  to->peer.push_back(from.peer[i]);
  if (!from.operation.empty()) to->operation.push_back(from.operation[i]);
  to->failed.push_back(from.failed[i]);
  to->weight.push_back(tell ? static_cast<float>(1 / p) : 1.0f);
  to->weight_known.push_back(tell);
}

bool IsHidden(Quantity q) {
  return q == Quantity::kInFlight || q == Quantity::kQueueDepth ||
         q == Quantity::kConnectionsPending;
}

}  // namespace

std::vector<Batch> SampleTraces(const std::vector<Batch>& full, double p, bool tell,
                                uint64_t seed) {
  std::vector<Batch> sampled;
  for (const Batch& batch : full) {
    sampled.emplace_back();
    for (size_t i = 0; i < batch.spans.rows(); ++i) {
      const telemetry::TraceId id = batch.spans.trace_id[i];
      if (Random(id.lo ^ MixBits(id.hi) ^ MixBits(seed)).Uniform() < p)
        CopySpan(batch.spans, i, p, tell, &sampled.back().spans);
    }
  }
  return sampled;
}

std::vector<Batch> WithoutSpans(const std::vector<Batch>& full,
                                const std::set<std::pair<telemetry::TraceId, uint64_t>>& gone) {
  std::vector<Batch> left;
  for (const Batch& batch : full) {
    const telemetry::SpanBatch& from = batch.spans;
    telemetry::SpanBatch& to = left.emplace_back().spans;
    for (size_t i = 0; i < from.rows(); ++i) {
      if (gone.count({from.trace_id[i], from.span_id[i]}) > 0) continue;
      CopySpan(from, i, 1, true, &to);
      if (!from.peer_address.empty()) to.peer_address.push_back(from.peer_address[i]);
    }
  }
  return left;
}

std::vector<Batch> MetricsWithoutGauges(const std::vector<Batch>& full,
                                        const telemetry::Identities& ids) {
  std::vector<Batch> metrics;
  for (const Batch& batch : full) {
    const telemetry::SampleBatch& from = batch.samples;
    telemetry::SampleBatch& to = metrics.emplace_back().samples;
    for (size_t i = 0; i < from.rows(); ++i) {
      if (IsHidden(ids.series.Get(from.series[i]).quantity)) continue;
      to.series.push_back(from.series[i]);
      to.time_ns.push_back(from.time_ns[i]);
      to.start_ns.push_back(from.start_ns[i]);
      to.value.push_back(from.value[i]);
    }
    to.histograms = from.histograms;
  }
  return metrics;
}

MadeUpMetrics::MadeUpMetrics(const std::vector<Batch>& full, telemetry::Identities* ids)
    : ids_(ids) {
  for (const Batch& batch : full) {
    const telemetry::SpanBatch& s = batch.spans;
    for (size_t i = 0; i < s.rows(); ++i) {
      const bool call = s.kind[i] == telemetry::SpanKind::kServer ||
                        s.kind[i] == telemetry::SpanKind::kConsumer || s.parent_span_id[i] == 0;
      if (!call) continue;
      const Nanos length = s.end_ns[i] - s.start_ns[i];
      const Nanos end = s.corrected_start_ns[i] + length;
      calls_[s.service[i]].emplace_back(end, length);
    }
  }
  for (auto& [service, calls] : calls_) std::sort(calls.begin(), calls.end());
}

Batch MadeUpMetrics::Export(bool histograms) const {
  Batch batch;
  size_t service_number = 0;
  for (const auto& [service, calls] : calls_) {
    if (service_number++ % 2 == 1) continue;
    Write(service, calls, histograms, &batch.samples);
  }
  return batch;
}

telemetry::SeriesId MadeUpMetrics::SeriesOf(EntityId service, bool histogram) const {
  const std::string key = std::to_string(static_cast<uint64_t>(service)) + (histogram ? "h" : "c");
  return ids_->series.FindOrAdd(telemetry::FingerprintOf(key, 0xe7a1), [&] {
    telemetry::Series s;
    s.resource = ids_->resources.FindOrAdd(telemetry::FingerprintOf(key, 0xe7a2),
                                           [] { return telemetry::Resource(); });
    s.metric = ids_->strings.Intern(histogram ? "evaluate.durations" : "evaluate.calls");
    s.kind = histogram ? telemetry::MetricKind::kHistogram : telemetry::MetricKind::kCounter;
    s.temporality = telemetry::Temporality::kCumulative;
    s.quantity = histogram ? telemetry::Quantity::kLatency : telemetry::Quantity::kCallRate;
    s.entity = service;
    return s;
  });
}

void MadeUpMetrics::Write(EntityId service, const Calls& calls, bool histograms,
                          telemetry::SampleBatch* out) const {
  const telemetry::SeriesId series = SeriesOf(service, histograms);
  const Nanos first = calls.front().first / kExportInterval * kExportInterval - kExportOffset;
  std::vector<uint64_t> buckets(std::size(kBounds), 0);
  uint64_t count = 0;
  double sum = 0;
  size_t next = 0;
  for (Nanos t = first; t <= calls.back().first + kExportInterval; t += kExportInterval) {
    for (; next < calls.size() && calls[next].first < t; ++next) {
      const double d = ToSeconds(calls[next].second);
      ++buckets[static_cast<size_t>(std::lower_bound(std::begin(kBounds), std::end(kBounds), d) -
                                    kBounds)];
      ++count;
      sum += d;
    }
    if (histograms) {
      auto& h = out->histograms;
      h.series.push_back(series);
      h.time_ns.push_back(t);
      h.start_ns.push_back(first - kSecond);
      h.count.push_back(count);
      h.sum.push_back(sum);
      h.min.push_back(NAN);
      h.max.push_back(NAN);
      h.upper_bound.insert(h.upper_bound.end(), std::begin(kBounds), std::end(kBounds));
      h.bucket_count.insert(h.bucket_count.end(), buckets.begin(), buckets.end());
      h.bucket_end.push_back(static_cast<uint32_t>(h.bucket_count.size()));
    } else {
      out->series.push_back(series);
      out->time_ns.push_back(t);
      out->start_ns.push_back(first - kSecond);
      out->value.push_back(static_cast<double>(count));
    }
  }
}

}  // namespace tomograph::evaluate
