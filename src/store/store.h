// Store: the raw lake and what was concluded from it. Narrow on purpose: DuckDB (default) and
// ClickHouse both fit behind it. All calls are thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/nanotime.h"
#include "base/status.h"
#include "telemetry/batch.h"
#include "telemetry/estimate.h"
#include "telemetry/hypothesis.h"
#include "telemetry/identities.h"

namespace tomograph::store {

struct StoreOptions {
  std::string directory;                       // made when absent; owned by one process at a time
  Nanos commit_interval = 100 * kMillisecond;  // the longest that an Append waits for its commit
  size_t queue_batches = 256;                  // waiting for a commit; beyond: kUnavailable
  size_t queue_bytes = 256u << 20;
  Nanos retention_age = 14 * 24 * kHour;
  uint64_t retention_bytes = 20ull << 30;
  Nanos cold_after = 2 * kHour;  // older hours move to Parquet: cold/<signal>/<hour>.parquet
  size_t memory_limit_bytes = 1u << 30;
  Nanos probe_interval = kSecond;  // how often it is tried whether a full disk has room again
};

struct StoreStats {
  uint64_t rows_committed = 0;
  uint64_t commits = 0;
  uint64_t bytes_on_disk = 0;
  size_t queued_batches = 0;
  double last_commit_s = 0;
  // false: the last commit failed, e.g. disk full. Turns true with the next that succeeds, or by
  // itself: the store tries until there is room for what it could not take.
  bool writable = true;
  uint64_t probes = 0;  // how often it tried
  std::string last_error;
  Nanos oldest_ns = 0;
  // Of older records, "path: why": gone or damaged. Scans pass over them.
  std::vector<std::string> unreadable_files;
};

struct ScanFilter {
  TimeRange range;
  std::string service;          // empty: all
  telemetry::TraceId trace_id;  // empty: all
  size_t limit = SIZE_MAX;
  Nanos received_before = INT64_MAX;  // engine time at which the rows were taken in; not of events
  // Of samples alone: of the metric of this name, and of whom it tells something.
  std::string metric;                                 // empty: all
  telemetry::EntityId entity = telemetry::kNoEntity;  // kNoEntity: all
};

class Store {
 public:
  using Durable = std::function<void(const Status&)>;

  virtual ~Store() = default;

  /// Queues the batch for the next group commit. `durable` is called from the writer's thread once
  /// it would survive kill -9 and power loss, or with the Status why not (kUnavailable: full disk;
  /// the batch is then not kept). Returns kUnavailable at once, without calling `durable`, when the
  /// queue is full.
  virtual Status Append(std::shared_ptr<const telemetry::Batch> batch, Durable durable) = 0;

  /// Calls `visit` with batches in time order (hot and cold rows alike); stops when it returns
  /// false. Reads a snapshot: rows committed later do not appear. The batches' ids are of the
  /// store's Identities. Files that cannot be read are passed over and are in the stats then.
  virtual Status Scan(telemetry::Signal signal, const ScanFilter& filter,
                      const std::function<bool(const telemetry::Batch&)>& visit) = 0;

  virtual Status PutEstimates(const std::vector<telemetry::Estimate>& estimates) = 0;
  virtual Result<std::vector<telemetry::Estimate>> Estimates(TimeRange range,
                                                             const std::string& state) = 0;
  /// Insert or replace by id.
  virtual Status PutIncident(const telemetry::Incident& incident) = 0;
  virtual Result<std::vector<telemetry::Incident>> Incidents(TimeRange range) = 0;

  /// Moves cold hours to Parquet and removes what is too old or too much. Called by the engine on a
  /// timer.
  virtual Status Maintain(Nanos now) = 0;
  virtual StoreStats stats() const = 0;
  /// Commits what is queued, then closes the files. Idempotent; the destructor does it too.
  virtual Status Close() = 0;
};

}  // namespace tomograph::store
