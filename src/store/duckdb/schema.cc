#include "store/duckdb/schema.h"

#include <string>

namespace tomograph::store {
namespace {

// Compressing the attributes of spans (FSST) costs a fifth of all time spent on storing a span, for
// rows that stay here for hours only: they are compressed when they move to Parquet.
//
// The labels of each ENUM are in the order of the C++ enum that it stores.
constexpr const char* kVersion1 = R"sql(
CREATE TYPE span_kind AS ENUM ('unspecified', 'internal', 'server', 'client', 'producer', 'consumer');
CREATE TYPE span_status AS ENUM ('unset', 'ok', 'error');
CREATE TYPE change_kind AS ENUM
  ('deploy', 'rollback', 'remove', 'config', 'flag', 'pipeline', 'scale', 'other');
CREATE TYPE entity_kind AS ENUM
  ('service', 'instance', 'host', 'pod', 'node', 'function', 'database', 'cache', 'queue', 'link',
   'region', 'third_party', 'tenant', 'client');
CREATE TYPE metric_kind AS ENUM
  ('unknown', 'gauge', 'counter', 'up_down_counter', 'histogram', 'summary');
CREATE TYPE temporality AS ENUM ('unspecified', 'delta', 'cumulative');
CREATE TYPE statistic AS ENUM ('value', 'mean', 'sum', 'p50', 'p90', 'p95', 'p99', 'max');
CREATE TYPE basis AS ENUM ('observed', 'inferred', 'missing');

CREATE TABLE entities (
  id UBIGINT, kind entity_kind, name VARCHAR, namespace VARCHAR, parent_id UBIGINT);
CREATE TABLE resources (
  id UINTEGER, fingerprint UUID, service VARCHAR, namespace VARCHAR, instance VARCHAR, version VARCHAR,
  environment VARCHAR, host VARCHAR, service_id UBIGINT, instance_id UBIGINT, attributes VARCHAR);
CREATE TABLE series (
  id UINTEGER, fingerprint UUID, resource UINTEGER, service VARCHAR, metric VARCHAR, unit VARCHAR,
  kind metric_kind, temporality temporality, labels VARCHAR, quantity VARCHAR, statistic statistic,
  entity_id UBIGINT, peer_id UBIGINT, scale DOUBLE);

CREATE TABLE spans (
  trace_id UUID, span_id UBIGINT, parent_span_id UBIGINT, start_time TIMESTAMP_NS,
  end_time TIMESTAMP_NS, corrected_start TIMESTAMP_NS, clock_bound_ns BIGINT, service VARCHAR,
  name VARCHAR, operation VARCHAR, kind span_kind, status span_status, failed BOOLEAN, weight FLOAT,
  weight_known BOOLEAN, service_id UBIGINT, peer_id UBIGINT, resource UINTEGER, trace_state VARCHAR,
  attributes VARCHAR USING COMPRESSION uncompressed, events VARCHAR, links VARCHAR);
CREATE TABLE samples (
  time TIMESTAMP_NS, start_time TIMESTAMP_NS, series UINTEGER, value DOUBLE);
CREATE TABLE histograms (
  time TIMESTAMP_NS, start_time TIMESTAMP_NS, series UINTEGER, count UBIGINT, sum DOUBLE, min DOUBLE,
  max DOUBLE, upper_bounds DOUBLE[], bucket_counts UBIGINT[]);
CREATE TABLE logs (
  time TIMESTAMP_NS, observed_time TIMESTAMP_NS, corrected_time TIMESTAMP_NS, clock_bound_ns BIGINT,
  severity UTINYINT, service VARCHAR, resource UINTEGER, trace_id UUID, span_id UBIGINT,
  event_name VARCHAR, body VARCHAR, attributes VARCHAR);
CREATE TABLE flows (
  start_time TIMESTAMP_NS, end_time TIMESTAMP_NS, service VARCHAR, resource UINTEGER,
  source_address VARCHAR, source_port USMALLINT, destination_address VARCHAR,
  destination_port USMALLINT, protocol UTINYINT, bytes UBIGINT, packets UBIGINT, weight FLOAT);
CREATE TABLE events (
  time TIMESTAMP_NS, kind change_kind, id VARCHAR, source VARCHAR, service VARCHAR,
  environment VARCHAR, version VARCHAR, entity_id UBIGINT, attributes VARCHAR, UNIQUE (source, id));

CREATE TABLE estimates (
  state VARCHAR, entity_id UBIGINT, caller_id UBIGINT, start_time TIMESTAMP_NS, length_ns BIGINT,
  value DOUBLE, lower_50 DOUBLE, upper_50 DOUBLE, lower_90 DOUBLE, upper_90 DOUBLE, confidence DOUBLE,
  basis basis, unit VARCHAR, method VARCHAR, note VARCHAR, evidence VARCHAR[]);
CREATE TABLE incidents (
  id VARCHAR PRIMARY KEY, opened TIMESTAMP_NS, closed TIMESTAMP_NS, document VARCHAR);
CREATE TABLE cold_files (signal VARCHAR, hour TIMESTAMP_NS, path VARCHAR, row_count UBIGINT);
)sql";

// When the engine took a record in: how late telemetry comes, and which of two deliveries was
// first.
constexpr const char* kVersion2 = R"sql(
ALTER TABLE spans ADD COLUMN received_time TIMESTAMP_NS;
ALTER TABLE samples ADD COLUMN received_time TIMESTAMP_NS;
ALTER TABLE histograms ADD COLUMN received_time TIMESTAMP_NS;
ALTER TABLE logs ADD COLUMN received_time TIMESTAMP_NS;
ALTER TABLE flows ADD COLUMN received_time TIMESTAMP_NS;
)sql";

