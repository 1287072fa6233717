// The whole way of a span on one core: OTLP bytes -> batch -> normalised -> windows per entity and
// edge.
#include <benchmark/benchmark.h>

#include <memory>

#include "base/check.h"
#include "correlate/correlator.h"
#include "ingest/otlp/otlp_decoder.h"
#include "normalize/normalizer.h"
#include "traffic.h"

namespace tomograph {
namespace {

struct Stages {
  telemetry::Identities identities;
  telemetry::LossLedger ledger;
  WallClock clock;
  normalize::Normalizer normalizer{&identities};
  ingest::DecodeContext context;

  Stages() {
    context.identities = &identities;
    context.ledger = &ledger;
    context.clock = &clock;
    context.complete_resource = [this](telemetry::Resource* r) { normalizer.CompleteResource(r); };
    context.complete_series = [this](telemetry::Series* s) { normalizer.CompleteSeries(s); };
  }

  telemetry::Batch Decode(const std::string& request) {
    telemetry::Batch batch;
    const auto decoded =
        ingest::otlp::Decode(request, telemetry::Signal::kSpan, ingest::otlp::Encoding::kProtobuf,
                             telemetry::Format::kOtlpHttp, context, &batch);
    TG_CHECK(decoded.ok() && decoded->rejected == 0);
    return batch;
  }
};

constexpr Nanos kStart = 1'700'000'000 * kSecond;
constexpr Nanos kStep =
    10 * kMillisecond;  // event time a request covers: 100 k spans/s of event time

void DecodeNormalizeAggregate(benchmark::State& state) {
  Stages stages;
  correlate::Correlator correlator({}, &stages.identities);
  bench::Traffic traffic(125);  // 1000 spans a request
  Nanos now = kStart;
  uint64_t windows = 0;
  for (auto _ : state) {
    telemetry::Batch batch = stages.Decode(traffic.Next(now, kStep));
    stages.normalizer.Normalize(&batch);
    correlator.Add(batch);
    correlator.Advance(now, [&](telemetry::WindowSet&& set) { windows += set.windows.size(); });
    now += kStep;
  }
  benchmark::DoNotOptimize(windows);
  state.counters["spans_per_s"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * traffic.spans(), benchmark::Counter::kIsRate);
}
// Long enough that windows close: 2,000 requests are 20 s of event time.
BENCHMARK(DecodeNormalizeAggregate)->Iterations(6000)->Unit(benchmark::kMicrosecond);

void DecodeAndNormalize(benchmark::State& state) {
  Stages stages;
  bench::Traffic traffic(125);
  for (auto _ : state) {
    telemetry::Batch batch = stages.Decode(traffic.Next(kStart, kStep));
    stages.normalizer.Normalize(&batch);
    benchmark::DoNotOptimize(batch.spans.operation.data());
  }
  state.counters["spans_per_s"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * traffic.spans(), benchmark::Counter::kIsRate);
}
BENCHMARK(DecodeAndNormalize)->Unit(benchmark::kMicrosecond);

// What the benchmark itself costs: to be held against the others.
void OverwriteIds(benchmark::State& state) {
  bench::Traffic traffic(125);
  for (auto _ : state) benchmark::DoNotOptimize(traffic.Next(kStart, kStep).data());
  state.counters["spans_per_s"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * traffic.spans(), benchmark::Counter::kIsRate);
}
BENCHMARK(OverwriteIds)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace tomograph
