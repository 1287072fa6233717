#include "store/duckdb/database.h"

#include <cstring>
#include <utility>

namespace tomograph::store {
namespace {

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool IsDiskFull(std::string_view message) {
  return Contains(message, "No space left") || Contains(message, "Disk quota exceeded") ||
         Contains(message, "not enough disk space") || Contains(message, "max_temp_directory_size");
}

bool IsDiskError(std::string_view message) {
  return Contains(message, "Input/output error") || Contains(message, "Read-only file system") ||
         Contains(message, "Could not write") || Contains(message, "Could not read") ||
         Contains(message, "fsync failed");
}

Status Bind(duckdb_prepared_statement statement, idx_t index, const Value& value) {
  struct Binder {
    duckdb_prepared_statement statement;
    idx_t index;
    duckdb_state operator()(std::monostate) { return duckdb_bind_null(statement, index); }
    duckdb_state operator()(int64_t v) { return duckdb_bind_int64(statement, index, v); }
    duckdb_state operator()(uint64_t v) { return duckdb_bind_uint64(statement, index, v); }
    duckdb_state operator()(double v) { return duckdb_bind_double(statement, index, v); }
    duckdb_state operator()(const std::string& v) {
      return duckdb_bind_varchar_length(statement, index, v.data(), v.size());
    }
  };
  if (std::visit(Binder{statement, index}, value) == DuckDBSuccess) return Status::Ok();
  return Status::Internal("cannot bind parameter " + std::to_string(index));
}

struct Prepared {
  duckdb_prepared_statement statement = nullptr;
  ~Prepared() { duckdb_destroy_prepare(&statement); }
};

struct Config {
  duckdb_config config = nullptr;
  Config() { duckdb_create_config(&config); }
  ~Config() { duckdb_destroy_config(&config); }
  Status Set(const char* name, const std::string& value) {
    if (duckdb_set_config(config, name, value.c_str()) == DuckDBSuccess) return Status::Ok();
    return Status::Internal(std::string("this DuckDB does not know the setting ") + name);
  }
};

Status Configure(const Database::Options& options, Config* config) {
  // One thread: a query runs on its caller's thread, and the cost of storing is one core's.
  TG_RETURN_IF_ERROR(config->Set("threads", "1"));
  TG_RETURN_IF_ERROR(
      config->Set("memory_limit", std::to_string(options.memory_limit_bytes / 1024) + "KiB"));
  TG_RETURN_IF_ERROR(config->Set("temp_directory", options.temp_directory));
  // Checkpoints are made by the writer after it has answered; one inside of a COMMIT would turn a
  // full disk into a lost database handle before the senders have their answer.
  TG_RETURN_IF_ERROR(config->Set("checkpoint_threshold", "1TB"));
  TG_RETURN_IF_ERROR(config->Set("autoinstall_known_extensions", "false"));
  TG_RETURN_IF_ERROR(config->Set("autoload_known_extensions", "false"));
  return Status::Ok();
}

Status OpenError(const std::string& path, const char* error) {
  const std::string message = error == nullptr ? "unknown error" : error;
  const std::string text = "cannot open " + path + ": " + message;
  if (IsDiskFull(message)) return Status::Unavailable(text);
  if (Contains(message, "Could not set lock")) return Status::FailedPrecondition(text);
  if (Contains(message, "Permission denied") || Contains(message, "Cannot open file")) {
    return Status::Io(text);
  }
  return Status::Corrupt(text);
}

}  // namespace

Status DuckDbError(duckdb_error_type type, const char* error, std::string_view what) {
  const std::string message = error == nullptr ? "unknown error" : error;
  const std::string text = std::string(what) + ": " + message;
  if (IsDiskFull(message)) return Status::Unavailable("the disk is full; " + text);
  if (Contains(message, "orrupt")) return Status::Corrupt(text);
  // A COMMIT reports all its failures as TRANSACTION: only the words tell them apart.
  if (Contains(message, "failed to pin block") || Contains(message, "could not allocate")) {
    return Status::ResourceExhausted(text);
  }
  if (type == DUCKDB_ERROR_TRANSACTION && Contains(message, "onflict")) {
    return Status::Unavailable(text);
  }
  if (IsDiskError(message)) return Status::Io(text);
  // DuckDB gave up on the database, for whatever came before; the transactor opens it anew.
  if (type == DUCKDB_ERROR_FATAL) return Status::Unavailable(text);
  switch (type) {
    case DUCKDB_ERROR_OUT_OF_MEMORY:
      return Status::ResourceExhausted(text);
    case DUCKDB_ERROR_SERIALIZATION:
      return Status::Corrupt(text);
    case DUCKDB_ERROR_IO:
      return Status::Io(text);
    default:
      return Status::Internal(text);
  }
}

std::string Quoted(std::string_view text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + "'";
}

Rows::Rows(Rows&& other) noexcept
    : result_(other.result_), chunk_(std::exchange(other.chunk_, nullptr)) {
  other.result_ = {};
}

Rows::~Rows() {
  duckdb_destroy_data_chunk(&chunk_);
  duckdb_destroy_result(&result_);
}

Result<size_t> Rows::NextChunk() {
  do {
    duckdb_destroy_data_chunk(&chunk_);
    chunk_ = duckdb_fetch_chunk(result_);
    if (chunk_ == nullptr) {
      const char* error = duckdb_result_error(&result_);
      if (error == nullptr || *error == 0) return size_t{0};
      return DuckDbError(duckdb_result_error_type(&result_), error, "reading rows");
    }
  } while (duckdb_data_chunk_get_size(chunk_) == 0);
  return static_cast<size_t>(duckdb_data_chunk_get_size(chunk_));
}

Result<bool> Rows::NextSingle() {
  Result<size_t> rows = NextChunk();
  if (!rows.ok()) return rows.status();
  return *rows > 0;
}

bool Rows::IsNull(size_t column, size_t row) const {
  uint64_t* validity = duckdb_vector_get_validity(vector(column));
  return validity != nullptr && !duckdb_validity_row_is_valid(validity, row);
}

std::string_view Rows::Text(size_t column, size_t row) const {
  if (IsNull(column, row)) return {};
  auto* text = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector(column))) + row;
  return {duckdb_string_t_data(text), duckdb_string_t_length(*text)};
}

