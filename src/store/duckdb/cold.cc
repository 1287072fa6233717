#include "store/duckdb/cold.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string_view>
#include <vector>

#include "store/duckdb/schema.h"

namespace tomograph::store {
namespace {

namespace fs = std::filesystem;

std::string At(Nanos t) { return "make_timestamp_ns(" + std::to_string(t) + ")"; }

Nanos FloorHour(Nanos t) { return t - ((t % kHour) + kHour) % kHour; }

std::string HourRange(const char* column, Nanos hour) {
  return std::string(column) + " >= " + At(hour) + " AND " + column + " < " + At(hour + kHour);
}

/// "2026112107" of an hour.
std::string HourName(Nanos hour) {
  const std::string t = FormatTime(hour);  // 2026-11-21T07:...
  return t.substr(0, 4) + t.substr(5, 2) + t.substr(8, 2) + t.substr(11, 2);
}

Status SyncPath(const std::string& path, int flags) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return Status::Io("cannot open " + path + ": " + std::strerror(errno));
  const int result = fsync(fd);
  const int error = errno;
  close(fd);
  if (result == 0) return Status::Ok();
  const std::string message = "cannot write out " + path + ": " + std::strerror(error);
  return error == ENOSPC ? Status::Unavailable(message) : Status::Io(message);
}

Status Rename(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) {
    return Status::Io("cannot rename " + from + ": " + std::strerror(errno));
  }
  return SyncPath(fs::path(to).parent_path(), O_RDONLY | O_DIRECTORY);
}

Result<int64_t> SingleNumber(Connection& connection, const std::string& sql, int64_t null) {
  Result<Rows> rows = connection.Query(sql);
  if (!rows.ok()) return rows.status();
  Result<bool> found = rows->NextSingle();
  if (!found.ok()) return found.status();
  return *found ? rows->Get<int64_t>(0, 0, null) : null;
}

Result<std::vector<std::string>> Texts(Connection& connection, const std::string& sql) {
  Result<Rows> rows = connection.Query(sql);
  if (!rows.ok()) return rows.status();
  std::vector<std::string> texts;
  for (;;) {
    Result<size_t> n = rows->NextChunk();
    if (!n.ok()) return n.status();
    if (*n == 0) return texts;
    for (size_t i = 0; i < *n; ++i) texts.emplace_back(rows->Text(0, i));
  }
}

/// Why the file cannot be Parquet; empty: it may be.
std::string WhyNoParquet(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::string("cannot be opened: ") + std::strerror(errno);
  constexpr std::string_view kMagic = "PAR1";
  const auto is_magic = [&] {
    char bytes[4] = {};
    return in.read(bytes, sizeof bytes) && std::string_view(bytes, sizeof bytes) == kMagic;
  };
  if (!is_magic() || !in.seekg(-4, std::ios::end) || !is_magic()) return "is not Parquet";
  return "";
}

/// Hours of the table with rows before `before` that are to be moved, oldest first.
Result<std::vector<Nanos>> HoursToMove(Connection& connection, const SignalTable& table,
                                       Nanos before) {
  const std::string hour_of =
      std::string("epoch_ns(") + table.time + ") // " + std::to_string(kHour);
  Result<Rows> rows =
      connection.Query("SELECT " + hour_of + " AS h FROM " + table.name + " WHERE " + table.time +
                       " >= " + At(0) + " AND " + table.time + " < " + At(before) +
                       " GROUP BY h HAVING count(*) >= " + std::to_string(kWorthAnotherFile) +
                       " OR h NOT IN (SELECT epoch_ns(hour) // " + std::to_string(kHour) +
                       " FROM cold_files WHERE signal = " + Quoted(table.name) + ") ORDER BY h");
  if (!rows.ok()) return rows.status();
  std::vector<Nanos> hours;
  for (;;) {
    Result<size_t> n = rows->NextChunk();
    if (!n.ok()) return n.status();
    if (*n == 0) return hours;
    for (size_t i = 0; i < *n; ++i) hours.push_back(rows->Get<int64_t>(0, i) * kHour);
  }
}

}  // namespace

