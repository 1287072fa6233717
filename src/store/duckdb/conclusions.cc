#include "store/duckdb/conclusions.h"

#include <algorithm>

#include "store/duckdb/chunk_appender.h"
#include "store/duckdb/incident_json.h"

namespace tomograph::store {
namespace {

using telemetry::EntityId;
using telemetry::Estimate;

uint64_t Number(EntityId id) { return static_cast<uint64_t>(id); }

void Fill(const Estimate& e, size_t i, ChunkAppender* out) {
  out->SetText(0, i, e.state);
  out->Set<uint64_t>(1, i, Number(e.entity));
  out->SetOrNull<uint64_t>(2, i, Number(e.caller), 0);
  out->Set<int64_t>(3, i, e.start);
  out->Set<int64_t>(4, i, e.length);
  out->Set<double>(5, i, e.value);
  out->Set<double>(6, i, e.i50.lower);
  out->Set<double>(7, i, e.i50.upper);
  out->Set<double>(8, i, e.i90.lower);
  out->Set<double>(9, i, e.i90.upper);
  out->Set<double>(10, i, e.confidence);
  out->Set<uint8_t>(11, i, static_cast<uint8_t>(e.basis));
  out->SetText(12, i, e.unit);
  out->SetText(13, i, e.method);
  out->SetText(14, i, e.note);
  out->SetTextList(15, i, e.evidence);
  out->SetText(16, i, e.detail);
}

Estimate Read(const Rows& rows, size_t i) {
  Estimate e;
  e.state = rows.Text(0, i);
  e.entity = EntityId{rows.Get<uint64_t>(1, i)};
  e.caller = EntityId{rows.Get<uint64_t>(2, i)};
  e.start = rows.Get<int64_t>(3, i);
  e.length = rows.Get<int64_t>(4, i);
  e.value = rows.Get<double>(5, i);
  e.i50 = {rows.Get<double>(6, i), rows.Get<double>(7, i)};
  e.i90 = {rows.Get<double>(8, i), rows.Get<double>(9, i)};
  e.confidence = rows.Get<double>(10, i);
  e.basis = static_cast<telemetry::Basis>(rows.Get<uint8_t>(11, i));
  e.unit = rows.Text(12, i);
  e.method = rows.Text(13, i);
  e.note = rows.Text(14, i);
  e.evidence = rows.TextList(15, i);
  e.detail = rows.Text(16, i);
  return e;
}

}  // namespace

Status InsertEstimates(Connection& connection, const std::vector<Estimate>& estimates,
                       Dictionaries* dictionaries) {
  Result<std::unique_ptr<ChunkAppender>> appender = ChunkAppender::Open(connection, "estimates");
  if (!appender.ok()) return appender.status();
  for (size_t from = 0; from < estimates.size(); from += ChunkAppender::capacity()) {
    const size_t count = std::min<size_t>(ChunkAppender::capacity(), estimates.size() - from);
    for (size_t i = 0; i < count; ++i) {
      dictionaries->NameOf(estimates[from + i].entity);
      dictionaries->NameOf(estimates[from + i].caller);
      Fill(estimates[from + i], i, appender->get());
    }
    TG_RETURN_IF_ERROR((*appender)->Append(count));
  }
  TG_RETURN_IF_ERROR((*appender)->Flush());
  return dictionaries->Flush(connection);
}

Result<std::vector<Estimate>> ReadEstimates(Connection& connection, TimeRange range,
                                            const std::string& state) {
  Result<Rows> rows = connection.Query(
      "SELECT state, entity_id, caller_id, start_time, length_ns, value, lower_50, upper_50, "
      "lower_90, upper_90, confidence, enum_code(basis), unit, method, note, evidence, "
      "coalesce(detail, '') AS detail "
      "FROM estimates WHERE epoch_ns(start_time) >= ? AND epoch_ns(start_time) < ? "
      "AND (? = '' OR state = ?) QUALIFY row_number() OVER "
      "(PARTITION BY state, entity_id, caller_id, coalesce(detail, ''), start_time "
      "ORDER BY rowid DESC) = 1 "
      "ORDER BY start_time, state, entity_id, caller_id NULLS FIRST, coalesce(detail, '')",
      {range.from, range.to, state, state});
  if (!rows.ok()) return rows.status();
  std::vector<Estimate> estimates;
  for (;;) {
    Result<size_t> n = rows->NextChunk();
    if (!n.ok()) return n.status();
    if (*n == 0) return estimates;
    for (size_t i = 0; i < *n; ++i) estimates.push_back(Read(*rows, i));
  }
}

Status UpsertIncident(Connection& connection, const telemetry::Incident& incident,
                      Dictionaries* dictionaries) {
  for (EntityId member : incident.members) dictionaries->NameOf(member);
  dictionaries->NameOf(incident.diagnosis.alert.entity);
  for (const telemetry::Hypothesis& h : incident.diagnosis.hypotheses)
    dictionaries->NameOf(h.entity);
  TG_RETURN_IF_ERROR(connection.Execute(
      "INSERT OR REPLACE INTO incidents "
      "VALUES (?, make_timestamp_ns(?), make_timestamp_ns(nullif(?, 0)), ?)",
      {incident.id, incident.opened, incident.closed, IncidentToJson(incident)}));
  return dictionaries->Flush(connection);
}

Result<std::vector<telemetry::Incident>> ReadIncidents(Connection& connection, TimeRange range) {
  Result<Rows> rows = connection.Query(
      "SELECT document FROM incidents WHERE epoch_ns(opened) < ? "
      "AND (closed IS NULL OR epoch_ns(closed) >= ?) ORDER BY opened, id",
      {range.to, range.from});
  if (!rows.ok()) return rows.status();
  std::vector<telemetry::Incident> incidents;
  for (;;) {
    Result<size_t> n = rows->NextChunk();
    if (!n.ok()) return n.status();
    if (*n == 0) return incidents;
    for (size_t i = 0; i < *n; ++i) {
      Result<telemetry::Incident> incident = IncidentFromJson(rows->Text(0, i));
      if (!incident.ok()) return incident.status();
      incidents.push_back(std::move(*incident));
    }
  }
}

}  // namespace tomograph::store
