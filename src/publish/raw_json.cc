#include "publish/raw_json.h"

namespace tomograph::publish {
namespace {

using telemetry::Batch;
using telemetry::Identities;
using telemetry::StringId;

constexpr std::string_view kKinds[] = {"unspecified", "internal", "server",
                                       "client",      "producer", "consumer"};
constexpr std::string_view kStatuses[] = {"unset", "ok", "error"};

/// Columns that normalize/ fills are empty in a batch that it has not seen.
template <typename T>
T At(const std::vector<T>& column, size_t row, T otherwise) {
  return row < column.size() ? column[row] : otherwise;
}

Json AttributesJson(const telemetry::AttributeTable& table, size_t row, const Identities& ids) {
  if (row >= table.rows()) return Json::object();
  std::string text;
  table.AppendJson(row, ids.strings, &text);
  Json parsed = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return parsed.is_discarded() ? Json::object() : parsed;
}

Json ResourceJson(telemetry::ResourceId id, const Identities& ids) {
  Json out = Json::object();
  for (const auto& [key, value] : ids.resources.Get(id).attributes) {
    out[std::string(ids.strings.Get(key))] = ids.strings.Get(value);
  }
  return out;
}

Json EntityName(telemetry::EntityId id, const Identities& ids) {
  if (id == telemetry::kNoEntity) return nullptr;
  return ids.entities.Name(id);
}

void AddClock(Nanos raw, Nanos corrected, Nanos bound, Json* out) {
  if (corrected != raw) (*out)["corrected_start"] = FormatTime(corrected);
  (*out)["clock_bound_ms"] =
      bound == telemetry::kUnknownBound ? Json(nullptr) : Number(ToMillis(bound));
}

Json SpanEventsJson(const Batch& batch, size_t row, const Identities& ids) {
  const auto& events = batch.spans.events;
  Json out = Json::array();
  for (size_t i = 0; i < events.span.size(); ++i) {
    if (events.span[i] != row) continue;
    out.push_back({{"time", FormatTime(events.time_ns[i])},
                   {"name", ids.strings.Get(events.name[i])},
                   {"attributes", AttributesJson(events.attributes, i, ids)}});
  }
  return out;
}

}  // namespace

Json SpanJson(const Batch& batch, size_t row, const Identities& ids) {
  const auto& s = batch.spans;
  const auto text = [&](StringId id) { return ids.strings.Get(id); };
  Json out = {{"trace_id", ToHex(s.trace_id[row])},
              {"span_id", telemetry::SpanIdToHex(s.span_id[row])}};
  out["parent_span_id"] = s.parent_span_id[row] == 0
                              ? Json(nullptr)
                              : Json(telemetry::SpanIdToHex(s.parent_span_id[row]));
  out["name"] = text(s.name[row]);
  out["service"] = EntityName(At(s.service, row, telemetry::kNoEntity), ids);
  out["peer"] = EntityName(At(s.peer, row, telemetry::kNoEntity), ids);
  out["kind"] = kKinds[static_cast<size_t>(s.kind[row])];
  out["status"] = kStatuses[static_cast<size_t>(s.status[row])];
  out["failed"] = At(s.failed, row, uint8_t{0}) != 0;
  out["start"] = FormatTime(s.start_ns[row]);
  out["duration_ms"] = Number(ToMillis(s.end_ns[row] - s.start_ns[row]));
  AddClock(s.start_ns[row], At(s.corrected_start_ns, row, s.start_ns[row]),
           At(s.clock_bound_ns, row, telemetry::kUnknownBound), &out);
  if (At(s.weight_known, row, uint8_t{0}) != 0) {
    out["stands_for"] = Number(At(s.weight, row, 1.0f));
  }
  out["attributes"] = AttributesJson(s.attributes, row, ids);
  if (Json events = SpanEventsJson(batch, row, ids); !events.empty()) {
    out["events"] = std::move(events);
  }
  out["resource"] = ResourceJson(s.resource[row], ids);
  return out;
}

Json LogJson(const Batch& batch, size_t row, const Identities& ids) {
  const auto& l = batch.logs;
  Json out = {{"time", FormatTime(l.time_ns[row])},
              {"severity", static_cast<int>(l.severity[row])},
              {"body", l.body(row)}};
  if (!l.trace_id[row].empty()) {
    out["trace_id"] = ToHex(l.trace_id[row]);
    out["evidence"] = "trace:" + ToHex(l.trace_id[row]);
  }
  out["attributes"] = AttributesJson(l.attributes, row, ids);
  out["resource"] = ResourceJson(l.resource[row], ids);
  return out;
}

Json EventJson(const Batch& batch, size_t row, const Identities& ids) {
  const auto& e = batch.events;
  return {{"time", FormatTime(e.time_ns[row])},
          {"kind", telemetry::ChangeKindName(e.kind[row])},
          {"id", ids.strings.Get(e.id[row])},
          {"source", ids.strings.Get(e.source[row])},
          {"service", ids.strings.Get(e.service[row])},
          {"environment", ids.strings.Get(e.environment[row])},
          {"version", ids.strings.Get(e.version[row])},
          {"attributes", AttributesJson(e.attributes, row, ids)}};
}

}  // namespace tomograph::publish
