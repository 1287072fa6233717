// How many estimates a second a model makes.
#include <benchmark/benchmark.h>

#include "reconstruct/replica_lag.h"

namespace tomograph {
namespace {

/// Windows of one replica, of which one in four has a reading.
void BM_ReplicaLag(benchmark::State& state) {
  reconstruct::ReplicaLagModel model;
  std::vector<telemetry::Estimate> estimates;
  Random random(1);
  Nanos at = 0;
  for (auto _ : state) {
    telemetry::WindowSet set;
    set.start = at;
    set.length = 5 * kSecond;
    at = set.end();
    if (at % (20 * kSecond) == 0) {
      telemetry::Window window;
      window.key.entity = telemetry::EntityId{1};
      window.gauges[telemetry::Quantity::kReplicaLag].Add(0.1 * random.Uniform(), at - kSecond);
      set.windows.push_back(std::move(window));
    }
    estimates.clear();
    model.Update(set, &estimates);
  }
  state.SetItemsProcessed(state.iterations() * 2);  // lag, and whether it has diverged
}
BENCHMARK(BM_ReplicaLag)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace tomograph
