#include "store/duckdb/duckdb_store.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "store/duckdb/append.h"
#include "store/duckdb/cold.h"
#include "store/duckdb/commit_queue.h"
#include "store/duckdb/conclusions.h"
#include "store/duckdb/directory_lock.h"
#include "store/duckdb/scan.h"
#include "store/duckdb/schema.h"
#include "store/duckdb/transactor.h"

namespace tomograph::store {
namespace {

using telemetry::Batch;
using telemetry::Estimate;
using telemetry::Incident;

constexpr uint64_t kLeastRoom = 1u << 20;  // below that a disk counts as full

uint64_t FileSize(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

class DuckDbStore : public Store {
 public:
  DuckDbStore(const StoreOptions& options, telemetry::Identities* identities, DirectoryLock lock)
      : options_(options),
        path_(options.directory + "/tomograph.duckdb"),
        identities_(identities),
        lock_(std::move(lock)),
        slot_({path_, options.directory + "/tmp", options.memory_limit_bytes}),
        dictionaries_(identities),
        cold_(options),
        transactor_(&slot_, &dictionaries_, path_ + ".wal"),
        queue_(options.queue_batches, options.queue_bytes) {}
  ~DuckDbStore() override { static_cast<void>(Close().ok()); }

  Status Open();

  Status Append(std::shared_ptr<const Batch> batch, Durable durable) override;
  Status Scan(telemetry::Signal signal, const ScanFilter& filter,
              const std::function<bool(const Batch&)>& visit) override;
  Status PutEstimates(const std::vector<Estimate>& estimates) override;
  Result<std::vector<Estimate>> Estimates(TimeRange range, const std::string& state) override;
  Status PutIncident(const Incident& incident) override;
  Result<std::vector<Incident>> Incidents(TimeRange range) override;
  Status Maintain(Nanos now) override;
  StoreStats stats() const override;
  Status Close() override;

 private:
  void WriteLoop();
  void CommitGroup(std::vector<PendingBatch> group);
  /// Each on its own, after the group failed: one bad batch must not take the others with it.
  void CommitOneByOne(std::vector<PendingBatch> group);
  Status Commit(const PendingBatch* first, const PendingBatch* last);
  bool Writable() const;
  /// Tries to write, without a batch; the writer's thread does so while it is not writable.
  void Probe();
  void NoteCommit(const Status& status, const PendingBatch* first, const PendingBatch* last,
                  double seconds);

  const StoreOptions options_;
  const std::string path_;
  telemetry::Identities* const identities_;
  DirectoryLock lock_;
  DatabaseSlot slot_;
  Dictionaries dictionaries_;
  ColdStorage cold_;
  Transactor transactor_;
  CommitQueue queue_;
  std::thread writer_;
  uint64_t room_needed_ = 0;   // for what could not be committed; the writer's thread alone
  std::mutex maintain_mutex_;  // one Maintain at a time
  std::mutex close_mutex_;
  bool closed_ = false;
  mutable std::mutex stats_mutex_;
  StoreStats stats_;  // rows, commits, errors, oldest
};

Status DuckDbStore::Open() {
  TG_RETURN_IF_ERROR(slot_.Open());
  Result<std::unique_ptr<Connection>> connection = slot_.Connect();
  if (!connection.ok()) return connection.status();
  TG_RETURN_IF_ERROR(Migrate(**connection));
  TG_RETURN_IF_ERROR(dictionaries_.Load(**connection));
  TG_RETURN_IF_ERROR(cold_.Recover(**connection));
  TG_RETURN_IF_ERROR(cold_.CheckFiles(**connection));
  Result<Nanos> oldest = OldestStored(**connection);
  if (!oldest.ok()) return oldest.status();
  stats_.oldest_ns = *oldest;
  writer_ = std::thread([this] { WriteLoop(); });
  return Status::Ok();
}

Status DuckDbStore::Append(std::shared_ptr<const Batch> batch, Durable durable) {
  const size_t bytes = SizeOf(*batch);
  return queue_.Push({std::move(batch), std::move(durable), bytes});
}

void DuckDbStore::WriteLoop() {
  std::vector<PendingBatch> group;
  const auto patience = [this] {
    return Writable() ? std::nullopt : std::optional(options_.probe_interval);
  };
  while (queue_.TakeGroup(options_.commit_interval, patience(), &group)) {
    if (group.empty()) {
      Probe();
      continue;
    }
    CommitGroup(std::move(group));
    transactor_.CheckpointIfDue();
  }
}

bool DuckDbStore::Writable() const {
  std::lock_guard lock(stats_mutex_);
  return stats_.writable;
}

void DuckDbStore::Probe() {
  std::error_code error;
  const auto space = std::filesystem::space(options_.directory, error);
  // Without room for what failed, the next sender would be told that it works and find that it
  // does not.
  const bool room = error || space.available >= room_needed_;
  const Status status =
      !room ? Status::Unavailable("the disk is full") : transactor_.Run([](Connection& connection) {
        return connection.Execute(  // as good a small write as any
            "UPDATE schema_version SET version = version");
      });
  std::lock_guard lock(stats_mutex_);
  ++stats_.probes;
  stats_.writable = status.ok();
  if (!status.ok() && room) stats_.last_error = status.ToString();
}

void DuckDbStore::CommitGroup(std::vector<PendingBatch> group) {
  const Status status = Commit(group.data(), group.data() + group.size());
  // A full disk is nobody's fault, and trying each batch would only take longer.
  if (!status.ok() && !status.retryable() && group.size() > 1)
    return CommitOneByOne(std::move(group));
  for (const PendingBatch& pending : group) pending.durable(status);
}

void DuckDbStore::CommitOneByOne(std::vector<PendingBatch> group) {
  for (const PendingBatch& pending : group) pending.durable(Commit(&pending, &pending + 1));
}

Status DuckDbStore::Commit(const PendingBatch* first, const PendingBatch* last) {
  for (const PendingBatch* p = first; p != last; ++p) TG_RETURN_IF_ERROR(CheckShape(*p->batch));
  const auto start = std::chrono::steady_clock::now();
  const Status status = transactor_.Run([&](Connection& connection) {
    RowAppender rows(connection, &dictionaries_, identities_);
    for (const PendingBatch* p = first; p != last; ++p) TG_RETURN_IF_ERROR(rows.Append(*p->batch));
    return rows.Flush();
  });
  NoteCommit(status, first, last,
             std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  return status;
}

void DuckDbStore::NoteCommit(const Status& status, const PendingBatch* first,
                             const PendingBatch* last, double seconds) {
  std::lock_guard lock(stats_mutex_);
  stats_.last_commit_s = seconds;
  stats_.writable = status.ok() || status.code() == StatusCode::kResourceExhausted;
  if (!status.ok()) {
    stats_.last_error = status.ToString();
    room_needed_ = kLeastRoom;
    for (const PendingBatch* p = first; p != last; ++p) room_needed_ += p->bytes;
    return;
  }
  ++stats_.commits;
  for (const PendingBatch* p = first; p != last; ++p) {
    stats_.rows_committed += p->batch->rows();
    stats_.oldest_ns = std::min(stats_.oldest_ns, OldestOf(*p->batch));
  }
}

Status DuckDbStore::Scan(telemetry::Signal signal, const ScanFilter& filter,
                         const std::function<bool(const Batch&)>& visit) {
  Result<std::unique_ptr<Connection>> rows = slot_.Connect();
  if (!rows.ok()) return rows.status();
  Result<std::unique_ptr<Connection>> lookups = slot_.Connect();
  if (!lookups.ok()) return lookups.status();
  return ScanSignal({**rows, **lookups, dictionaries_, *identities_, cold_, options_.directory},
                    signal, filter, visit);
}

Status DuckDbStore::PutEstimates(const std::vector<Estimate>& estimates) {
  return transactor_.Run([&](Connection& connection) {
    return InsertEstimates(connection, estimates, &dictionaries_);
  });
}

Result<std::vector<Estimate>> DuckDbStore::Estimates(TimeRange range, const std::string& state) {
  Result<std::unique_ptr<Connection>> connection = slot_.Connect();
  if (!connection.ok()) return connection.status();
  return ReadEstimates(**connection, range, state);
}

Status DuckDbStore::PutIncident(const Incident& incident) {
  return transactor_.Run(
      [&](Connection& connection) { return UpsertIncident(connection, incident, &dictionaries_); });
}

Result<std::vector<Incident>> DuckDbStore::Incidents(TimeRange range) {
  Result<std::unique_ptr<Connection>> connection = slot_.Connect();
  if (!connection.ok()) return connection.status();
  return ReadIncidents(**connection, range);
}

Status DuckDbStore::Maintain(Nanos now) {
  std::lock_guard one_at_a_time(maintain_mutex_);
  Result<std::unique_ptr<Connection>> connection = slot_.Connect();
  if (!connection.ok()) return connection.status();
  // Retention first: it makes the room that moving needs.
  TG_RETURN_IF_ERROR(cold_.Retain(**connection, now));
  TG_RETURN_IF_ERROR(cold_.MoveOldHours(**connection, now));
  TG_RETURN_IF_ERROR(cold_.CheckFiles(**connection));
  Result<Nanos> oldest = OldestStored(**connection);
  if (!oldest.ok()) return oldest.status();
  std::lock_guard lock(stats_mutex_);
  stats_.oldest_ns = *oldest;
  return Status::Ok();
}

StoreStats DuckDbStore::stats() const {
  StoreStats stats;
  {
    std::lock_guard lock(stats_mutex_);
    stats = stats_;
  }
  if (stats.oldest_ns == INT64_MAX) stats.oldest_ns = 0;
  stats.queued_batches = queue_.size();
  stats.unreadable_files = cold_.unreadable().All();
  stats.bytes_on_disk = FileSize(path_) + FileSize(path_ + ".wal") + cold_.BytesOnDisk();
  return stats;
}

Status DuckDbStore::Close() {
  std::lock_guard lock(close_mutex_);
  if (closed_) return Status::Ok();
  closed_ = true;
  queue_.Close();
  if (writer_.joinable()) writer_.join();
  transactor_.Close();
  slot_.Close();
  lock_.Release();
  return Status::Ok();
}

}  // namespace

Result<std::unique_ptr<Store>> OpenDuckDbStore(const StoreOptions& options,
                                               telemetry::Identities* identities) {
  Result<DirectoryLock> lock = DirectoryLock::Acquire(options.directory);
  if (!lock.ok()) return lock.status();
  auto store = std::make_unique<DuckDbStore>(options, identities, std::move(*lock));
  TG_RETURN_IF_ERROR(store->Open());
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace tomograph::store
