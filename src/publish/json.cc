#include "publish/json.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <tuple>

#include "publish/clock_json.h"
#include "publish/clock_notes.h"
#include "publish/figures.h"
#include "telemetry/batch.h"

namespace tomograph::publish {

using telemetry::EntityId;
using telemetry::kNoEntity;
using telemetry::Picture;

EntityNames::EntityNames(const Picture& picture) {
  by_id_.reserve(picture.entities.size());
  for (const auto& entity : picture.entities) by_id_.emplace(entity.id, &entity);
}

const telemetry::Entity* EntityNames::Find(EntityId id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second;
}

std::string EntityNames::Name(EntityId id) const {
  const telemetry::Entity* entity = Find(id);
  return entity == nullptr ? IdText(id) : entity->name;
}

std::string IdText(EntityId id) { return telemetry::SpanIdToHex(static_cast<uint64_t>(id)); }

bool ParseIdText(std::string_view text, EntityId* id) {
  uint64_t word = 0;
  if (!telemetry::ParseSpanId(text, &word)) return false;
  *id = static_cast<EntityId>(word);
  return true;
}

double ToMillis(Nanos t) { return static_cast<double>(t) * 1e-6; }

Json Number(double value) {
  if (!std::isfinite(value)) return nullptr;
  char digits[32];
  std::snprintf(digits, sizeof(digits), "%.9g", value);
  return std::strtod(digits, nullptr);
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

namespace {

Json Time(Nanos t) {
  if (t == 0) return nullptr;
  // Whole milliseconds as integers: shorter, and what most telemetry has.
  if (t % kMillisecond == 0) return t / kMillisecond;
  return ToMillis(t);
}

Json IntervalJson(const telemetry::Interval& i) {
  if (!std::isfinite(i.lower) || !std::isfinite(i.upper)) return nullptr;
  return Json::array({Number(i.lower), Number(i.upper)});
}

void AddCaller(EntityId caller, const EntityNames& names, Json* json) {
  if (caller == kNoEntity) return;
  (*json)["caller"] = IdText(caller);
  (*json)["caller_name"] = names.Name(caller);
}

Json NumbersJson(const std::vector<double>& values) {
  Json out = Json::array();
  for (const double v : values) out.push_back(Number(v));
  return out;
}

Json EvidenceListJson(const std::vector<telemetry::Evidence>& list) {
  Json out = Json::array();
  for (const auto& e : list) {
    out.push_back({{"id", e.id},
                   {"text", e.text},
                   {"weight", Number(e.weight)},
                   {"about", e.of_place ? "place" : "kind"}});
  }
  return out;
}

Json FigureJson(const Figure& figure) {
  Json out = {{"value", Number(figure.value)}};
  if (figure.has_interval()) out["i90"] = IntervalJson(figure.i90);
  out["basis"] = telemetry::BasisName(figure.basis);
  return out;
}

Json FiguresJson(const Figures& figures) {
  return {{"call_rate", FigureJson(figures.call_rate)},
          {"error_ratio", FigureJson(figures.error_ratio)},
          {"latency_p50", FigureJson(figures.latency_p50)},
          {"latency_p99", FigureJson(figures.latency_p99)},
          {"in_flight", FigureJson(figures.in_flight)},
          {"queue_depth", FigureJson(figures.queue_depth)},
          {"record_rate", FigureJson(figures.record_rate)},
          {"silent", figures.silent},
          {"only_callers", figures.only_callers},
          {"judged", figures.judged},
          {"windows_told", figures.windows_told},
          {"normal_known", figures.normal_known},
          {"failing", figures.failing}};
}

}  // namespace

Json EntityJson(const telemetry::Entity& entity) {
  Json out = {{"id", IdText(entity.id)},
              {"name", entity.name},
              {"kind", telemetry::EntityKindName(entity.kind)}};
  if (!entity.service_namespace.empty()) out["namespace"] = entity.service_namespace;
  if (entity.parent != kNoEntity) out["parent"] = IdText(entity.parent);
  out["first_seen_ms"] = Time(entity.first_seen);
  out["last_seen_ms"] = Time(entity.last_seen);
  return out;
}

Json EstimateJson(const telemetry::Estimate& e, const EntityNames& names) {
  const bool missing = e.basis == telemetry::Basis::kMissing;
  Json out = {{"state", e.state}, {"entity", IdText(e.entity)}, {"name", names.Name(e.entity)}};
  AddCaller(e.caller, names, &out);
  if (!e.detail.empty()) out["detail"] = e.detail;
  out["start_ms"] = Time(e.start);
  out["length_ms"] = ToMillis(e.length);
  out["basis"] = telemetry::BasisName(e.basis);
  // A model that left numbers in a missing estimate must not get them drawn.
  out["value"] = missing ? Json(nullptr) : Number(e.value);
  out["i50"] = missing ? Json(nullptr) : IntervalJson(e.i50);
  out["i90"] = missing ? Json(nullptr) : IntervalJson(e.i90);
  out["confidence"] = Number(e.confidence);
  out["unit"] = e.unit;
  out["method"] = e.method;
  if (!e.note.empty()) out["note"] = e.note;
  out["evidence"] = e.evidence;
  return out;
}

Json LineJson(const telemetry::TimeLine& line, const EntityNames& names) {
  Json out = {
      {"quantity", line.name}, {"entity", IdText(line.entity)}, {"name", names.Name(line.entity)}};
  AddCaller(line.caller, names, &out);
  out["unit"] = line.unit;
  out["values"] = NumbersJson(line.values);
  return out;
}

Json ChangeJson(const telemetry::ChangeEvent& change) {
  Json out = {
      {"time_ms", Time(change.time)}, {"kind", change.kind},       {"id", change.id},
      {"source", change.source},      {"service", change.service}, {"version", change.version},
      {"text", change.text}};
  if (!change.environment.empty()) out["environment"] = change.environment;
  out["entity"] = change.entity == kNoEntity ? Json(nullptr) : Json(IdText(change.entity));
  out["evidence"] = "event:" + change.source + ":" + change.id;
  return out;
}

Json HypothesisJson(const telemetry::Hypothesis& h, const EntityNames& names) {
  Json out = {{"cause", h.cause}};
  out["entity"] = h.entity == kNoEntity ? Json(nullptr) : Json(IdText(h.entity));
  out["name"] = h.entity == kNoEntity ? Json(nullptr) : Json(names.Name(h.entity));
  out["posterior"] = Number(h.posterior);
  out["support"] = telemetry::SupportName(SupportOf(h));
  out["onset_ms"] = Time(h.onset);
  out["onset_error_ms"] = ToMillis(h.onset_error);
  out["why"] = h.why;
  out["next_check"] = h.next_check;
  out["evidence_for"] = EvidenceListJson(h.evidence_for);
  out["evidence_against"] = EvidenceListJson(h.evidence_against);
  return out;
}

Json MovementJson(const telemetry::Movement& m, const EntityNames& names) {
  Json out = {{"entity", IdText(m.entity)},
              {"name", names.Name(m.entity)},
              {"quantity", telemetry::QuantityName(m.quantity)},
              {"direction", m.up ? "up" : "down"},
              {"onset_ms", Time(m.onset)},
              {"lower_ms", Time(m.lower)},
              {"upper_ms", Time(m.upper)},
              {"clock_known", m.clock_known},
              {"order", telemetry::OrderName(m.order)}};
  const bool known = m.from != telemetry::kNoEntity;
  out["from"] = known ? Json(IdText(m.from)) : Json(nullptr);
  out["from_name"] = known ? Json(names.Name(m.from)) : Json(nullptr);
  out["lag_s"] = known ? Number(m.lag_s) : Json(nullptr);
  out["lag_i90"] =
      known ? Json::array({Number(m.lag_lower_s), Number(m.lag_upper_s)}) : Json(nullptr);
  out["p_order"] = known ? Number(m.p_order) : Json(nullptr);
  return out;
}

Json IncidentJson(const telemetry::Incident& incident, const EntityNames& names) {
  const telemetry::Diagnosis& d = incident.diagnosis;
  Json members = Json::array();
  for (const EntityId id : incident.members) {
    members.push_back({{"id", IdText(id)}, {"name", names.Name(id)}});
  }
  Json alert = {{"entity", IdText(d.alert.entity)},
                {"name", names.Name(d.alert.entity)},
                {"quantity", telemetry::QuantityName(d.alert.quantity)},
                {"unit", telemetry::QuantityUnit(d.alert.quantity)},
                {"time_ms", Time(d.alert.time)},
                {"observed", Number(d.alert.observed)},
                {"expected", Number(d.alert.expected)},
                {"text", d.alert.text}};
  Json hypotheses = Json::array();
  for (const auto& h : d.hypotheses) hypotheses.push_back(HypothesisJson(h, names));
  Json propagation = Json::array();
  for (const auto& m : incident.propagation) propagation.push_back(MovementJson(m, names));
  return {{"id", incident.id},
          {"opened_ms", Time(incident.opened)},
          {"closed_ms", Time(incident.closed)},
          {"summary", d.summary},
          {"certainty", telemetry::CertaintyName(d.certainty)},
          {"unknown", Number(d.unknown)},
          {"missing", d.missing},
          {"made_ms", Time(d.made_at)},
          {"alert", std::move(alert)},
          {"members", std::move(members)},
          {"hypotheses", std::move(hypotheses)},
          {"ruled_out", d.ruled_out},
          {"propagation", std::move(propagation)}};
}

Json LossJson(const Picture& picture) {
  Json rows = Json::array();
  for (const auto& row : picture.loss) {
    Json reasons = Json::array();
    for (const auto& [reason, count] : row.reasons) {
      reasons.push_back({{"reason", telemetry::ReasonName(reason)},
                         {"outcome", telemetry::OutcomeName(telemetry::OutcomeOf(reason))},
                         {"count", count},
                         {"sentence", telemetry::ReasonSentence(reason)}});
    }
    rows.push_back({{"format", telemetry::FormatName(row.format)},
                    {"signal", telemetry::SignalName(row.signal)},
                    {"received", row.received},
                    {"accepted", row.accepted},
                    {"repaired", row.repaired},
                    {"dropped", row.dropped},
                    {"set_aside", row.set_aside},
                    {"reasons", std::move(reasons)}});
  }
  return rows;
}

Json ScrapesJson(const Picture& picture) {
  Json scrapes = Json::array();
  for (const telemetry::ScrapeState& s : picture.scrapes) {
    scrapes.push_back({{"job", s.job},
                       {"instance", s.instance},
                       {"url", s.url},
                       {"up", s.last == 0 ? Json(nullptr) : Json(s.up)},
                       {"error", s.error.empty() ? Json(nullptr) : Json(s.error)},
                       {"last_ms", s.last == 0 ? Json(nullptr) : Time(s.last)},
                       {"duration_ms", Number(s.duration_s * 1000)},
                       {"scrapes", s.scrapes},
                       {"failures", s.failures}});
  }
  return scrapes;
}

Json ParentsJson(const telemetry::ParentStats& parents) {
  return {{"by_id", parents.by_id},
          {"inferred", parents.inferred},
          {"root", parents.root},
          {"from_queue", parents.from_queue},
          {"unknown", parents.unknown()},
          {"all", parents.all()},
          {"why_unknown",
           {{"lost", parents.lost},
            {"not_found", parents.not_found},
            {"not_looked_for", parents.not_looked_for},
            {"sender_unknown", parents.sender_unknown},
            {"waiting", parents.waiting}}}};
}

Json ClockCountsJson(const Picture& picture) {
  size_t unknown = 0, by_times = 0;
  for (const telemetry::HostClock& clock : picture.clocks) {
    if (KnownByTimes(clock, picture)) {
      ++by_times;
    } else {
      unknown += ClockState(clock, picture.watermark) == "unknown";
    }
  }
  return {{"hosts", picture.clocks.size()}, {"by_times", by_times}, {"unknown", unknown}};
}

Json StatusJson(const Picture& picture) {
  Json self = Json::object();
  for (const auto& [name, value] : picture.self) self[name] = Number(value);
  return {{"live", picture.live},
          {"replaying", picture.replaying},
          {"source", picture.source},
          {"read", Number(picture.read)},
          {"broken_off", picture.broken_off_files},
          {"damaged", picture.damaged_files},
          {"now_ms", Time(picture.now)},
          {"watermark_ms", Time(picture.watermark)},
          {"window_length_ms", ToMillis(picture.window_length)},
          {"windows", picture.window_starts.size()},
          {"windows_to_learn", picture.windows_to_learn},
          {"first_window_ms",
           picture.window_starts.empty() ? Json(nullptr) : Time(picture.window_starts.front())},
          {"newest_window_ms", Time(NewestWholeWindow(picture))},
          {"entities", picture.entities.size()},
          {"join_match_rate", Number(picture.join_match_rate)},
          {"parents", ParentsJson(picture.parents)},
          {"orphan_spans", picture.orphan_spans},
          {"clocks", ClockCountsJson(picture)},
          {"span_times", TimesShown(picture)},
          {"scrapes", ScrapesJson(picture)},
          {"self", std::move(self)}};
}

namespace {

Json SourcesJson(const telemetry::Edge& edge) {
  Json sources = Json::array();
  for (const telemetry::EdgeSource& source : edge.sources) {
    sources.push_back({{"by", telemetry::EdgeWitnessName(source.by)},
                       {"last_seen_ms", Time(source.last_seen)},
                       {"calls", Number(source.calls)}});
  }
  return sources;
}

Json TopologyOf(const Picture& picture, const std::vector<telemetry::Edge>& edges,
                const FigureTable& figures, Nanos until, const EntityNames& names) {
  Json nodes = Json::array();
  for (const auto& entity : picture.entities) {
    if (!IsPlace(entity.kind) || entity.first_seen > until) continue;
    Json node = EntityJson(entity);
    node["sends_itself"] = SendsItself(entity.kind);
    node["owner_unknown"] = picture.owner_unknown.count(entity.id) > 0;
    node["figures"] = FiguresJson(figures.Of({entity.id, kNoEntity}));
    nodes.push_back(std::move(node));
  }
  Json list = Json::array();
  for (const auto& edge : edges) {
    list.push_back({{"caller", IdText(edge.caller)},
                    {"caller_name", names.Name(edge.caller)},
                    {"callee", IdText(edge.callee)},
                    {"callee_name", names.Name(edge.callee)},
                    {"confidence", Number(edge.confidence)},
                    {"basis", edge.basis},
                    {"state", telemetry::EdgeStateName(edge.state)},
                    {"since_ms", Time(edge.since)},
                    {"sources", SourcesJson(edge)},
                    {"first_seen_ms", Time(edge.first_seen)},
                    {"last_seen_ms", Time(edge.last_seen)},
                    {"figures", FiguresJson(figures.Of({edge.callee, edge.caller}))}});
  }
  Json unplaced = Json::array();
  for (const auto& [address, calls] : picture.unplaced_calls)
    unplaced.push_back({{"address", address}, {"calls", calls}});
  return {{"nodes", std::move(nodes)},
          {"edges", std::move(list)},
          {"unplaced_calls", std::move(unplaced)}};
}

}  // namespace

Json TopologyJson(const Picture& picture, const EntityNames& names) {
  return TopologyOf(picture, picture.edges, FigureTable(picture), INT64_MAX, names);
}

Json TopologyJsonAt(const Picture& picture, Nanos at, const EntityNames& names) {
  std::vector<telemetry::Edge> edges;
  for (const auto& edge : picture.edges) {
    if (auto then = telemetry::EdgeAt(edge, at)) edges.push_back(*std::move(then));
  }
  Json topology = TopologyOf(picture, edges, FigureTable(picture, at), at, names);
  topology["at_ms"] = Time(at);
  return topology;
}

namespace {

/// One state of one key over the history: columns aligned with the window starts, null where there
/// is no estimate or a missing one.
class Track {
 public:
  Track(const telemetry::Estimate& first, size_t windows) : first_(first) {
    for (auto* column : {&value_, &lower50_, &upper50_, &lower90_, &upper90_, &confidence_}) {
      column->assign(windows, std::nan(""));
    }
    basis_.assign(windows, ' ');
  }

  void Put(size_t window, const telemetry::Estimate& e) {
    basis_[window] = telemetry::BasisName(e.basis)[0];
    if (!e.note.empty()) notes_[window] = e.note;
    if (e.basis == telemetry::Basis::kMissing) return;
    value_[window] = e.value;
    lower50_[window] = e.i50.lower;
    upper50_[window] = e.i50.upper;
    lower90_[window] = e.i90.lower;
    upper90_[window] = e.i90.upper;
    confidence_[window] = e.confidence;
  }

  Json ToJson(const EntityNames& names) const {
    Json out = {{"state", first_.state}};
    AddCaller(first_.caller, names, &out);
    if (!first_.detail.empty()) out["detail"] = first_.detail;
    out["unit"] = first_.unit;
    out["method"] = first_.method;
    out["basis"] = basis_;  // a letter a window: observed, inferred, missing, or a blank
    out["value"] = NumbersJson(value_);
    out["lower50"] = NumbersJson(lower50_);
    out["upper50"] = NumbersJson(upper50_);
    out["lower90"] = NumbersJson(lower90_);
    out["upper90"] = NumbersJson(upper90_);
    out["confidence"] = NumbersJson(confidence_);
    Json notes = Json::object();
    for (const auto& [window, note] : notes_) notes[std::to_string(window)] = note;
    if (!notes.empty()) out["notes"] = std::move(notes);
    return out;
  }

 private:
  const telemetry::Estimate& first_;
  std::vector<double> value_, lower50_, upper50_, lower90_, upper90_, confidence_;
  std::string basis_;
  std::map<size_t, std::string> notes_;
};

}  // namespace

Json AxisJson(const Picture& picture, EntityId entity, const EntityNames& names) {
  Json starts = Json::array();
  std::unordered_map<Nanos, size_t> window_of;
  for (const Nanos start : picture.window_starts) {
    window_of.emplace(start, starts.size());
    starts.push_back(Time(start));
  }

  Json mixed_units = Json::object();
  for (const auto& mixed : picture.mixed_units) {
    if (mixed.entity == entity) mixed_units[mixed.quantity] = mixed.units;
  }

  Json lines = Json::array();
  for (const auto& line : picture.lines) {
    if (line.entity == entity) lines.push_back(LineJson(line, names));
  }

  std::map<std::tuple<std::string, EntityId, std::string>, Track> tracks;
  for (const auto& e : picture.estimates) {
    if (e.entity != entity) continue;
    const auto window = window_of.find(e.start);
    if (window == window_of.end()) continue;
    auto [it, added] = tracks.try_emplace({e.state, e.caller, e.detail}, e, starts.size());
    it->second.Put(window->second, e);
  }
  Json columns = Json::array();
  for (const auto& [key, track] : tracks) columns.push_back(track.ToJson(names));

  return {{"entity", IdText(entity)},
          {"name", names.Name(entity)},
          {"window_length_ms", ToMillis(picture.window_length)},
          {"starts_ms", std::move(starts)},
          {"mixed_units", std::move(mixed_units)},
          {"lines", std::move(lines)},
          {"tracks", std::move(columns)}};
}

// The page lists no more; /api/v1/clocks does.
constexpr size_t kMostClocks = 200;

Json PictureJson(const Picture& picture) {
  const EntityNames names(picture);
  Json estimates = Json::array();
  for (const auto& e : picture.estimates) {
    if (!picture.window_starts.empty() && e.start == picture.window_starts.back()) {
      estimates.push_back(EstimateJson(e, names));
    }
  }
  Json incidents = Json::array();
  for (const auto& incident : picture.incidents) incidents.push_back(IncidentJson(incident, names));
  Json changes = Json::array();
  for (const auto& change : picture.changes) changes.push_back(ChangeJson(change));
  return {{"status", StatusJson(picture)},      {"topology", TopologyJson(picture, names)},
          {"estimates", std::move(estimates)},  {"incidents", std::move(incidents)},
          {"changes", std::move(changes)},      {"loss", LossJson(picture)},
          {"clock_notes", ClockNotes(picture)}, {"clocks", ClocksJson(picture, kMostClocks)}};
}

}  // namespace tomograph::publish
