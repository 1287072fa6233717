// What lies between a simulated system and a reader: spans and samples a second on one core.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "simulate/loss/loss.h"
#include "simulate/write/otlp_json.h"

namespace tomograph::simulate {
namespace {

constexpr Nanos kTime = 1'767'225'600 * kSecond;
constexpr size_t kSpans = 10'000;
constexpr uint32_t kSenders = 20;

std::vector<SpanRecord> SomeSpans(Audience* audience) {
  for (uint32_t i = 0; i < kSenders; ++i) {
    const std::string name = "service-" + std::to_string(i);
    audience->Enter({name, name + "-0", "1.0", "node-1", {{"k8s.pod.name", name + "-0"}}});
  }
  Random random(1);
  std::vector<SpanRecord> spans(kSpans);
  for (SpanRecord& span : spans) {
    const bool client = random.Below(2) == 0;
    span.sender = SenderId{static_cast<uint32_t>(random.Below(kSenders))};
    span.trace = {random.Next(), random.Next()};
    span.span = random.Next();
    span.parent = random.Next();
    span.start = kTime + static_cast<Nanos>(random.Below(kSecond));
    span.end = span.start + kMillisecond;
    span.kind = client ? telemetry::SpanKind::kClient : telemetry::SpanKind::kServer;
    span.name = "GET /api/v1/items/{id}";
    span.http_status = 200;
    if (client) span.peer = "service-1:8080";
  }
  return spans;
}

void WriteSpans(benchmark::State& state) {
  OtlpJson writer;
  const std::vector<SpanRecord> spans = SomeSpans(&writer);
  int64_t bytes = 0;
  for (auto _ : state) {
    for (const SpanRecord& span : spans) writer.See(span);
    bytes += static_cast<int64_t>(writer.Take().traces.size());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kSpans));
  state.SetBytesProcessed(bytes);
}
BENCHMARK(WriteSpans);

/// With everything on that costs something.
void LoseAndWriteSpans(benchmark::State& state) {
  LossSettings settings;
  settings.keep_traces = 0.9;
  settings.lose_spans = settings.duplicate = settings.late = 0.05;
  settings.late_by = kSecond;
  settings.clocks["node-1"] = {kMillisecond, 20, 0, 0};
  OtlpJson writer;
  Loss loss(settings, 1, kTime, &writer);
  const std::vector<SpanRecord> spans = SomeSpans(&loss);
  for (auto _ : state) {
    for (const SpanRecord& span : spans) loss.See(span);
    loss.Pass(INT64_MAX);
    benchmark::DoNotOptimize(writer.Take());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kSpans));
}
BENCHMARK(LoseAndWriteSpans);

void WriteSamples(benchmark::State& state) {
  OtlpJson writer;
  std::vector<SampleRecord> samples(kSpans);
  const SenderId sender = writer.Enter({"service", "service-0", "1.0", "node-1", {}});
  for (size_t i = 0; i < kSpans; ++i) {
    samples[i].sender = sender;
    samples[i].metric = i % 2 == 0 ? "process.cpu.utilization" : "process.memory.usage";
    samples[i].unit = "1";
    samples[i].labels = {{"state", "user"}};
    samples[i].time = kTime;
    samples[i].value = static_cast<double>(i) / 7;
  }
  for (auto _ : state) {
    for (const SampleRecord& sample : samples) writer.See(sample);
    benchmark::DoNotOptimize(writer.Take());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kSpans));
}
BENCHMARK(WriteSamples);

}  // namespace
}  // namespace tomograph::simulate
