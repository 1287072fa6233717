#include "store/duckdb/transactor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace tomograph::store {
namespace {

// Larger means fewer rewrites of half-filled row groups, and more to read again after a crash.
constexpr uint64_t kCheckpointBytes = 128u << 20;

uint64_t FileSize(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

/// DuckDB syncs its log at each COMMIT, but not the folder in which a checkpoint has put a new log.
Status SyncFolder(const std::string& file) {
  const std::string folder = std::filesystem::path(file).parent_path();
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const std::string error = std::strerror(errno);
  if (fd >= 0) close(fd);
  return synced ? Status::Ok() : Status::Io("cannot sync " + folder + ": " + error);
}

}  // namespace

Transactor::Transactor(DatabaseSlot* slot, Dictionaries* dictionaries, std::string wal_path)
    : slot_(slot),
      dictionaries_(dictionaries),
      wal_path_(std::move(wal_path)),
      checkpoint_at_bytes_(kCheckpointBytes) {}

Status Transactor::Run(const std::function<Status(Connection&)>& body) {
  std::lock_guard lock(mutex_);
  if (closed_) return Status::FailedPrecondition("the store is closed");
  TG_RETURN_IF_ERROR(EnsureConnected());
  Status status = InTransaction(*connection_, [&] { return body(*connection_); });
  if (status.ok()) {
    dictionaries_->Committed();
    return SyncFolder(wal_path_);
  }
  dictionaries_->RolledBack();
  AfterFailure();
  return status;
}

Status Transactor::EnsureConnected() {
  // Another connection's failure may have taken the database with it.
  if (connection_ != nullptr && !connection_->Alive()) AfterFailure();
  if (connection_ != nullptr) return Status::Ok();
  if (!open_) {
    TG_RETURN_IF_ERROR(slot_->Open());
    open_ = true;
  }
  Result<std::unique_ptr<Connection>> connected = slot_->Connect();
  if (!connected.ok()) return connected.status();
  connection_ = std::move(*connected);
  return Status::Ok();
}

void Transactor::AfterFailure() {
  if (connection_->Alive()) return;
  // DuckDB has invalidated the database. Everything acknowledged is in its log: open it anew, as
  // after a crash. If even that fails, the next transaction tries again.
  connection_.reset();
  slot_->Close();
  open_ = slot_->Open().ok();
}

void Transactor::CheckpointIfDue() {
  std::lock_guard lock(mutex_);
  const uint64_t size = FileSize(wal_path_);
  if (size < checkpoint_at_bytes_ || connection_ == nullptr) return;
  if (connection_->Execute("CHECKPOINT").ok()) {
    checkpoint_at_bytes_ = kCheckpointBytes;
    return;
  }
  // Another transaction is open, or the disk is full. Not at each commit again.
  checkpoint_at_bytes_ = size + kCheckpointBytes / 4;
  AfterFailure();
}

void Transactor::Close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  connection_.reset();
}

}  // namespace tomograph::store
