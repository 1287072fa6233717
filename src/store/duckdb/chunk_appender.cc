#include "store/duckdb/chunk_appender.h"

#include <simdjson.h>

#include <cstring>

namespace tomograph::store {
namespace {

Status AppenderError(duckdb_appender appender, const std::string& table) {
  duckdb_error_data error = duckdb_appender_error_data(appender);
  Status status = DuckDbError(duckdb_error_data_error_type(error), duckdb_error_data_message(error),
                              "appending to " + table);
  duckdb_destroy_error_data(&error);
  return status;
}

// The longest valid sequence at `text[i]`, 0 when there is none.
size_t SequenceLength(std::string_view text, size_t i) {
  for (size_t n = 1; n <= 4 && i + n <= text.size(); ++n) {
    if (simdjson::validate_utf8(text.data() + i, n)) return n;
  }
  return 0;
}

std::string ReplaceInvalid(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t n = SequenceLength(text, i);
    if (n == 0)
      out += "\xEF\xBF\xBD";
    else
      out += text.substr(i, n);
    i += n == 0 ? 1 : n;
  }
  return out;
}

void Assign(duckdb_string_t* out, std::string_view text) {
  const auto length = static_cast<uint32_t>(text.size());
  if (length <= sizeof(out->value.inlined.inlined)) {
    *out = {};
    out->value.inlined.length = length;
    if (length > 0) std::memcpy(out->value.inlined.inlined, text.data(), length);
  } else {
    out->value.pointer.length = length;
    std::memcpy(out->value.pointer.prefix, text.data(), sizeof(out->value.pointer.prefix));
    out->value.pointer.ptr = const_cast<char*>(text.data());
  }
}

}  // namespace

ChunkAppender::ChunkAppender(duckdb_appender appender, std::string table)
    : appender_(appender), table_(std::move(table)) {}

ChunkAppender::~ChunkAppender() {
  duckdb_destroy_data_chunk(&chunk_);
  // What was not flushed belongs to a transaction that is being rolled back.
  duckdb_appender_destroy(&appender_);
}

Result<std::unique_ptr<ChunkAppender>> ChunkAppender::Open(Connection& connection,
                                                           const char* table) {
  duckdb_appender handle = nullptr;
  const auto state = duckdb_appender_create(connection.handle(), nullptr, table, &handle);
  std::unique_ptr<ChunkAppender> appender(new ChunkAppender(handle, table));
  if (state != DuckDBSuccess) return AppenderError(handle, table);
  std::vector<duckdb_logical_type> types;
  for (idx_t i = 0; i < duckdb_appender_column_count(handle); ++i) {
    types.push_back(duckdb_appender_column_type(handle, i));
  }
  TG_RETURN_IF_ERROR(appender->MakeChunk(std::move(types)));
  return appender;
}

Result<std::unique_ptr<ChunkAppender>> ChunkAppender::OpenIgnoringConflicts(Connection& connection,
                                                                            const char* table) {
  Result<std::unique_ptr<ChunkAppender>> direct = Open(connection, table);
  if (!direct.ok()) return direct;
  std::vector<duckdb_logical_type> types;
  for (idx_t i = 0; i < duckdb_appender_column_count((*direct)->appender_); ++i) {
    types.push_back(duckdb_appender_column_type((*direct)->appender_, i));
  }
  const std::string sql =
      std::string("INSERT INTO ") + table + " SELECT * FROM appended_data ON CONFLICT DO NOTHING";
  duckdb_appender handle = nullptr;
  const auto state = duckdb_appender_create_query(connection.handle(), sql.c_str(), types.size(),
                                                  types.data(), "appended_data", nullptr, &handle);
  std::unique_ptr<ChunkAppender> appender(new ChunkAppender(handle, table));
  Status made = appender->MakeChunk(std::move(types));
  if (state != DuckDBSuccess) return AppenderError(handle, table);
  TG_RETURN_IF_ERROR(made);
  return appender;
}

Status ChunkAppender::MakeChunk(std::vector<duckdb_logical_type> types) {
  chunk_ = duckdb_create_data_chunk(types.data(), types.size());
  for (duckdb_logical_type& type : types) duckdb_destroy_logical_type(&type);
  if (chunk_ == nullptr) return Status::Internal("cannot make a data chunk for " + table_);
  Reset();
  return Status::Ok();
}

void ChunkAppender::Reset() {
  duckdb_data_chunk_reset(chunk_);
  repaired_.clear();
  data_.resize(duckdb_data_chunk_get_column_count(chunk_));
  for (size_t column = 0; column < data_.size(); ++column) {
    data_[column] = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk_, column));
  }
}

void ChunkAppender::SetNull(size_t column, size_t row) {
  duckdb_vector vector = duckdb_data_chunk_get_vector(chunk_, column);
  duckdb_vector_ensure_validity_writable(vector);
  duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
}

std::string_view ChunkAppender::Valid(std::string_view text) {
  if (simdjson::validate_utf8(text.data(), text.size())) return text;
  return repaired_.emplace_back(ReplaceInvalid(text));
}

void ChunkAppender::SetText(size_t column, size_t row, std::string_view text) {
  Assign(static_cast<duckdb_string_t*>(data_[column]) + row, Valid(text));
}

void ChunkAppender::SetUuid(size_t column, size_t row, telemetry::TraceId id) {
  duckdb_hugeint value;
  value.lower = id.lo;
  value.upper = static_cast<int64_t>(id.hi ^ (1ULL << 63));  // see Rows::Uuid
  Set(column, row, value);
}

void* ChunkAppender::GrowList(size_t column, size_t row, size_t count) {
  duckdb_vector list = duckdb_data_chunk_get_vector(chunk_, column);
  const idx_t offset = duckdb_list_vector_get_size(list);
  duckdb_list_vector_reserve(list, offset + count);
  duckdb_list_vector_set_size(list, offset + count);
  Set(column, row, duckdb_list_entry{offset, count});
  return duckdb_vector_get_data(duckdb_list_vector_get_child(list));
}

template <typename T>
void ChunkAppender::SetList(size_t column, size_t row, const T* values, size_t count) {
  T* child = static_cast<T*>(GrowList(column, row, count));
  const uint64_t offset = static_cast<duckdb_list_entry*>(data_[column])[row].offset;
  if (count > 0) std::memcpy(child + offset, values, count * sizeof(T));
}
template void ChunkAppender::SetList<double>(size_t, size_t, const double*, size_t);
template void ChunkAppender::SetList<uint64_t>(size_t, size_t, const uint64_t*, size_t);

void ChunkAppender::SetTextList(size_t column, size_t row, const std::vector<std::string>& texts) {
  auto* child = static_cast<duckdb_string_t*>(GrowList(column, row, texts.size()));
  const uint64_t offset = static_cast<duckdb_list_entry*>(data_[column])[row].offset;
  for (size_t i = 0; i < texts.size(); ++i) Assign(&child[offset + i], Valid(texts[i]));
}

Status ChunkAppender::Append(size_t count) {
  duckdb_data_chunk_set_size(chunk_, count);
  const auto state = duckdb_append_data_chunk(appender_, chunk_);
  if (state != DuckDBSuccess) return AppenderError(appender_, table_);
  Reset();
  return Status::Ok();
}

Status ChunkAppender::Flush() {
  if (duckdb_appender_flush(appender_) == DuckDBSuccess) return Status::Ok();
  return AppenderError(appender_, table_);
}

}  // namespace tomograph::store
