#include "publish/evidence.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "publish/example_traces.h"
#include "publish/raw_json.h"
#include "telemetry/quantity.h"

namespace tomograph::publish {
namespace {

using telemetry::Batch;
using telemetry::EntityId;
using telemetry::Picture;
using telemetry::Signal;

struct Context {
  std::string_view id;
  const Picture& picture;
  const EntityNames names;
  store::Store* store;
  const telemetry::Identities* identities;
};

Status Malformed(std::string_view id, std::string_view form) {
  return Status::InvalidArgument("'" + std::string(id) + "' is not of the form " +
                                 std::string(form));
}

Json Answer(const Context& c, std::string_view kind, std::string text) {
  return {{"id", c.id}, {"kind", kind}, {"text", std::move(text)}};
}

/// Cuts the last ':'-separated word off `text`.
std::string_view TakeLast(std::string_view* text) {
  const size_t colon = text->rfind(':');
  if (colon == std::string_view::npos) return {};
  const std::string_view word = text->substr(colon + 1);
  *text = text->substr(0, colon);
  return word;
}

bool ParseNanos(std::string_view text, Nanos* t) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *t);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

void AddWhatIsUnreadable(const Context& c, Json* out) {
  if (std::string why = WhatIsUnreadable(c.store); !why.empty()) (*out)["missing"] = std::move(why);
}

Status NothingKept(const Context& c, const std::string& what) {
  const std::string why = WhatIsUnreadable(c.store);
  return Status::NotFound(why.empty() ? what : what + ". Or it is in what is lost: " + why);
}

using RowJson = Json (*)(const Batch&, size_t, const telemetry::Identities&, const Clocks&);
using RowPicked = std::function<bool(const Batch&, size_t)>;

/// Raw records of the store, at most kMaxEvidenceRecords; sets `*cut` when there are more.
Result<Json> Records(const Context& c, Signal signal, store::ScanFilter filter,
                     const RowPicked& picked, RowJson to_json, bool* cut) {
  if (c.store == nullptr || c.identities == nullptr) {
    return Status::NotFound(std::string(kNoStore));
  }
  Json out = Json::array();
  const Status status = c.store->Scan(signal, filter, [&](const Batch& batch) {
    const size_t rows = signal == Signal::kSpan  ? batch.spans.rows()
                        : signal == Signal::kLog ? batch.logs.rows()
                                                 : batch.events.rows();
    for (size_t row = 0; row < rows; ++row) {
      if (!picked(batch, row)) continue;
      if (out.size() == kMaxEvidenceRecords) {
        *cut = true;
        return false;
      }
      out.push_back(to_json(batch, row, *c.identities, c.picture.clocks));
    }
    return true;
  });
  if (!status.ok()) return status;
  return out;
}

Result<Json> Trace(const Context& c, std::string_view rest) {
  store::ScanFilter filter;
  if (!telemetry::ParseTraceId(rest, &filter.trace_id) || filter.trace_id.empty()) {
    return Malformed(c.id, "trace:<32 hex digits>");
  }
  const RowPicked picked = [&](const Batch& batch, size_t row) {
    return batch.spans.trace_id[row] == filter.trace_id;
  };
  bool cut = false;
  Result<Json> spans = Records(c, Signal::kSpan, filter, picked, SpanJson, &cut);
  if (!spans.ok()) return spans;
  if (spans->empty()) {
    return NothingKept(c, "no span of this trace is kept: it was never sent, or has expired");
  }
  Json out = Answer(c, "trace", "trace of " + std::to_string(spans->size()) + " raw spans");
  out["truncated"] = cut;
  out["spans"] = std::move(*spans);
  AddWhatIsUnreadable(c, &out);
  return out;
}

Result<Json> Logs(const Context& c, std::string_view rest) {
  store::ScanFilter filter;
  const std::string_view to = TakeLast(&rest), from = TakeLast(&rest);
  EntityId entity;
  if (!ParseNanos(to, &filter.range.to) || !ParseNanos(from, &filter.range.from) ||
      !ParseIdText(rest, &entity)) {
    return Malformed(c.id, "log:<entity>:<from ns>:<to ns>");
  }
  filter.service = c.names.Name(entity);
  bool cut = false;
  const RowPicked all = [](const Batch&, size_t) { return true; };
  Result<Json> logs = Records(c, Signal::kLog, filter, all, LogJson, &cut);
  if (!logs.ok()) return logs;
  if (logs->empty()) return NothingKept(c, "no log record of that time is kept");
  Json out = Answer(c, "log", "log records of " + filter.service);
  out["truncated"] = cut;
  out["logs"] = std::move(*logs);
  AddWhatIsUnreadable(c, &out);
  return out;
}

Result<Json> Event(const Context& c) {
  for (const auto& change : c.picture.changes) {
    Json json = ChangeJson(change);
    if (json["evidence"] != c.id) continue;
    Json out = Answer(c, "event", change.text.empty() ? change.kind : change.text);
    out["change"] = std::move(json);
    return out;
  }
  const RowPicked picked = [&](const Batch& batch, size_t row) {
    const auto text = [&](telemetry::StringId id) {
      return std::string(c.identities->strings.Get(id));
    };
    return "event:" + text(batch.events.source[row]) + ":" + text(batch.events.id[row]) == c.id;
  };
  bool cut = false;
  Result<Json> events = Records(c, Signal::kEvent, {}, picked, EventJson, &cut);
  if (!events.ok()) return events;
  if (events->empty()) return Status::NotFound("no such change is known");
  Json out = Answer(c, "event", "a change");
  out["change"] = std::move((*events)[0]);
  return out;
}

/// The index of the window that starts at `start`.
std::optional<size_t> WindowAt(const Picture& picture, Nanos start) {
  for (size_t i = 0; i < picture.window_starts.size(); ++i) {
    if (picture.window_starts[i] == start) return i;
  }
  return std::nullopt;
}

using IsWanted = std::function<bool(const telemetry::TimeLine&)>;

Json LinesWithin(const Context& c, EntityId entity, TimeRange range, const IsWanted& wanted) {
  Json lines = Json::array();
  for (const auto& line : c.picture.lines) {
    if (line.entity != entity || !wanted(line)) continue;
    telemetry::TimeLine part = line;
    part.values.clear();
    Json times = Json::array();
    for (size_t i = 0; i < line.values.size() && i < c.picture.window_starts.size(); ++i) {
      if (!range.Contains(c.picture.window_starts[i])) continue;
      part.values.push_back(line.values[i]);
      times.push_back(ToMillis(c.picture.window_starts[i]));
    }
    if (part.values.empty()) continue;
    Json json = LineJson(part, c.names);
    json["starts_ms"] = std::move(times);
    lines.push_back(std::move(json));
  }
  return lines;
}

Result<Json> Window(const Context& c, std::string_view rest) {
  const std::string_view start_text = TakeLast(&rest);
  EntityId entity;
  Nanos start = 0;
  if (!ParseNanos(start_text, &start) || !ParseIdText(rest, &entity)) {
    return Malformed(c.id, "window:<entity>:<start ns>");
  }
  if (!WindowAt(c.picture, start)) {
    return Status::NotFound("that window is older than the history that is kept in memory");
  }
  Json estimates = Json::array();
  for (const auto& e : c.picture.estimates) {
    if (e.entity == entity && e.start == start) estimates.push_back(EstimateJson(e, c.names));
  }
  Json out = Answer(c, "window", c.names.Name(entity) + " at " + FormatTime(start));
  out["lines"] =
      LinesWithin(c, entity, {start, start + 1}, [](const telemetry::TimeLine&) { return true; });
  out["estimates"] = std::move(estimates);
  if (out["lines"].empty() && out["estimates"].empty()) {
    return Status::NotFound("nothing was measured of this entity in that window");
  }
  return out;
}

bool IsQuantity(std::string_view name) {
  for (int q = 0; q < telemetry::kQuantityCount; ++q) {
    if (telemetry::QuantityName(static_cast<telemetry::Quantity>(q)) == name) return true;
  }
  return false;
}

/// "latency_p99" is a line of "latency".
bool IsOf(std::string_view line, std::string_view quantity) {
  return line == quantity || line.rfind(std::string(quantity) + "_", 0) == 0;
}

/// Does the line show the quantity, by its own name or by that of what it is made from?
bool Shows(const telemetry::TimeLine& line, std::string_view quantity) {
  constexpr std::string_view kClient = "client_";
  if (IsOf(line.name, quantity)) return true;
  if (quantity.rfind(kClient, 0) == 0)  // what callers see are the lines of the calls
    return line.caller != telemetry::kNoEntity && IsOf(line.name, quantity.substr(kClient.size()));
  if (quantity == "error_ratio") return line.name == "success_ratio";
  if (quantity == "memory_bytes") return line.name == "memory_utilization";
  if (quantity == "uptime") return line.name == "restarts" || line.name == "start_time";
  return false;
}

/// From when on the series that the id names was ill, where a hypothesis says so.
Nanos OnsetOf(const Context& c, TimeRange range) {
  const auto names_it = [&](const telemetry::Evidence& e) { return e.id == c.id; };
  for (const auto& incident : c.picture.incidents) {
    for (const auto& h : incident.diagnosis.hypotheses) {
      const bool cited =
          std::any_of(h.evidence_for.begin(), h.evidence_for.end(), names_it) ||
          std::any_of(h.evidence_against.begin(), h.evidence_against.end(), names_it);
      if (cited && range.Contains(h.onset)) return h.onset;
    }
  }
  return range.from;
}

/// Raw requests behind a series, or why there are none.
void AddExamples(const Context& c, EntityId entity, std::string_view quantity, TimeRange range,
                 Json* out) {
  (*out)["traces"] = Json::array();
  if (c.store == nullptr || c.identities == nullptr) {
    (*out)["missing"] = kNoStore;
    return;
  }
  Result<Json> traces = ExampleTraces(entity, quantity, {OnsetOf(c, range), range.to}, c.picture,
                                      c.store, *c.identities);
  if (!traces.ok()) {
    (*out)["missing"] = traces.status().message();
    return;
  }
  if (traces->size() < kMostExamples) AddWhatIsUnreadable(c, out);
  (*out)["traces"] = std::move(*traces);
}

Result<Json> Series(const Context& c, std::string_view rest) {
  const std::string_view to = TakeLast(&rest), from = TakeLast(&rest), quantity = TakeLast(&rest);
  TimeRange range;
  EntityId entity;
  if (!ParseNanos(to, &range.to) || !ParseNanos(from, &range.from) || !ParseIdText(rest, &entity) ||
      quantity.empty()) {
    return Malformed(c.id, "series:<entity>:<quantity>:<from ns>:<to ns>");
  }
  Json out = Answer(c, "series", std::string(quantity) + " of " + c.names.Name(entity));
  Json lines = LinesWithin(c, entity, range,
                           [&](const telemetry::TimeLine& line) { return Shows(line, quantity); });
  if (lines.empty() && !IsQuantity(quantity)) return Status::NotFound("there is no such quantity");
  if (lines.empty()) {
    // That something is not measured is evidence too: what is there instead shows it.
    lines = LinesWithin(c, entity, range, [](const telemetry::TimeLine&) { return true; });
    out["text"] = std::string(quantity) + " of " + c.names.Name(entity) +
                  " has no line of its own; these are what is measured of it";
  }
  out["lines"] = std::move(lines);
  AddExamples(c, entity, quantity, range, &out);
  if (out["lines"].empty() && out["traces"].empty()) {
    return Status::NotFound(
        "nothing of this entity is known in that time: it is older than the history that is kept "
        "in memory, or was never measured");
  }
  return out;
}

}  // namespace

std::string WhatIsUnreadable(const store::Store* store) {
  const size_t n = store == nullptr ? 0 : store->stats().unreadable_files.size();
  if (n == 0) return "";
  return std::to_string(n) + (n == 1 ? " file" : " files") +
         " of older records cannot be read; the log says which";
}

Result<Json> ResolveEvidence(std::string_view id, const Picture& picture, store::Store* store,
                             const telemetry::Identities* identities) {
  const Context c{id, picture, EntityNames(picture), store, identities};
  const size_t colon = id.find(':');
  const std::string_view kind = id.substr(0, colon);
  const std::string_view rest =
      colon == std::string_view::npos ? std::string_view() : id.substr(colon + 1);
  if (kind == "trace") return Trace(c, rest);
  if (kind == "window") return Window(c, rest);
  if (kind == "series") return Series(c, rest);
  if (kind == "event") return Event(c);
  if (kind == "log") return Logs(c, rest);
  return Status::InvalidArgument("'" + std::string(id) +
                                 "' is no evidence id; they begin with trace:, window:, series:, "
                                 "event: or log:");
}

}  // namespace tomograph::publish
