// Batches and a store in a directory of its own, for tests and benchmarks.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <memory>
#include <string>

#include "store/duckdb/duckdb_store.h"
#include "telemetry/identities.h"

namespace tomograph::store {

/// 2026-11-21T07:00:00Z, the start of an hour.
inline constexpr Nanos kMorning = 1795244400 * kSecond;

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string path = std::filesystem::temp_directory_path() / "tomograph_store_XXXXXX";
    TG_CHECK(mkdtemp(path.data()) != nullptr);
    path_ = path;
  }
  ~TemporaryDirectory() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline telemetry::ResourceId AddResource(telemetry::Identities& ids, const std::string& service) {
  return ids.resources.FindOrAdd(telemetry::FingerprintOf("resource " + service), [&] {
    telemetry::Resource r;
    r.service = ids.strings.Intern(service);
    r.service_namespace = ids.strings.Intern("shop");
    r.instance = ids.strings.Intern(service + "-0");
    r.version = ids.strings.Intern("1.2.3");
    r.environment = ids.strings.Intern("prod");
    r.host = ids.strings.Intern("node-7");
    r.attributes = {{ids.strings.Intern("service.name"), ids.strings.Intern(service)},
                    {ids.strings.Intern("\"quoted\" \\ key"), ids.strings.Intern("wörld\n")}};
    r.service_entity = ids.entities.FindOrAdd(telemetry::EntityKind::kService, "shop", service);
    r.instance_entity = ids.entities.FindOrAdd(telemetry::EntityKind::kInstance, "shop",
                                               service + "-0", r.service_entity);
    return r;
  });
}

/// A span as a decoder and normalize/ leave it. The caller adds attributes and ends their row.
inline void AddSpan(telemetry::Identities& ids, telemetry::SpanBatch* s, uint64_t number,
                    Nanos start, const std::string& service = "checkout",
                    const std::string& name = "GET /cart") {
  const telemetry::ResourceId resource = AddResource(ids, service);
  s->trace_id.push_back({0x0af7651916cd43dd, number / 8 + 1});
  s->span_id.push_back(number);
  s->parent_span_id.push_back(number % 8 == 0 ? 0 : number - 1);
  s->start_ns.push_back(start);
  s->end_ns.push_back(start + kMillisecond);
  s->kind.push_back(telemetry::SpanKind::kServer);
  s->status.push_back(telemetry::SpanStatus::kError);
  s->resource.push_back(resource);
  s->name.push_back(ids.strings.Intern(name));
  s->trace_state.push_back(ids.strings.Intern("ot=th:8"));
  s->corrected_start_ns.push_back(start);
  s->clock_bound_ns.push_back(25);
  s->operation.push_back(ids.strings.Intern("/cart"));
  s->service.push_back(ids.resources.Get(resource).service_entity);
  s->peer.push_back(
      ids.entities.FindOrAdd(telemetry::EntityKind::kDatabase, "", "postgresql shop"));
  s->failed.push_back(1);
  s->weight.push_back(2.5f);
  s->weight_known.push_back(1);
}

/// `count` spans numbered from `first`, a microsecond apart, without attributes.
inline std::shared_ptr<telemetry::Batch> Spans(telemetry::Identities& ids, uint64_t first,
                                               size_t count, Nanos start = kMorning,
                                               const std::string& service = "checkout") {
  auto batch = std::make_shared<telemetry::Batch>();
  for (size_t i = 0; i < count; ++i) {
    AddSpan(ids, &batch->spans, first + i, start + static_cast<Nanos>(i) * kMicrosecond, service);
    batch->spans.attributes.EndRow();
  }
  batch->origin.received_ns = start + kSecond;
  return batch;
}

/// Appends and waits for the answer.
inline Status AppendAndWait(Store& store, std::shared_ptr<const telemetry::Batch> batch) {
  auto answer = std::make_shared<std::promise<Status>>();
  std::future<Status> future = answer->get_future();
  TG_RETURN_IF_ERROR(store.Append(std::move(batch),
                                  [answer](const Status& status) { answer->set_value(status); }));
  return future.get();
}

inline StoreOptions OptionsFor(const std::string& directory) {
  StoreOptions options;
  options.directory = directory;
  options.commit_interval = kMillisecond;
  options.memory_limit_bytes = 256u << 20;
  return options;
}

inline std::unique_ptr<Store> OpenStore(const StoreOptions& options, telemetry::Identities* ids) {
  Result<std::unique_ptr<Store>> store = OpenDuckDbStore(options, ids);
  EXPECT_TRUE(store.ok()) << store.status().ToString();
  return store.ok() ? std::move(*store) : nullptr;
}

/// The span ids of a scan, in its order.
inline std::vector<uint64_t> SpanIds(Store& store, const ScanFilter& filter = {}) {
  std::vector<uint64_t> ids;
  const Status status =
      store.Scan(telemetry::Signal::kSpan, filter, [&](const telemetry::Batch& b) {
        ids.insert(ids.end(), b.spans.span_id.begin(), b.spans.span_id.end());
        return true;
      });
  EXPECT_TRUE(status.ok()) << status.ToString();
  return ids;
}

}  // namespace tomograph::store
