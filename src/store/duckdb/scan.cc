#include "store/duckdb/scan.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <shared_mutex>

#include "store/duckdb/row_reader.h"
#include "store/duckdb/schema.h"

namespace tomograph::store {
namespace {

using telemetry::Batch;
using telemetry::Signal;

// TIMESTAMP_NS literals cannot be made beyond these; a bound out there bounds nothing.
constexpr Nanos kMinLiteral = -9'223'286'400'000'000'000;
constexpr Nanos kMaxLiteral = INT64_MAX - 1;

constexpr SignalTable kEvents = {Signal::kEvent, "events", "time", "source, id", ""};

std::vector<SignalTable> TablesOf(Signal signal) {
  if (signal == Signal::kEvent) return {kEvents};
  std::vector<SignalTable> tables;
  for (const SignalTable& table : SignalTables()) {
    if (table.signal == signal) tables.push_back(table);
  }
  return tables;
}

std::string TimeLiteral(Nanos t) { return "make_timestamp_ns(" + std::to_string(t) + ")"; }

std::string InRange(const char* column, TimeRange range) {
  std::string sql = "true";
  if (range.from > kMinLiteral)
    sql += std::string(" AND ") + column + " >= " + TimeLiteral(range.from);
  if (range.to <= kMaxLiteral) sql += std::string(" AND ") + column + " < " + TimeLiteral(range.to);
  return sql;
}

/// The hours with rows in the range, and the cold files of each.
using Files = std::map<std::string, std::vector<std::string>>;  // by table; paths in the store
using Hours = std::map<Nanos, Files>;

/// Of what is committed now; ends the snapshot before.
Status TakeSnapshot(const ScanContext& context) {
  context.rows.Rollback();
  // The first statement takes the snapshot; cold files named in it must be in their places.
  std::shared_lock naming(context.cold.naming());
  TG_RETURN_IF_ERROR(context.rows.Execute("BEGIN TRANSACTION READ ONLY"));
  return context.rows.Execute("SELECT count(*) FROM cold_files");
}

Status AddHotHours(Connection& connection, const SignalTable& table, TimeRange range,
                   Hours* hours) {
  Result<Rows> rows = connection.Query(std::string("SELECT DISTINCT epoch_ns(") + table.time +
                                       ") // " + std::to_string(kHour) + " FROM " + table.name +
                                       " WHERE " + InRange(table.time, range));
  if (!rows.ok()) return rows.status();
  for (;;) {
    Result<size_t> n = rows->NextChunk();
    if (!n.ok()) return n.status();
    if (*n == 0) return Status::Ok();
    // Integer division cuts towards zero: before 1970 that is the hour after.
    for (size_t i = 0; i < *n; ++i) {
      const Nanos hour = rows->Get<int64_t>(0, i) * kHour;
      (*hours)[hour];
      if (hour <= 0) (*hours)[std::max(hour, INT64_MIN + kHour) - kHour];
    }
  }
}

Status AddColdHours(const ScanContext& context, const SignalTable& table, TimeRange range,
                    Hours* hours) {
  Result<Rows> rows = context.rows.Query(
      "SELECT epoch_ns(hour), path FROM cold_files WHERE signal = ? ORDER BY path",
      {std::string(table.name)});
  if (!rows.ok()) return rows.status();
  for (;;) {
    Result<size_t> n = rows->NextChunk();
    if (!n.ok()) return n.status();
    if (*n == 0) return Status::Ok();
    for (size_t i = 0; i < *n; ++i) {
      const Nanos hour = rows->Get<int64_t>(0, i);
      if (hour >= range.to || hour + kHour <= range.from) continue;
      const std::string path(rows->Text(1, i));
      if (context.cold.unreadable().Has(path)) continue;
      (*hours)[hour][table.name].push_back(path);
    }
  }
}

class Scan {
 public:
  Scan(const ScanContext& context, Signal signal, const ScanFilter& filter,
       const std::function<bool(const Batch&)>& visit)
      : context_(context),
        tables_(TablesOf(signal)),
        filter_(filter),
        visit_(visit),
        left_(filter.limit) {}

