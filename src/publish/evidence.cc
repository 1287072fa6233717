#include "publish/evidence.h"

#include <charconv>
#include <optional>

#include "publish/raw_json.h"

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

using RowJson = Json (*)(const Batch&, size_t, const telemetry::Identities&, const Clocks&);
using RowPicked = std::function<bool(const Batch&, size_t)>;

/// Raw records of the store, at most kMaxEvidenceRecords; sets `*cut` when there are more.
Result<Json> Records(const Context& c, Signal signal, store::ScanFilter filter,
                     const RowPicked& picked, RowJson to_json, bool* cut) {
  if (c.store == nullptr || c.identities == nullptr) {
    return Status::NotFound("raw records are not kept here: this picture was made without a store");
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
    return Status::NotFound("no span of this trace is kept: it was never sent, or has expired");
  }
  Json out = Answer(c, "trace", "trace of " + std::to_string(spans->size()) + " raw spans");
  out["truncated"] = cut;
  out["spans"] = std::move(*spans);
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
  if (logs->empty()) return Status::NotFound("no log record of that time is kept");
  Json out = Answer(c, "log", "log records of " + filter.service);
  out["truncated"] = cut;
  out["logs"] = std::move(*logs);
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

Json LinesWithin(const Context& c, EntityId entity, std::string_view quantity, TimeRange range) {
  Json lines = Json::array();
  for (const auto& line : c.picture.lines) {
    const bool wanted = quantity.empty() || line.name == quantity ||
                        line.name.rfind(std::string(quantity) + "_", 0) == 0;
    if (line.entity != entity || !wanted) continue;
    telemetry::TimeLine part = line;
    part.values.clear();
    Json times = Json::array();
    for (size_t i = 0; i < line.values.size() && i < c.picture.window_starts.size(); ++i) {
      if (!range.Contains(c.picture.window_starts[i])) continue;
      part.values.push_back(line.values[i]);
      times.push_back(ToMillis(c.picture.window_starts[i]));
    }
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
  out["lines"] = LinesWithin(c, entity, "", {start, start + 1});
  out["estimates"] = std::move(estimates);
  if (out["lines"].empty() && out["estimates"].empty()) {
    return Status::NotFound("nothing was measured of this entity in that window");
  }
  return out;
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
  out["lines"] = LinesWithin(c, entity, quantity, range);
  if (out["lines"].empty()) return Status::NotFound("no such series is in the picture");
  return out;
}

}  // namespace

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