Status ColdStorage::Recover(Connection& connection) {
  Result<std::vector<std::string>> named = Texts(connection, "SELECT path FROM cold_files");
  if (!named.ok()) return named.status();
  for (const std::string& path : *named) {
    const std::string file = options_.directory + "/" + path;
    std::error_code error;
    if (fs::exists(file + ".tmp", error) && !fs::exists(file, error)) {
      TG_RETURN_IF_ERROR(Rename(file + ".tmp", file));
    }
  }
  for (const SignalTable& table : SignalTables()) {
    std::error_code error;
    for (const auto& entry :
         fs::directory_iterator(options_.directory + "/cold/" + table.name, error)) {
      if (entry.path().extension() == ".tmp") fs::remove(entry.path(), error);
    }
  }
  return Status::Ok();
}

Status ColdStorage::CheckFiles(Connection& connection) {
  Result<std::vector<std::string>> named = Texts(connection, "SELECT path FROM cold_files");
  if (!named.ok()) return named.status();
  unreadable_.Keep(*named);
  for (const std::string& path : *named) {
    if (const std::string why = WhyNoParquet(options_.directory + "/" + path); !why.empty())
      unreadable_.Add(path, why);
  }
  return Status::Ok();
}

Status ColdStorage::MoveOldHours(Connection& connection, Nanos now) {
  const Nanos before = FloorHour(now - options_.cold_after);
  if (before <= 0) return Status::Ok();
  for (const SignalTable& table : SignalTables()) {
    Result<std::vector<Nanos>> hours = HoursToMove(connection, table, before);
    if (!hours.ok()) return hours.status();
    for (Nanos hour : *hours) TG_RETURN_IF_ERROR(MoveHour(connection, table, hour));
  }
  return Status::Ok();
}

Status ColdStorage::MoveHour(Connection& connection, const SignalTable& table, Nanos hour) {
  const std::string folder = std::string("cold/") + table.name;
  std::error_code error;
  fs::create_directories(options_.directory + "/" + folder, error);
  if (error) return Status::Io("cannot make " + folder + ": " + error.message());
  Result<int64_t> parts =
      SingleNumber(connection,
                   std::string("SELECT count(*) FROM cold_files WHERE signal = ") +
                       Quoted(table.name) + " AND hour = " + At(hour),
                   0);
  if (!parts.ok()) return parts.status();
  const std::string part = *parts == 0 ? "" : "-" + std::to_string(*parts + 1);
  const std::string path = folder + "/" + HourName(hour) + part + ".parquet";
  const std::string file = options_.directory + "/" + path;
  const std::string temporary = file + ".tmp";
  const std::string hour_rows = HourRange(table.time, hour);

  // One snapshot for both: a row that is committed meanwhile is neither copied nor deleted.
  TG_RETURN_IF_ERROR(connection.Execute("BEGIN TRANSACTION"));
  const auto copy_and_delete = [&]() -> Status {
    TG_RETURN_IF_ERROR(connection.Execute(
        std::string("COPY (SELECT ") + table.exported + " WHERE t." + hour_rows + " ORDER BY t." +
        table.time + ") TO " + Quoted(temporary) + " (FORMAT parquet, COMPRESSION zstd)"));
    TG_RETURN_IF_ERROR(SyncPath(temporary, O_RDONLY));
    TG_RETURN_IF_ERROR(connection.Execute(
        std::string("INSERT INTO cold_files SELECT ") + Quoted(table.name) + ", " + At(hour) +
        ", " + Quoted(path) + ", count(*) FROM " + table.name + " WHERE " + hour_rows));
    return connection.Execute(std::string("DELETE FROM ") + table.name + " WHERE " + hour_rows);
  };
  Status status = copy_and_delete();
  std::unique_lock lock(naming_);
  if (status.ok()) status = connection.Execute("COMMIT");
  if (!status.ok()) {
    connection.Rollback();
    // A COMMIT that failed may yet have reached the disk: then Recover needs the file.
    if (connection.Alive()) fs::remove(temporary, error);
    return status;
  }
  return Rename(temporary, file);
}

