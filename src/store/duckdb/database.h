// The C API of DuckDB behind types that close themselves and speak Status. Nothing outside of this
// folder sees duckdb.h.
#pragma once

#include <duckdb.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/nanotime.h"
#include "base/status.h"
#include "telemetry/batch.h"

namespace tomograph::store {

/// A DuckDB error as a Status: a full disk and a database that DuckDB gave up on are kUnavailable,
/// exhausted memory kResourceExhausted, a damaged file kCorrupt, another error of the disk kIo, the
/// rest kInternal. `what` says what was being done.
Status DuckDbError(duckdb_error_type type, const char* message, std::string_view what);

/// 'text' with its quotes doubled, for the few places in SQL that take no parameter.
std::string Quoted(std::string_view text);

/// A parameter of a statement; monostate is NULL.
using Value = std::variant<std::monostate, int64_t, uint64_t, double, std::string>;

/// The rows of one query, a chunk of up to 2048 at a time. Rows must not outlive their Connection.
class Rows {
 public:
  explicit Rows(duckdb_result result) : result_(result) {}
  Rows(Rows&& other) noexcept;
  Rows(const Rows&) = delete;
  ~Rows();

  /// The number of rows in the next chunk, 0 at the end. Texts of the chunk before are gone.
  Result<size_t> NextChunk();
  /// For queries that answer with one row: false when there is none.
  Result<bool> NextSingle();

  bool IsNull(size_t column, size_t row) const;
  /// The column's raw numbers; T must be the column's physical type.
  template <typename T>
  const T* Data(size_t column) const {
    return static_cast<const T*>(duckdb_vector_get_data(vector(column)));
  }
  /// NULL reads as `null`.
  template <typename T>
  T Get(size_t column, size_t row, T null = T()) const {
    return IsNull(column, row) ? null : Data<T>(column)[row];
  }
  /// NULL reads as the empty text.
  std::string_view Text(size_t column, size_t row) const;
  telemetry::TraceId Uuid(size_t column, size_t row) const;
  /// The elements of a LIST of T; NULL reads as empty.
  template <typename T>
  std::pair<const T*, size_t> List(size_t column, size_t row) const {
    if (IsNull(column, row)) return {nullptr, 0};
    const duckdb_list_entry& entry = Data<duckdb_list_entry>(column)[row];
    const auto* child =
        static_cast<const T*>(duckdb_vector_get_data(duckdb_list_vector_get_child(vector(column))));
    return {child + entry.offset, entry.length};
  }
  std::vector<std::string> TextList(size_t column, size_t row) const;

 private:
  duckdb_vector vector(size_t column) const { return duckdb_data_chunk_get_vector(chunk_, column); }

  duckdb_result result_;
  duckdb_data_chunk chunk_ = nullptr;
};

/// One open DuckDB file, used by one thread at a time per connection, so a single thread's work
/// stays on that thread: the calls below never start others.
class Database {
 public:
  struct Options {
    std::string path;
    std::string temp_directory;
    size_t memory_limit_bytes = 1u << 30;
  };
  static Result<std::shared_ptr<Database>> Open(const Options& options);
  explicit Database(duckdb_database handle) : handle_(handle) {}
  ~Database();
  duckdb_database handle() const { return handle_; }

 private:
  duckdb_database handle_;
};

/// Not thread-safe. Keeps its database open.
class Connection {
 public:
  static Result<std::unique_ptr<Connection>> Open(std::shared_ptr<Database> database);
  ~Connection();
  Connection(const Connection&) = delete;

  Status Execute(const std::string& sql, const std::vector<Value>& parameters = {});
  Result<Rows> Query(const std::string& sql, const std::vector<Value>& parameters = {});
  /// Rolls back when there is something to; never fails.
  void Rollback();
  /// False once DuckDB has given up on the file after a failed write; only reopening helps.
  bool Alive();
  duckdb_connection handle() const { return handle_; }

 private:
  Connection(std::shared_ptr<Database> database, duckdb_connection handle)
      : database_(std::move(database)), handle_(handle) {}
  Result<duckdb_result> Run(const std::string& sql, const std::vector<Value>& parameters,
                            bool streaming);

  std::shared_ptr<Database> database_;
  duckdb_connection handle_;
};

/// Some of DuckDB's C functions (those that make room in a vector) let its exceptions through when
/// memory runs out.
template <typename Body>
Status WithoutExceptions(Body body) {
  try {
    return body();
  } catch (const std::exception& error) {
    return Status::ResourceExhausted(std::string("the store: ") + error.what());
  }
}

/// Runs `body` between BEGIN and COMMIT; rolls back when either fails.
template <typename Body>
Status InTransaction(Connection& connection, Body body) {
  TG_RETURN_IF_ERROR(connection.Execute("BEGIN TRANSACTION"));
  Status status = WithoutExceptions(body);
  if (status.ok()) status = connection.Execute("COMMIT");
  if (!status.ok()) connection.Rollback();
  return status;
}

/// The store's one Database, which readers borrow and the writer may replace after a failed write.
class DatabaseSlot {
 public:
  explicit DatabaseSlot(Database::Options options) : options_(std::move(options)) {}

  Status Open();
  /// kUnavailable while it is closed.
  Result<std::unique_ptr<Connection>> Connect();
  /// Refuses new connections, waits for the borrowed ones, closes the file.
  void Close();

 private:
  const Database::Options options_;
  std::mutex mutex_;
  std::condition_variable released_;
  std::shared_ptr<Database> database_;  // its deleter tells released_
  bool in_use_ = false;                 // a Database exists, held here or by a connection
};

}  // namespace tomograph::store
