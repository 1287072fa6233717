// ChunkAppender: fills DuckDB's column vectors directly, 2048 rows at a time, and hands them to an
// appender. Texts are not copied into the vectors: they must stay where they are until Append
// returns.
#pragma once

#include <duckdb.h>

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/duckdb/database.h"

namespace tomograph::store {

class ChunkAppender {
 public:
  /// Appends to a table, all columns in their order.
  static Result<std::unique_ptr<ChunkAppender>> Open(Connection& connection, const char* table);
  /// Appends through a statement that reads the rows from `rows`; for tables with a UNIQUE
  /// constraint.
  static Result<std::unique_ptr<ChunkAppender>> OpenIgnoringConflicts(Connection& connection,
                                                                      const char* table);
  ~ChunkAppender();
  ChunkAppender(const ChunkAppender&) = delete;

  static size_t capacity() { return duckdb_vector_size(); }

  /// T must be the column's physical type.
  template <typename T>
  void Set(size_t column, size_t row, T value) {
    static_cast<T*>(data_[column])[row] = value;
  }
  void SetNull(size_t column, size_t row);
  /// NULL when it is `null`.
  template <typename T>
  void SetOrNull(size_t column, size_t row, T value, T null) {
    if (value == null) return SetNull(column, row);
    Set(column, row, value);
  }
  /// Invalid UTF-8 is replaced by U+FFFD.
  void SetText(size_t column, size_t row, std::string_view text);
  /// NULL when it is empty.
  void SetTextOrNull(size_t column, size_t row, std::string_view text) {
    if (text.empty()) return SetNull(column, row);
    SetText(column, row, text);
  }
  void SetUuid(size_t column, size_t row, telemetry::TraceId id);
  template <typename T>
  void SetList(size_t column, size_t row, const T* values, size_t count);
  void SetTextList(size_t column, size_t row, const std::vector<std::string>& texts);

  /// Hands over rows [0, count) and empties the chunk.
  Status Append(size_t count);
  /// Appends what is buffered to the table, within the connection's transaction.
  Status Flush();

 private:
  explicit ChunkAppender(duckdb_appender appender, std::string table);
  Status MakeChunk(std::vector<duckdb_logical_type> types);
  std::string_view Valid(std::string_view text);
  void* GrowList(size_t column, size_t row, size_t count);
  void Reset();

  duckdb_appender appender_;
  const std::string table_;
  duckdb_data_chunk chunk_ = nullptr;
  std::vector<void*> data_;
  std::deque<std::string> repaired_;  // texts that were not valid UTF-8
};

}  // namespace tomograph::store
