// What the request linker costs when it is driven to its limits: everything at once on one service.
#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "base/random.h"
#include "correlate/linking/request_linker.h"

namespace tomograph::correlate::linking {
namespace {

constexpr Nanos kT0 = 1'700'000'000 * kSecond;

CallRecord Record(uint64_t id, bool outgoing, Nanos start, Nanos end) {
  CallRecord r;
  r.id = id;
  r.service = telemetry::EntityId{1};
  r.peer = outgoing ? telemetry::EntityId{2} : telemetry::kNoEntity;
  r.operation = telemetry::StringId{7};
  r.outgoing = outgoing;
  r.start = start;
  r.end = end;
  return r;
}

void Link(const std::vector<CallRecord>& records, benchmark::State& state) {
  for (auto _ : state) {
    RequestLinker linker;
    uint64_t links = 0;
    const auto sink = [&](const linking::Link&) { ++links; };
    size_t most = 0;
    for (size_t at = 0; at < records.size(); at += 100'000) {
      linker.Add({records.data() + at, std::min<size_t>(100'000, records.size() - at)});
      most = std::max(most, linker.bytes());
    }
    linker.Finish(sink);
    benchmark::DoNotOptimize(links);
    state.counters["limited"] = static_cast<double>(linker.stats().candidates_limited);
    state.counters["learned"] = static_cast<double>(linker.stats().learned);
    state.counters["MiB"] = static_cast<double>(most) / (1 << 20);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(records.size()));
}

/// `range` requests that are all in flight at once, with a call each.
void LinkAllInFlight(benchmark::State& state) {
  Random random(1);
  std::vector<CallRecord> records;
  for (int64_t i = 0; i < state.range(0); ++i) {
    const Nanos start = kT0 + i * kMicrosecond;
    const auto id = static_cast<uint64_t>(2 * i + 1);
    records.push_back(Record(id, false, start, start + 5 * kSecond));
    const Nanos call = start + FromSeconds(.1 + random.Exponential(.5));
    records.push_back(Record(id + 1, true, call, call + kSecond));
  }
  Link(records, state);
}
BENCHMARK(LinkAllInFlight)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kSecond)->Iterations(1);

/// The same with all timestamps equal: nothing tells any from any.
void LinkAllEqual(benchmark::State& state) {
  std::vector<CallRecord> records;
  for (int64_t i = 0; i < state.range(0); ++i) {
    const auto id = static_cast<uint64_t>(2 * i + 1);
    records.push_back(Record(id, false, kT0, kT0 + kSecond));
    records.push_back(Record(id + 1, true, kT0, kT0 + kSecond));
  }
  Link(records, state);
}
BENCHMARK(LinkAllEqual)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kSecond)->Iterations(1);

/// 100,000 records of one service, each request and its call of one of `range` operations: a client
/// that puts ids into its names.
void LinkManyNames(benchmark::State& state) {
  Random random(3);
  std::vector<CallRecord> records;
  double now = 0;
  const auto gap = [&](double median) { return median * std::exp(random.Normal(0, .25)); };
  const auto at = [](double us) { return kT0 + static_cast<Nanos>(us * 1e3); };
  for (uint64_t id = 1; id < 100'000; id += 2) {
    now += random.Exponential(1'000);
    const double from = now + gap(300), to = from + gap(1'500);
    records.push_back(Record(id, false, at(now), at(to + gap(400))));
    records.push_back(Record(id + 1, true, at(from), at(to)));
    const auto operation =
        static_cast<telemetry::StringId>(100 + random.Below(static_cast<uint64_t>(state.range(0))));
    records.back().operation = (records.end() - 2)->operation = operation;
  }
  Link(records, state);
}
BENCHMARK(LinkManyNames)
    ->Arg(10)
    ->Arg(200)
    ->Arg(5'000)
    ->Arg(50'000)
    ->Unit(benchmark::kSecond)
    ->Iterations(1);

}  // namespace
}  // namespace tomograph::correlate::linking