Status ColdStorage::Retain(Connection& connection, Nanos now) {
  const Nanos this_hour = FloorHour(now);
  const Nanos oldest_kept = std::min(this_hour, now - options_.retention_age);
  TG_RETURN_IF_ERROR(RemoveFiles(connection, "hour < " + At(oldest_kept - kHour + 1)));
  for (const SignalTable& table : SignalTables()) {
    TG_RETURN_IF_ERROR(connection.Execute(std::string("DELETE FROM ") + table.name + " WHERE " +
                                          table.time + " < " + At(oldest_kept)));
  }
  const std::string old = At(oldest_kept);
  TG_RETURN_IF_ERROR(connection.Execute("DELETE FROM events WHERE time < " + old));
  TG_RETURN_IF_ERROR(connection.Execute("DELETE FROM estimates WHERE start_time < " + old));
  TG_RETURN_IF_ERROR(connection.Execute("DELETE FROM incidents WHERE closed < " + old));

  for (bool removed = true; removed;) {
    Result<uint64_t> used = BytesUsed(connection);
    if (!used.ok()) return used.status();
    if (*used <= options_.retention_bytes) return Status::Ok();
    TG_RETURN_IF_ERROR(RemoveOldestHour(connection, this_hour, &removed));
  }
  return Status::Ok();
}

Status ColdStorage::RemoveFiles(Connection& connection, const std::string& condition) {
  Result<std::vector<std::string>> paths =
      Texts(connection, "SELECT path FROM cold_files WHERE " + condition);
  if (!paths.ok()) return paths.status();
  if (paths->empty()) return Status::Ok();
  // The files first: on a full disk this makes the room that the deletion of the records needs.
  // Readers pass over a record without its file.
  for (const std::string& path : *paths) {
    std::error_code error;
    fs::remove(options_.directory + "/" + path, error);
  }
  return connection.Execute("DELETE FROM cold_files WHERE " + condition);
}

Status ColdStorage::RemoveOldestHour(Connection& connection, Nanos before, bool* removed) {
  Result<Nanos> oldest = OldestStored(connection);
  if (!oldest.ok()) return oldest.status();
  *removed = *oldest < before;
  if (!*removed) return Status::Ok();
  const Nanos hour = FloorHour(std::max<Nanos>(*oldest, 0));
  const std::string end = At(hour + kHour);
  TG_RETURN_IF_ERROR(RemoveFiles(connection, "hour < " + end));
  for (const SignalTable& table : SignalTables()) {
    TG_RETURN_IF_ERROR(connection.Execute(std::string("DELETE FROM ") + table.name + " WHERE " +
                                          table.time + " < " + end));
  }
  return Status::Ok();
}

Result<uint64_t> ColdStorage::BytesUsed(Connection& connection) const {
  Result<int64_t> blocks = SingleNumber(
      connection, "SELECT CAST(used_blocks * block_size AS BIGINT) FROM pragma_database_size()", 0);
  if (!blocks.ok()) return blocks.status();
  // Deleted rows keep their blocks until their whole row group is gone. Counted as used, they would
  // have hour after hour deleted for nothing.
  int64_t live = 0, kept = 0;
  for (const SignalTable& table : SignalTables()) {
    Result<int64_t> rows =
        SingleNumber(connection, std::string("SELECT count(*) FROM ") + table.name, 0);
    if (!rows.ok()) return rows.status();
    Result<int64_t> in_blocks = SingleNumber(
        connection,
        std::string("SELECT CAST(sum(count) AS BIGINT) FROM pragma_storage_info('") + table.name +
            "') WHERE column_name = '" + table.time + "' AND segment_type <> 'VALIDITY'",
        0);
    if (!in_blocks.ok()) return in_blocks.status();
    live += *rows;
    kept += std::max(*rows, *in_blocks);
  }
  const double share = kept == 0 ? 1 : static_cast<double>(live) / static_cast<double>(kept);
  std::error_code error;
  const auto log = fs::file_size(options_.directory + "/tomograph.duckdb.wal", error);
  return static_cast<uint64_t>(static_cast<double>(*blocks) * share) + (error ? 0 : log) +
         BytesOnDisk();
}

uint64_t ColdStorage::BytesOnDisk() const {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(options_.directory + "/cold", error)) {
    if (const auto size = entry.file_size(error); !error) bytes += size;
  }
  return bytes;
}

Result<Nanos> OldestStored(Connection& connection) {
  std::string sql = "SELECT epoch_ns(min(hour)) AS t FROM cold_files";
  for (const SignalTable& table : SignalTables()) {
    sql += std::string(" UNION ALL SELECT epoch_ns(min(") + table.time + ")) FROM " + table.name;
  }
  return SingleNumber(connection, "SELECT min(t) FROM (" + sql + ")", INT64_MAX);
}

}  // namespace tomograph::store
