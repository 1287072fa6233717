// Spans stored durably per second of CPU time, all threads and the closing checkpoint counted.
#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "store/duckdb/duckdb_store.h"

namespace tomograph::store {
namespace {

using telemetry::Batch;
using telemetry::Identities;
using telemetry::ValueType;

constexpr Nanos kStart = 1795244400 * kSecond;

telemetry::ResourceId AddResource(Identities& ids, uint64_t number) {
  const std::string service = "service-" + std::to_string(number);
  return ids.resources.FindOrAdd(telemetry::FingerprintOf(service), [&] {
    telemetry::Resource r;
    r.service = ids.strings.Intern(service);
    r.attributes = {{ids.strings.Intern("service.name"), r.service}};
    r.service_entity = ids.entities.FindOrAdd(telemetry::EntityKind::kService, "", service);
    return r;
  });
}

/// Eight attributes as an HTTP server's instrumentation sends them.
void AddAttributes(Identities& ids, Random& random, telemetry::AttributeTable* out) {
  const auto key = [&](const char* name) { return ids.strings.Intern(name); };
  const uint64_t id = random.Below(1'000'000);
  out->AddText(key("http.request.method"), "GET");
  out->AddText(key("url.path"), "/api/carts/" + std::to_string(id) + "/items");
  out->AddText(key("http.route"), "/api/carts/{cart}/items");
  out->AddInt(key("http.response.status_code"), 200);
  out->AddText(key("server.address"), "cart.shop.svc.cluster.local");
  out->AddInt(key("server.port"), 8080);
  out->AddText(key("user_agent.original"),
               "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128");
  out->AddText(key("client.address"),
               "10.0." + std::to_string(id % 256) + "." + std::to_string(id / 256 % 256));
  out->EndRow();
}

std::shared_ptr<Batch> MakeSpans(Identities& ids, size_t count, Nanos start, Random& random) {
  auto batch = std::make_shared<Batch>();
  telemetry::SpanBatch& s = batch->spans;
  telemetry::TraceId trace;
  for (size_t i = 0; i < count; ++i) {
    if (i % 8 == 0) trace = {random.Next(), random.Next()};
    const telemetry::ResourceId resource = AddResource(ids, random.Below(20));
    const Nanos at = start + static_cast<Nanos>(random.Below(kSecond));
    s.trace_id.push_back(trace);
    s.span_id.push_back(random.Next());
    s.parent_span_id.push_back(i % 8 == 0 ? 0 : s.span_id[i - 1]);
    s.start_ns.push_back(at);
    s.end_ns.push_back(at + static_cast<Nanos>(random.Below(kSecond)));
    s.kind.push_back(telemetry::SpanKind::kServer);
    s.status.push_back(telemetry::SpanStatus::kUnset);
    s.resource.push_back(resource);
    s.name.push_back(ids.strings.Intern("GET /api/carts/{cart}/items"));
    s.trace_state.push_back(telemetry::kEmptyString);
    s.corrected_start_ns.push_back(at);
    s.clock_bound_ns.push_back(kMillisecond);
    s.operation.push_back(ids.strings.Intern("/api/carts/{cart}/items"));
    s.service.push_back(ids.resources.Get(resource).service_entity);
    s.peer.push_back(telemetry::kNoEntity);
    s.failed.push_back(0);
    s.weight.push_back(1);
    s.weight_known.push_back(0);
    AddAttributes(ids, random, &s.attributes);
  }
  batch->origin.received_ns = start;
  return batch;
}

/// One iteration is a store's life: opened, 2 M spans appended as fast as the queue takes them,
/// closed.
void BM_StoreSpans(benchmark::State& state) {
  const size_t batch_size = static_cast<size_t>(state.range(0));
  constexpr size_t kSpans = 2'000'000;
  Identities ids;
  Random random(1);
  std::vector<std::shared_ptr<Batch>> batches;
  for (size_t i = 0; i < 16; ++i) {
    batches.push_back(MakeSpans(ids, batch_size, kStart + static_cast<Nanos>(i) * kSecond, random));
  }
  const std::string directory = std::filesystem::temp_directory_path() / "tomograph_store_bench";
  for (auto _ : state) {
    std::filesystem::remove_all(directory);
    StoreOptions options;
    options.directory = directory;
    Result<std::unique_ptr<Store>> store = OpenDuckDbStore(options, &ids);
    if (!store.ok()) return state.SkipWithError(store.status().ToString().c_str());
    std::atomic<size_t> failed{0};
    for (size_t sent = 0, i = 0; sent < kSpans; sent += batch_size, ++i) {
      const auto durable = [&](const Status& status) { failed += !status.ok(); };
      while (!(*store)->Append(batches[i % batches.size()], durable).ok()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    }
    if (!(*store)->Close().ok() || failed > 0) return state.SkipWithError("spans were not stored");
    state.counters["spans_per_commit"] =
        static_cast<double>(kSpans) / static_cast<double>((*store)->stats().commits);
    state.counters["bytes_per_span"] =
        static_cast<double>((*store)->stats().bytes_on_disk) / kSpans;
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kSpans));
  std::filesystem::remove_all(directory);
}
// Items per second are of CPU time: MeasureProcessCPUTime without UseRealTime.
BENCHMARK(BM_StoreSpans)
    ->Arg(4'000)
    ->Arg(16'000)
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

}  // namespace
}  // namespace tomograph::store