// Several estimates of one state and entity: which step of which operation it speaks of.
constexpr const char* kVersion3 = R"sql(
ALTER TABLE estimates ADD COLUMN detail VARCHAR;
)sql";

constexpr const char* kMigrations[] = {kVersion1, kVersion2, kVersion3};

constexpr SignalTable kTables[] = {
    {telemetry::Signal::kSpan, "spans", "corrected_start", "trace_id, span_id",
     "t.*, e.name AS peer, r.attributes AS resource_attributes FROM spans t "
     "LEFT JOIN entities e ON e.id = t.peer_id LEFT JOIN resources r ON r.id = t.resource"},
    {telemetry::Signal::kSample, "samples", "time", "series",
     "t.*, s.service, s.metric, s.unit, s.labels FROM samples t "
     "LEFT JOIN series s ON s.id = t.series"},
    {telemetry::Signal::kSample, "histograms", "time", "series",
     "t.*, s.service, s.metric, s.unit, s.labels FROM histograms t "
     "LEFT JOIN series s ON s.id = t.series"},
    {telemetry::Signal::kLog, "logs", "corrected_time", "",
     "t.*, r.attributes AS resource_attributes FROM logs t "
     "LEFT JOIN resources r ON r.id = t.resource"},
    {telemetry::Signal::kFlow, "flows", "start_time", "",
     "t.*, r.attributes AS resource_attributes FROM flows t "
     "LEFT JOIN resources r ON r.id = t.resource"},
};

Result<int> StoredVersion(Connection& connection) {
  TG_RETURN_IF_ERROR(
      connection.Execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER)"));
  Result<Rows> rows = connection.Query("SELECT max(version) FROM schema_version");
  if (!rows.ok()) return rows.status();
  Result<bool> found = rows->NextSingle();
  if (!found.ok()) return found.status();
  return rows->Get<int32_t>(0, 0);
}

Status ApplyStep(Connection& connection, const std::string& sql, int version) {
  return InTransaction(connection, [&] {
    size_t from = 0;
    for (size_t end; (end = sql.find(';', from)) != std::string::npos; from = end + 1) {
      TG_RETURN_IF_ERROR(connection.Execute(sql.substr(from, end - from)));
    }
    return connection.Execute("INSERT INTO schema_version VALUES (" + std::to_string(version) +
                              ")");
  });
}

}  // namespace

int LatestSchemaVersion() { return static_cast<int>(std::size(kMigrations)); }

Status Migrate(Connection& connection, int target) {
  Result<int> stored = StoredVersion(connection);
  if (!stored.ok()) return stored.status();
  if (*stored > LatestSchemaVersion()) {
    return Status::Corrupt("the store's schema is of version " + std::to_string(*stored) +
                           ", newer than this program's " + std::to_string(LatestSchemaVersion()));
  }
  for (int version = *stored + 1; version <= target; ++version) {
    TG_RETURN_IF_ERROR(ApplyStep(connection, kMigrations[version - 1], version));
  }
  return Status::Ok();
}

std::span<const SignalTable> SignalTables() { return kTables; }

}  // namespace tomograph::store
