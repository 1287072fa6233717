// Lagged correlation: what an answer over many pairs of lines costs.
#include <benchmark/benchmark.h>

#include "correlate/align/lagged_correlation.h"
#include "correlate/align/simulated_series.h"

namespace tomograph::correlate {
namespace {

constexpr size_t kCells = 360;
constexpr int kLags = 30;  // to both sides

// One line against `range` others, none of them prepared.
void BM_CorrelateLagged(benchmark::State& state) {
  Random random(1);
  std::vector<AlignedSeries> lines;
  for (int64_t i = 0; i <= state.range(0); ++i)
    lines.push_back(OnGrid(Simulate(Course::kSluggish, kCells, &random), 0.02, &random));
  for (auto _ : state) {
    const Innovations first = Whiten(lines[0]);
    for (size_t i = 1; i < lines.size(); ++i)
      benchmark::DoNotOptimize(CorrelateLagged(first, Whiten(lines[i]), kLags));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_CorrelateLagged)->Arg(1000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tomograph::correlate
