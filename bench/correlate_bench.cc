// Cost of correlation per span: batches of 1000 spans out of traces of eight, closed window by
// window.
#include <benchmark/benchmark.h>

#include <vector>

#include "base/random.h"
#include "correlate/correlator.h"

namespace tomograph::correlate {
namespace {

constexpr int kServices = 6;
constexpr size_t kBatchRows = 1000;
constexpr Nanos kT0 = 1'700'000'000 * kSecond;

void Append(telemetry::SpanBatch* s, telemetry::TraceId trace, uint64_t id, uint64_t parent,
            Nanos start, Nanos end, telemetry::SpanKind kind, telemetry::EntityId service,
            Random* random) {
  s->trace_id.push_back(trace);
  s->span_id.push_back(id);
  s->parent_span_id.push_back(parent);
  s->start_ns.push_back(start);
  s->end_ns.push_back(end);
  s->corrected_start_ns.push_back(start);
  s->kind.push_back(kind);
  s->service.push_back(service);
  s->peer.push_back(telemetry::kNoEntity);
  s->failed.push_back(random->Uniform() < 0.01);
  s->weight.push_back(1);
  s->weight_known.push_back(0);
}

/// 60 s of traces at 2000 traces/s: a server span and four pairs of spans, service by service in
/// batches as exporters send them.
std::vector<telemetry::Batch> MakeBatches(telemetry::Identities* ids) {
  std::vector<telemetry::EntityId> services;
  for (int i = 0; i < kServices; ++i)
    services.push_back(ids->entities.FindOrAdd(telemetry::EntityKind::kService, "",
                                               "service" + std::to_string(i)));
  Random random(1);
  std::vector<telemetry::Batch> done;
  std::vector<telemetry::Batch> open(kServices);
  const auto put = [&](int service, telemetry::TraceId trace, uint64_t id, uint64_t parent,
                       Nanos start, Nanos end, telemetry::SpanKind kind) {
    telemetry::Batch& b = open[static_cast<size_t>(service)];
    Append(&b.spans, trace, id, parent, start, end, kind, services[static_cast<size_t>(service)],
           &random);
    if (b.spans.rows() < kBatchRows) return;
    done.push_back(std::move(b));
    b = {};
  };
  for (int i = 0; i < 40'000; ++i) {
    const telemetry::TraceId trace{random.Next(), random.Next()};
    const Nanos start = kT0 + i * kSecond / 2000;
    const Nanos takes = FromSeconds(random.Exponential(0.05)) + kMillisecond;
    const uint64_t root = random.Next();
    put(0, trace, root, 0, start, start + takes, telemetry::SpanKind::kServer);
    uint64_t parent = root;
    int caller = 0;
    for (int k = 0; k < 4; ++k) {
      const int callee = 1 + static_cast<int>(random.Below(kServices - 1));
      const uint64_t client = random.Next(), server = random.Next();
      put(caller, trace, client, parent, start + takes * k / 10, start + takes * (10 - k) / 10,
          telemetry::SpanKind::kClient);
      if (k == 3) break;
      put(callee, trace, server, client, start + takes * k / 10 + 1000,
          start + takes * (10 - k) / 10 - 1000, telemetry::SpanKind::kServer);
      parent = server;
      caller = callee;
    }
  }
  for (telemetry::Batch& b : open) done.push_back(std::move(b));
  return done;
}

void AddAndAdvance(benchmark::State& state) {
  telemetry::Identities ids;
  const std::vector<telemetry::Batch> batches = MakeBatches(&ids);
  size_t spans = 0;
  for (const telemetry::Batch& b : batches) spans += b.spans.rows();
  uint64_t counted = 0;
  for (auto _ : state) {
    Correlator correlator({}, &ids);
    const auto sink = [&](telemetry::WindowSet&& set) { counted += set.spans; };
    for (const telemetry::Batch& b : batches) {
      correlator.Add(b);
      correlator.Advance(correlator.newest(), sink);
    }
    correlator.Finish(sink);
  }
  benchmark::DoNotOptimize(counted);
  state.SetItemsProcessed(static_cast<int64_t>(spans) * state.iterations());
}
BENCHMARK(AddAndAdvance)->Unit(benchmark::kMillisecond);

/// A minute of one trace: 20,000 client spans that nobody answers, all below one span or each below
/// the one before.
void OneLongTrace(benchmark::State& state, bool deep) {
  constexpr uint64_t kSpans = 20'000;
  telemetry::Identities ids;
  const auto service = ids.entities.FindOrAdd(telemetry::EntityKind::kService, "", "long");
  Random random(1);
  telemetry::Batch batch;
  for (uint64_t i = 0; i <= kSpans; ++i) {
    const auto into = static_cast<Nanos>(i) * kMinute / (2 * kSpans);
    const Nanos end = deep ? kMinute - into : 2 * into + kMillisecond;
    Append(&batch.spans, {1, 1}, i + 1,
           i == 0 ? 0
           : deep ? i
                  : 1,
           kT0 + into, kT0 + (i == 0 ? kMinute : end),
           i == 0 ? telemetry::SpanKind::kServer : telemetry::SpanKind::kClient, service, &random);
  }
  for (auto _ : state) {
    Correlator correlator({}, &ids);
    correlator.Add(batch);
    correlator.Finish([](telemetry::WindowSet&&) {});
  }
  state.SetItemsProcessed(static_cast<int64_t>(kSpans) * state.iterations());
}
BENCHMARK_CAPTURE(OneLongTrace, wide, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(OneLongTrace, deep, true)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tomograph::correlate
