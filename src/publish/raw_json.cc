#include "publish/raw_json.h"

#include <algorithm>

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

/// What the clock of the record's host is known to have been off by: a correction that came with
/// the record, else what the Picture knows of that host.
void AddClock(Nanos raw, Nanos corrected, Nanos bound, telemetry::ResourceId resource,
              std::string_view name, const Identities& ids, const Clocks& clocks, Json* out) {
  bool is_corrected = corrected != raw;
  if (!is_corrected && bound == telemetry::kUnknownBound) {
    const telemetry::EntityId host =
        telemetry::ClockHostId(telemetry::ClockHostOf(ids.resources.Get(resource), ids.strings));
    const auto clock =
        std::find_if(clocks.begin(), clocks.end(), [&](const auto& c) { return c.id == host; });
    if (clock != clocks.end()) {
      const telemetry::ClockCorrection c = telemetry::CorrectionAt(clock->segments, raw);
      is_corrected = c.corrected;
      corrected = raw - c.offset;
      bound = c.bound;
    }
  }
  (*out)["times"] = is_corrected ? "corrected" : "raw";
  if (is_corrected) (*out)[std::string(name)] = FormatTime(corrected);
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

Json SpanJson(const Batch& batch, size_t row, const Identities& ids, const Clocks& clocks) {
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
           At(s.clock_bound_ns, row, telemetry::kUnknownBound), s.resource[row], "corrected_start",
           ids, clocks, &out);
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

Json LogJson(const Batch& batch, size_t row, const Identities& ids, const Clocks& clocks) {
  const auto& l = batch.logs;
  Json out = {{"time", FormatTime(l.time_ns[row])},
              {"severity", static_cast<int>(l.severity[row])},
              {"body", l.body(row)}};
  AddClock(l.time_ns[row], At(l.corrected_ns, row, l.time_ns[row]),
           At(l.clock_bound_ns, row, telemetry::kUnknownBound), l.resource[row], "corrected_time",
           ids, clocks, &out);
  if (!l.trace_id[row].empty()) {
    out["trace_id"] = ToHex(l.trace_id[row]);
    out["evidence"] = "trace:" + ToHex(l.trace_id[row]);
  }
  out["attributes"] = AttributesJson(l.attributes, row, ids);
  out["resource"] = ResourceJson(l.resource[row], ids);
  return out;
}

Json EventJson(const Batch& batch, size_t row, const Identities& ids, const Clocks&) {
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
