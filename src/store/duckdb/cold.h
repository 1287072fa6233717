// Cold hours: rows that nobody writes to any more become Parquet files,
// cold/<signal>/<YYYYMMDDHH>.parquet, and go when they are too old or too much.
//
// The row in cold_files is what makes a file part of the store, and it is committed together with
// the deletion of the hot rows, so that at any moment each row is in one place:
//   1. rows -> <file>.tmp, fsync       a crash here: Recover removes the .tmp, the rows are hot
//   2. COMMIT (deletion + cold_files)  a crash here: Recover renames the .tmp
//   3. rename, fsync of the folder
// Files are written once. Rows that come late for a cold hour stay hot until they are worth a part
// of their own (<YYYYMMDDHH>-2.parquet). Files that cold_files does not name are left alone and not
// read.
#pragma once

#include <functional>
#include <shared_mutex>
#include <string>

#include "store/duckdb/database.h"
#include "store/duckdb/unreadable_files.h"
#include "store/store.h"

namespace tomograph::store {

/// Rows that are worth another file for an hour that has one. What is less stays in DuckDB, which
/// costs little, until it expires.
inline constexpr int64_t kWorthAnotherFile = 10'000;

class ColdStorage {
 public:
  explicit ColdStorage(const StoreOptions& options) : options_(options) {}

  /// Finishes or undoes what a crash interrupted. Before any reader.
  Status Recover(Connection& connection);
  /// Moves all hours that ended before now - cold_after, but for a few late rows.
  Status MoveOldHours(Connection& connection, Nanos now);
  /// Removes what is older than retention_age, then the oldest hours while more than
  /// retention_bytes are used. Never the hour of `now` nor a later one.
  Status Retain(Connection& connection, Nanos now);
  /// Notes the files that are gone, or that are no Parquet from end to end. Opens each, and reads
  /// no more of it than its first and last bytes.
  Status CheckFiles(Connection& connection);
  UnreadableFiles& unreadable() { return unreadable_; }
  const UnreadableFiles& unreadable() const { return unreadable_; }
  /// Bytes of the Parquet files.
  uint64_t BytesOnDisk() const;
  /// Held (shared) by a reader while it takes its snapshot, so that a named file also is in its
  /// place.
  std::shared_mutex& naming() { return naming_; }

 private:
  Status MoveHour(Connection& connection, const struct SignalTable& table, Nanos hour);
  Status RemoveFiles(Connection& connection, const std::string& condition);
  Status RemoveOldestHour(Connection& connection, Nanos before, bool* removed);
  Result<uint64_t> BytesUsed(Connection& connection) const;

  const StoreOptions options_;
  std::shared_mutex naming_;
  UnreadableFiles unreadable_;
};

/// Of the tables' rows and the cold files; INT64_MAX when there are none.
Result<Nanos> OldestStored(Connection& connection);

}  // namespace tomograph::store
