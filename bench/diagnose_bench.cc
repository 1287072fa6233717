// Ranking a case, learning a window: what diagnosis costs as the number of services grows.
#include <benchmark/benchmark.h>

#include "base/random.h"
#include "diagnose/baseline/baseline.h"
#include "diagnose/constructed_case.h"
#include "diagnose/diagnoser.h"
#include "diagnose/ranker.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Quantity;

// A tree of services in which the last one is slow, and its callers with it.
Case TreeOf(int services) {
  ConstructedCase c(60, 12);
  std::vector<bool> slow(static_cast<size_t>(services), false);
  for (int s = services - 1; s > 0; s = (s - 1) / 4) slow[static_cast<size_t>(s)] = true;
  slow[0] = true;
  for (int i = 0; i < services; ++i) {
    const std::string name = "s" + std::to_string(i);
    c.Serves(name, 0.1, slow[static_cast<size_t>(i)] ? 0.5 : 0.1);
    if (i > 0) c.Calls("s" + std::to_string((i - 1) / 4), name);
  }
  c.AlertOn("s0", Quantity::kLatency);
  return c.incident();
}

void BM_Rank(benchmark::State& state) {
  const Case incident = TreeOf(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        Rank(incident, [](telemetry::EntityId) { return std::string("service"); }));
  }
}
BENCHMARK(BM_Rank)->Arg(10)->Arg(100)->Arg(1000)->Arg(10'000)->Unit(benchmark::kMillisecond);

void BM_BaselineSample(benchmark::State& state) {
  Baseline baseline({0.05, 1e-9});
  Random random(1);
  Nanos time = 0;
  for (auto _ : state) {
    const double value = random.Normal(10, 1);
    benchmark::DoNotOptimize(baseline.Deviation(time, value));
    baseline.Learn(time, value);
    time += 5 * kSecond;
  }
}
BENCHMARK(BM_BaselineSample);

void BM_DiagnoserWindow(benchmark::State& state) {
  telemetry::Identities identities;
  Diagnoser diagnoser({}, &identities);
  telemetry::WindowSet set;
  set.length = 5 * kSecond;
  for (int64_t i = 0; i < state.range(0); ++i) {
    telemetry::Window w;
    w.key.entity =
        identities.entities.FindOrAdd(telemetry::EntityKind::kService, "", "s" + std::to_string(i));
    w.spans.seen = 10;
    w.spans.calls = 10;
    w.spans.exclusive_s = 1;
    w.spans.latency.Add(0.1, 10);
    set.windows.push_back(std::move(w));
  }
  for (auto _ : state) {
    set.start += set.length;
    diagnoser.Update(set, {}, {});
  }
}
BENCHMARK(BM_DiagnoserWindow)->Arg(100)->Arg(10'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tomograph::diagnose