  Status Run(RowReader& reader);

 private:
  Status FindHours(Hours* hours);
  /// `rows_read` tells whether it failed before or after rows had come.
  Status ScanHour(RowReader& reader, Nanos hour, const Files& files, size_t* rows_read);
  /// Was it one of the files that failed? Reads them as a whole, and notes those that cannot be.
  bool AnyUnreadable(const Files& files);
  /// One query. `rows_read` counts what came back, repeats included.
  Status ReadSome(RowReader& reader, const std::string& sql, size_t* rows_read);
  std::string From(const Files& files) const;
  std::string OfSeries(std::string conditions) const;
  std::string Where(TimeRange range) const;

  const ScanContext& context_;
  const std::vector<SignalTable> tables_;
  const ScanFilter& filter_;
  const std::function<bool(const Batch&)>& visit_;
  size_t left_;
  bool stopped_ = false;
};

std::string Scan::From(const Files& files) const {
  std::string sql;
  for (const SignalTable& table : tables_) {
    if (!sql.empty()) sql += " UNION ALL BY NAME ";
    sql += std::string("SELECT * FROM ") + table.name;
    const auto cold = files.find(table.name);
    if (cold == files.end()) continue;
    std::string list;
    for (const std::string& name : cold->second) {
      const std::string path = context_.directory + "/" + name;
      // A file that retention removed after the snapshot was taken is gone for this reader too.
      if (std::error_code error; !std::filesystem::exists(path, error)) continue;
      list += (list.empty() ? "" : ", ") + Quoted(path);
    }
    if (list.empty()) continue;
    // Files of an older schema lack its newer columns: by name, NULL stands for them.
    sql += " UNION ALL BY NAME SELECT * FROM read_parquet([" + list + "], union_by_name = true)";
  }
  return sql;
}

/// Samples know their series alone, which knows the rest.
std::string Scan::OfSeries(std::string conditions) const {
  if (!filter_.metric.empty()) conditions += " AND metric = " + Quoted(filter_.metric);
  if (filter_.entity != telemetry::kNoEntity)
    conditions += " AND entity_id = " + std::to_string(static_cast<uint64_t>(filter_.entity));
  if (conditions.empty()) return conditions;
  return " AND series IN (SELECT id FROM series WHERE true" + conditions + ")";
}

std::string Scan::Where(TimeRange range) const {
  std::string sql = InRange(tables_[0].time, range);
  if (filter_.received_before <= kMaxLiteral && tables_[0].signal != Signal::kEvent) {
    // Rows of an older schema do not say: they are from before this run in any case.
    sql += " AND (received_time IS NULL OR received_time < " +
           TimeLiteral(filter_.received_before) + ")";
  }
  const std::string of_service =
      filter_.service.empty() ? "" : " AND service = " + Quoted(filter_.service);
  sql += tables_[0].signal == Signal::kSample ? OfSeries(of_service) : of_service;
  if (!filter_.trace_id.empty()) {
    sql += " AND trace_id = " + Quoted(telemetry::ToHex(filter_.trace_id)) + "::UUID";
  }
  return sql;
}

Status Scan::ReadSome(RowReader& reader, const std::string& sql, size_t* rows_read) {
  Result<Rows> rows = context_.rows.Query(sql);
  if (!rows.ok()) return rows.status();
  while (left_ > 0 && !stopped_) {
    Result<size_t> n = rows->NextChunk();
    if (!n.ok()) return n.status();
    if (*n == 0) break;
    *rows_read += *n;
    Batch batch;
    for (size_t i = 0; i < *n && left_ > 0; ++i) {
      Result<bool> added = reader.Add(*rows, i, &batch);
      if (!added.ok()) return added.status();
      if (*added) --left_;
    }
    if (batch.rows() > 0) stopped_ = !visit_(batch);
  }
  return Status::Ok();
}

Status Scan::ScanHour(RowReader& reader, Nanos hour, const Files& files, size_t* rows_read) {
  TimeRange range;
  range.from = std::max(filter_.range.from, hour);
  range.to = hour > INT64_MAX - kHour ? filter_.range.to : std::min(filter_.range.to, hour + kHour);
  const std::string key = tables_[0].key;
  const std::string sql = std::string("SELECT ") + reader.columns() + " FROM (" + From(files) +
                          ") WHERE " + Where(range) + " ORDER BY " + tables_[0].time +
                          (key.empty() ? "" : ", " + key);
  // Repeats do not count against the limit, so a limited query may have to be continued.
  for (size_t offset = 0; left_ > 0 && !stopped_;) {
    const size_t limit = left_;
    std::string limited = sql;
    if (filter_.limit != SIZE_MAX) {
      limited += " LIMIT " + std::to_string(limit) + " OFFSET " + std::to_string(offset);
    }
    TG_RETURN_IF_ERROR(ReadSome(reader, limited, rows_read));
    if (*rows_read - offset < limit) break;
    offset = *rows_read;
  }
  return Status::Ok();
}

bool Scan::AnyUnreadable(const Files& files) {
  bool found = false;
  for (const auto& [table, paths] : files) {
    for (const std::string& path : paths) {
      const auto read = [&]() -> Status {
        Result<Rows> rows = context_.lookups.Query("SELECT * FROM read_parquet(" +
                                                   Quoted(context_.directory + "/" + path) + ")");
        if (!rows.ok()) return rows.status();
        for (;;) {
          const Result<size_t> n = rows->NextChunk();
          if (!n.ok()) return n.status();
          if (*n == 0) return Status::Ok();
        }
      };
      const Status status = read();
      // Lack of memory or disk is not the file's fault.
      if (status.ok() || status.retryable() || status.code() == StatusCode::kResourceExhausted)
        continue;
      context_.cold.unreadable().Add(path, status.message());
      found = true;
    }
  }
  return found;
}

Status Scan::FindHours(Hours* hours) {
  TG_RETURN_IF_ERROR(TakeSnapshot(context_));
  hours->clear();
  for (const SignalTable& table : tables_) {
    TG_RETURN_IF_ERROR(AddHotHours(context_.rows, table, filter_.range, hours));
    TG_RETURN_IF_ERROR(AddColdHours(context_, table, filter_.range, hours));
  }
  return Status::Ok();
}

Status Scan::Run(RowReader& reader) {
  Hours hours;
  TG_RETURN_IF_ERROR(FindHours(&hours));
  for (auto at = hours.begin(); at != hours.end() && left_ > 0 && !stopped_;) {
    const Nanos hour = at->first;
    size_t rows_read = 0;
    const Status status = ScanHour(reader, hour, at->second, &rows_read);
    if (status.ok()) {
      ++at;
      continue;
    }
    // The order by time is made before the first row comes, so a file fails before that.
    if (rows_read > 0 || !AnyUnreadable(at->second)) return status;
    // DuckDB gives up on the transaction: once more without the file, from a new snapshot.
    TG_RETURN_IF_ERROR(FindHours(&hours));
    at = hours.lower_bound(hour);
  }
  return Status::Ok();
}

}  // namespace

Status ScanSignal(ScanContext context, Signal signal, const ScanFilter& filter,
                  const std::function<bool(const Batch&)>& visit) {
  Result<std::unique_ptr<RowReader>> reader = MakeRowReader(signal, context);
  if (!reader.ok()) return reader.status();
  const bool has_trace = signal == Signal::kSpan || signal == Signal::kLog;
  if (!filter.trace_id.empty() && !has_trace) return Status::Ok();
  return Scan(context, signal, filter, visit).Run(**reader);
}

}  // namespace tomograph::store