telemetry::TraceId Rows::Uuid(size_t column, size_t row) const {
  if (IsNull(column, row)) return {};
  const duckdb_hugeint value = Data<duckdb_hugeint>(column)[row];
  // DuckDB flips the top bit so that signed comparison orders UUIDs as text does.
  return {static_cast<uint64_t>(value.upper) ^ (1ULL << 63), value.lower};
}

std::vector<std::string> Rows::TextList(size_t column, size_t row) const {
  std::vector<std::string> texts;
  if (IsNull(column, row)) return texts;
  const duckdb_list_entry& entry = Data<duckdb_list_entry>(column)[row];
  auto* child = static_cast<duckdb_string_t*>(
      duckdb_vector_get_data(duckdb_list_vector_get_child(vector(column))));
  for (uint64_t i = entry.offset; i < entry.offset + entry.length; ++i) {
    texts.emplace_back(duckdb_string_t_data(&child[i]), duckdb_string_t_length(child[i]));
  }
  return texts;
}

Result<std::shared_ptr<Database>> Database::Open(const Options& options) {
  Config config;
  TG_RETURN_IF_ERROR(Configure(options, &config));
  duckdb_database handle = nullptr;
  char* error = nullptr;
  if (duckdb_open_ext(options.path.c_str(), &handle, config.config, &error) != DuckDBSuccess) {
    Status status = OpenError(options.path, error);
    duckdb_free(error);
    return status;
  }
  return std::make_shared<Database>(handle);
}

Database::~Database() { duckdb_close(&handle_); }

Result<std::unique_ptr<Connection>> Connection::Open(std::shared_ptr<Database> database) {
  duckdb_connection handle = nullptr;
  if (duckdb_connect(database->handle(), &handle) != DuckDBSuccess) {
    return Status::Internal("DuckDB refuses a connection");
  }
  return std::unique_ptr<Connection>(new Connection(std::move(database), handle));
}

Connection::~Connection() { duckdb_disconnect(&handle_); }

Status Connection::Execute(const std::string& sql, const std::vector<Value>& parameters) {
  Result<duckdb_result> result = Run(sql, parameters, false);
  if (!result.ok()) return result.status();
  duckdb_destroy_result(&*result);
  return Status::Ok();
}

Result<Rows> Connection::Query(const std::string& sql, const std::vector<Value>& parameters) {
  Result<duckdb_result> result = Run(sql, parameters, true);
  if (!result.ok()) return result.status();
  return Rows(*result);
}

Result<duckdb_result> Connection::Run(const std::string& sql, const std::vector<Value>& parameters,
                                      bool streaming) {
  const std::string_view what = std::string_view(sql).substr(0, 60);
  duckdb_result result;
  Prepared prepared;
  if (duckdb_prepare(handle_, sql.c_str(), &prepared.statement) != DuckDBSuccess) {
    return DuckDbError(DUCKDB_ERROR_INVALID, duckdb_prepare_error(prepared.statement), what);
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    TG_RETURN_IF_ERROR(Bind(prepared.statement, i + 1, parameters[i]));
  }
  const auto execute = streaming ? duckdb_execute_prepared_streaming : duckdb_execute_prepared;
  if (execute(prepared.statement, &result) == DuckDBSuccess) return result;
  Status status =
      DuckDbError(duckdb_result_error_type(&result), duckdb_result_error(&result), what);
  duckdb_destroy_result(&result);
  return status;
}

void Connection::Rollback() { static_cast<void>(Execute("ROLLBACK").ok()); }

bool Connection::Alive() { return Execute("SELECT 1").ok(); }

Status DatabaseSlot::Open() {
  Result<std::shared_ptr<Database>> opened = Database::Open(options_);
  if (!opened.ok()) return opened.status();
  std::lock_guard lock(mutex_);
  TG_CHECK(!in_use_);
  in_use_ = true;
  database_ = std::shared_ptr<Database>(opened->get(), [this, keep = *opened](Database*) mutable {
    keep.reset();
    std::lock_guard released(mutex_);
    in_use_ = false;
    released_.notify_all();
  });
  return Status::Ok();
}

Result<std::unique_ptr<Connection>> DatabaseSlot::Connect() {
  std::shared_ptr<Database> database;
  {
    std::lock_guard lock(mutex_);
    database = database_;
  }
  if (database == nullptr) return Status::Unavailable("the store is being reopened or is closed");
  return Connection::Open(std::move(database));
}

void DatabaseSlot::Close() {
  std::unique_lock lock(mutex_);
  std::shared_ptr<Database> last = std::move(database_);
  lock.unlock();
  last.reset();  // outside of the lock: the deleter takes it
  lock.lock();
  released_.wait(lock, [this] { return !in_use_; });
}

}  // namespace tomograph::store
