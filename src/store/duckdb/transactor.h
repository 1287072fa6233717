// Transactor: the one place that writes in transactions, and that brings the database back after
// DuckDB gave up on it (it does so when a write to the disk fails at the wrong moment, and from
// then on refuses all).
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "store/duckdb/database.h"
#include "store/duckdb/dictionaries.h"

namespace tomograph::store {

/// Thread-safe: transactions run one after the other.
class Transactor {
 public:
  Transactor(DatabaseSlot* slot, Dictionaries* dictionaries, std::string wal_path);

  /// Runs `body` in a transaction. Once ok is returned the rows survive kill -9 and power loss;
  /// otherwise nothing of them is kept (but for a COMMIT whose failure came after the disk had it
  /// all).
  Status Run(const std::function<Status(Connection&)>& body);
  /// Moves the log into the file once it is large. Failures are left for the next time.
  void CheckpointIfDue();
  /// Ends the connection; Run is refused from then on.
  void Close();

 private:
  Status EnsureConnected();
  void AfterFailure();

  DatabaseSlot* const slot_;
  Dictionaries* const dictionaries_;
  const std::string wal_path_;
  std::mutex mutex_;
  std::unique_ptr<Connection> connection_;
  bool open_ = true;  // the slot has a database
  bool closed_ = false;
  uint64_t checkpoint_at_bytes_;
};

}  // namespace tomograph::store
