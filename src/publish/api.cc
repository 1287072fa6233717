#include "publish/api.h"

#include <algorithm>

#include "publish/clock_json.h"
#include "publish/evidence.h"
#include "publish/metric_samples.h"
#include "publish/query.h"
#include "publish/request_json.h"
#include "publish/words.h"

namespace tomograph::publish {
namespace {

using telemetry::EntityId;
using telemetry::kNoEntity;
using telemetry::Picture;

constexpr std::string_view kPrefix = "/api/v1/";

struct Call {
  std::string_view query;  // as sent
  std::string_view rest;   // of the path, behind a route that ends in <id>
  const ApiSource& source;
  const Picture& picture;
};

/// Collects rows up to a limit and says how many there were.
class Rows {
 public:
  explicit Rows(size_t limit) : limit_(limit) {}
  template <typename MakeJson>
  void Add(const MakeJson& make) {
    if (++total_ <= limit_) rows_.push_back(make());
  }
  Json Named(std::string_view name) && {
    return {{std::string(name), std::move(rows_)}, {"total", total_}, {"limit", limit_}};
  }

 private:
  const size_t limit_;
  size_t total_ = 0;
  Json rows_ = Json::array();
};

/// What most list routes filter by.
struct Filter {
  EntityId entity = kNoEntity;
  EntityId caller = kNoEntity;
  TimeRange range{INT64_MIN, INT64_MAX};
  size_t limit = Query::kDefaultLimit;

  bool Covers(EntityId of, EntityId from) const {
    return (entity == kNoEntity || of == entity) && (caller == kNoEntity || from == caller);
  }
};

Result<Filter> ParseFilter(const Query& query, const Picture& picture) {
  Filter filter;
  Result<EntityId> entity = query.Entity("entity", picture);
  if (!entity.ok()) return entity.status();
  Result<EntityId> caller = query.Entity("caller", picture);
  if (!caller.ok()) return caller.status();
  Result<TimeRange> range = query.Range();
  if (!range.ok()) return range.status();
  Result<size_t> limit = query.Limit();
  if (!limit.ok()) return limit.status();
  filter.entity = *entity;
  filter.caller = *caller;
  filter.range = *range;
  filter.limit = *limit;
  return filter;
}

Status NoParameters(const Call& call) { return Query::Parse(call.query, {}).status(); }

Result<Json> ShowStatus(const Call& call) {
  TG_RETURN_IF_ERROR(NoParameters(call));
  return StatusJson(call.picture);
}

Result<Json> WholePicture(const Call& call) {
  TG_RETURN_IF_ERROR(NoParameters(call));
  return PictureJson(call.picture);
}

Result<Json> Topology(const Call& call) {
  Result<Query> query = Query::Parse(call.query, {"at"});
  if (!query.ok()) return query.status();
  Result<std::optional<Nanos>> at = query->Instant("at");
  if (!at.ok()) return at.status();
  const EntityNames names(call.picture);
  if (!*at) return TopologyJson(call.picture, names);
  if (call.picture.window_starts.empty() || **at < call.picture.window_starts.front() ||
      **at > call.picture.watermark)
    return Status::NotFound("'at' is not within the history that is kept");
  return TopologyJsonAt(call.picture, **at, names);
}

Result<Json> Loss(const Call& call) {
  TG_RETURN_IF_ERROR(NoParameters(call));
  return Json{{"loss", LossJson(call.picture)},
              {"join_match_rate", Number(call.picture.join_match_rate)}};
}

Result<Json> Entities(const Call& call) {
  Result<Query> query = Query::Parse(call.query, {"kind", "limit"});
  if (!query.ok()) return query.status();
  Result<size_t> limit = query->Limit();
  if (!limit.ok()) return limit.status();
  const auto kind = query->Word("kind", EntityKinds());
  if (!kind.ok()) return kind.status();
  Rows rows(*limit);
  for (const auto& entity : call.picture.entities) {
    if (*kind && **kind != telemetry::EntityKindName(entity.kind)) continue;
    rows.Add([&] { return EntityJson(entity); });
  }
  return std::move(rows).Named("entities");
}

Result<Json> Estimates(const Call& call) {
  Result<Query> query =
      Query::Parse(call.query, {"entity", "caller", "state", "from", "to", "limit"});
  if (!query.ok()) return query.status();
  Result<Filter> filter = ParseFilter(*query, call.picture);
  if (!filter.ok()) return filter.status();
  const auto state = query->Word("state", {kEstimateStates.begin(), kEstimateStates.end()});
  if (!state.ok()) return state.status();
  const EntityNames names(call.picture);
  Rows rows(filter->limit);
  for (const auto& e : call.picture.estimates) {
    if (!filter->Covers(e.entity, e.caller) || !filter->range.Contains(e.start)) continue;
    if (*state && e.state != **state) continue;
    rows.Add([&] { return EstimateJson(e, names); });
  }
  return std::move(rows).Named("estimates");
}

/// `line` cut to the windows in `range`.
telemetry::TimeLine Within(const telemetry::TimeLine& line, const Picture& picture,
                           TimeRange range) {
  telemetry::TimeLine part = line;
  part.values.clear();
  for (size_t i = 0; i < picture.window_starts.size() && i < line.values.size(); ++i) {
    if (range.Contains(picture.window_starts[i])) part.values.push_back(line.values[i]);
  }
  return part;
}

Result<Json> Series(const Call& call) {
  Result<Query> query =
      Query::Parse(call.query, {"entity", "caller", "quantity", "from", "to", "limit"});
  if (!query.ok()) return query.status();
  Result<Filter> filter = ParseFilter(*query, call.picture);
  if (!filter.ok()) return filter.status();
  const auto quantity = query->Text("quantity");
  if (quantity && !IsLineName(*quantity)) {
    return Status::InvalidArgument("unknown quantity '" + *quantity + "'; known: " + LineNames());
  }
  const EntityNames names(call.picture);
  Rows rows(filter->limit);
  for (const auto& line : call.picture.lines) {
    if (!filter->Covers(line.entity, line.caller)) continue;
    if (quantity && line.name != *quantity) continue;
    rows.Add([&] { return LineJson(Within(line, call.picture, filter->range), names); });
  }
  Json starts = Json::array();
  for (const Nanos start : call.picture.window_starts) {
    if (filter->range.Contains(start)) starts.push_back(ToMillis(start));
  }
  Json out = {{"window_length_ms", ToMillis(call.picture.window_length)},
              {"starts_ms", std::move(starts)}};
  out.update(std::move(rows).Named("series"));
  return out;
}

Result<Json> Axis(const Call& call) {
  Result<Query> query = Query::Parse(call.query, {"entity"});
  if (!query.ok()) return query.status();
  Result<EntityId> entity = query->Entity("entity", call.picture);
  if (!entity.ok()) return entity.status();
  if (*entity == kNoEntity) return Status::InvalidArgument("entity is required");
  return AxisJson(call.picture, *entity, EntityNames(call.picture));
}

Result<Json> Incidents(const Call& call) {
  Result<Query> query = Query::Parse(call.query, {"state", "from", "to", "limit"});
  if (!query.ok()) return query.status();
  Result<Filter> filter = ParseFilter(*query, call.picture);
  if (!filter.ok()) return filter.status();
  const auto asked = query->Word("state", {"open", "closed", "all"});
  if (!asked.ok()) return asked.status();
  const std::string state = asked->value_or("all");
  const EntityNames names(call.picture);
  Rows rows(filter->limit);
  for (const auto& incident : call.picture.incidents) {
    const bool open = incident.closed == 0;
    if ((state == "open" && !open) || (state == "closed" && open)) continue;
    if (!filter->range.Contains(incident.opened)) continue;
    rows.Add([&] { return IncidentJson(incident, names); });
  }
  return std::move(rows).Named("incidents");
}

Result<Json> OneIncident(const Call& call) {
  TG_RETURN_IF_ERROR(NoParameters(call));
  for (const auto& incident : call.picture.incidents) {
    if (incident.id == call.rest) return IncidentJson(incident, EntityNames(call.picture));
  }
  return Status::NotFound("no incident '" + std::string(call.rest) + "' is known");
}

/// The open incidents' hypotheses in one list, by falling posterior within an incident.
Result<Json> Hypotheses(const Call& call) {
  Result<Query> query = Query::Parse(call.query, {"entity", "limit"});
  if (!query.ok()) return query.status();
  Result<Filter> filter = ParseFilter(*query, call.picture);
  if (!filter.ok()) return filter.status();
  const EntityNames names(call.picture);
  Rows rows(filter->limit);
  for (const auto& incident : call.picture.incidents) {
    if (incident.closed != 0) continue;
    for (const auto& h : incident.diagnosis.hypotheses) {
      if (!filter->Covers(h.entity, kNoEntity)) continue;
      rows.Add([&] {
        Json row = {{"incident", incident.id}};
        row.update(HypothesisJson(h, names));
        return row;
      });
    }
  }
  return std::move(rows).Named("hypotheses");
}

Result<Json> Changes(const Call& call) {
  Result<Query> query = Query::Parse(call.query, {"entity", "from", "to", "limit"});
  if (!query.ok()) return query.status();
  Result<Filter> filter = ParseFilter(*query, call.picture);
  if (!filter.ok()) return filter.status();
  Rows rows(filter->limit);
  for (const auto& change : call.picture.changes) {
    if (!filter->Covers(change.entity, kNoEntity)) continue;
    if (!filter->range.Contains(change.time)) continue;
    rows.Add([&] { return ChangeJson(change); });
  }
  return std::move(rows).Named("changes");
}

Result<Json> Clocks(const Call& call) {
  Result<Query> query = Query::Parse(call.query, {"host", "limit"});
  if (!query.ok()) return query.status();
  Result<size_t> limit = query->Limit();
  if (!limit.ok()) return limit.status();
  return ClocksJson(call.picture, *limit, query->Text("host"));
}

Json AccuracyJson(const telemetry::Accuracy& a, const EntityNames& names) {
  Json out = {{"state", a.state}};
  out["entity"] = a.entity == kNoEntity ? Json(nullptr) : Json(IdText(a.entity));
  if (a.entity != kNoEntity) out["name"] = names.Name(a.entity);
  if (a.caller != kNoEntity) {
    out["caller"] = IdText(a.caller);
    out["caller_name"] = names.Name(a.caller);
  }
  out["scored"] = a.scored;
  out["abstained"] = a.abstained;
  out["in_i50"] = Number(a.in50);
  out["in_i90"] = Number(a.in90);
  if (a.entity == kNoEntity) {
    out["in_i90_last_200"] = Number(a.last200_in90);
    out["in_i90_worst_200"] = Number(a.worst200_in90);
  }
  out["mean"] = Number(a.mean);
  out["i90_width"] = Number(a.width);
  out["crps"] = Number(a.crps);
  out["last_value_crps"] = Number(a.last_value_crps);
  out["widened"] = Number(a.widened);
  out["newest_ms"] = ToMillis(a.newest);
  return out;
}

Result<Json> AccuracyOfStates(const Call& call) {
  Result<Query> query = Query::Parse(call.query, {"state", "entity", "limit"});
  if (!query.ok()) return query.status();
  Result<Filter> filter = ParseFilter(*query, call.picture);
  if (!filter.ok()) return filter.status();
  const auto state = query->Word("state", {kEstimateStates.begin(), kEstimateStates.end()});
  if (!state.ok()) return state.status();
  const EntityNames names(call.picture);
  Rows rows(filter->limit);
  for (const auto& accuracy : call.picture.accuracy) {
    if (*state && accuracy.state != **state) continue;
    if (filter->entity != kNoEntity && accuracy.entity != filter->entity) continue;
    rows.Add([&] { return AccuracyJson(accuracy, names); });
  }
  return std::move(rows).Named("accuracy");
}

Result<Json> Requests(const Call& call) {
  Result<Query> query = Query::Parse(call.query, {"entity", "inferred", "from", "to", "limit"});
  if (!query.ok()) return query.status();
  Result<Filter> filter = ParseFilter(*query, call.picture);
  if (!filter.ok()) return filter.status();
  const auto asked = query->Word("inferred", {"true", "false"});
  if (!asked.ok()) return asked.status();
  const std::string inferred = asked->value_or("false");
  const EntityNames names(call.picture);
  Rows rows(filter->limit);
  for (const auto& request : call.picture.requests) {
    if (!filter->range.Contains(request->root().start)) continue;
    if (inferred == "true" && request->inferred + request->lost == 0) continue;
    if (filter->entity != kNoEntity && !PassesThrough(*request, filter->entity)) continue;
    rows.Add([&] { return RequestSummaryJson(*request, names); });
  }
  Json out = std::move(rows).Named("requests");
  out["linking"] = RebuildingJson(call.picture.rebuilding);
  return out;
}

Result<Json> OneRequest(const Call& call) {
  TG_RETURN_IF_ERROR(NoParameters(call));
  for (const auto* requests : {&call.picture.requests, &call.picture.requests_before}) {
    for (const auto& request : *requests) {
      if (RequestIdText(*request) == call.rest)
        return RequestJson(*request, call.picture, EntityNames(call.picture));
    }
  }
  return Status::NotFound("no request '" + std::string(call.rest) +
                          "' is kept: only a few of each kind are, for a minute after they were "
                          "listed");
}

Json RelatedJson(const telemetry::RelatedLine& line, const EntityNames& names) {
  Json out = {{"entity", IdText(line.entity)}, {"name", names.Name(line.entity)}};
  if (line.caller != kNoEntity) {
    out["caller"] = IdText(line.caller);
    out["caller_name"] = names.Name(line.caller);
  }
  out["quantity"] = line.name;
  out["r"] = Number(line.r);
  out["lag_s"] = Number(line.lag_s);
  out["lag_i90"] = Json::array({Number(line.lag_lower_s), Number(line.lag_upper_s)});
  out["clocks_known"] = line.clocks_known;
  out["n_eff"] = Number(line.n_eff);
  out["p"] = Number(line.p);
  out["q"] = Number(line.q);
  return out;
}

/// The samples of the asked metric over the windows that are compared.
Result<MetricSamples> SamplesOf(const std::string& metric, const Filter& filter, const Call& call) {
  const auto [first, end] = telemetry::WindowsCompared(call.picture, filter.range);
  if (first == end) return Status::NotFound("no window that is kept lies in that time");
  const auto& starts = call.picture.window_starts;
  return ReadMetric(filter.entity, metric,
                    {starts[first], starts[end - 1] + call.picture.window_length}, call.picture,
                    call.source.store, call.source.identities);
}

Result<Json> Correlations(const Call& call) {
  Result<Query> query =
      Query::Parse(call.query, {"entity", "quantity", "metric", "from", "to", "limit"});
  if (!query.ok()) return query.status();
  Result<Filter> filter = ParseFilter(*query, call.picture);
  if (!filter.ok()) return filter.status();
  const auto quantity = query->Text("quantity"), metric = query->Text("metric");
  if (filter->entity == kNoEntity || quantity.has_value() == metric.has_value())
    return Status::InvalidArgument("entity and one of quantity and metric are required");
  if (call.source.correlate == nullptr)
    return Status::Unavailable("correlations are not computed here");
  Result<MetricSamples> samples = MetricSamples{};
  if (metric) samples = SamplesOf(*metric, *filter, call);
  if (!samples.ok()) return samples.status();
  const telemetry::CorrelationQuestion question = {filter->entity, quantity.value_or(""),
                                                   filter->range, std::move(samples->asked)};
  const auto answer = call.source.correlate(call.picture, question);
  if (!answer.ok()) return answer.status();
  Json out = Json::object();
  if (metric) {
    out["series"] = Json::array();
    for (size_t i = 0; i < answer->series.size(); ++i)
      out["series"].push_back(SeriesJson(*samples->series[i], question.series[i].series.reading,
                                         answer->series[i], *call.source.identities));
    out["series_left_out"] = samples->left_out;
    out["samples_cut"] = samples->cut;
    if (std::string why = WhatIsUnreadable(call.source.store); !why.empty())
      out["missing"] = std::move(why);
  }
  const EntityNames names(call.picture);
  Rows rows(filter->limit);
  for (const auto& line : answer->related) {
    rows.Add([&] {
      Json row = Json::object();
      if (metric) row["series"] = line.asked;
      row.update(RelatedJson(line, names));
      return row;
    });
  }
  out.update({{"compared", answer->compared},
              {"not_identifiable", answer->not_identifiable},
              {"left_out", answer->left_out}});
  out.update(std::move(rows).Named("correlations"));
  return out;
}

Result<Json> OneEvidence(const Call& call) {
  TG_RETURN_IF_ERROR(NoParameters(call));
  return ResolveEvidence(call.rest, call.picture, call.source.store, call.source.identities);
}

struct Route {
  std::string_view path;  // behind the prefix; one that ends in '/' takes an <id>
  Result<Json> (*answer)(const Call&);
};

constexpr Route kRoutes[] = {
    {"status", ShowStatus},
    {"picture", WholePicture},
    {"entities", Entities},
    {"topology", Topology},
    {"estimates", Estimates},
    {"series", Series},
    {"axis", Axis},
    {"incidents", Incidents},
    {"incidents/", OneIncident},
    {"hypotheses", Hypotheses},
    {"correlations", Correlations},
    {"changes", Changes},
    {"clocks", Clocks},
    {"accuracy", AccuracyOfStates},
    {"requests", Requests},
    {"requests/", OneRequest},
    {"loss", Loss},
    {"evidence/", OneEvidence},
};

int HttpStatus(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return 200;
    case StatusCode::kInvalidArgument:
      return 400;
    case StatusCode::kNotFound:
      return 404;
    case StatusCode::kResourceExhausted:
    case StatusCode::kUnavailable:
      return 503;
    default:
      return 500;
  }
}

}  // namespace

net::HttpResponse JsonResponse(int http_status, std::string body) {
  net::HttpResponse response;
  response.status = http_status;
  response.content_type = "application/json";
  response.body = std::move(body);
  return response;
}

net::HttpResponse ErrorResponse(int http_status, std::string_view code, std::string_view message) {
  return JsonResponse(http_status, Dump({{"error", {{"code", code}, {"message", message}}}}));
}

net::HttpResponse AnswerApi(const net::HttpRequest& request, const ApiSource& source) {
  std::string_view path = request.path;
  if (path.rfind(kPrefix, 0) != 0) return ErrorResponse(404, "not_found", "no such route");
  path.remove_prefix(kPrefix.size());
  for (const Route& route : kRoutes) {
    const bool takes_id = route.path.back() == '/';
    const bool matches =
        takes_id ? path.rfind(route.path, 0) == 0 && path != route.path : path == route.path;
    if (!matches) continue;
    Result<Json> json = route.answer(
        Call{request.query, takes_id ? path.substr(route.path.size()) : std::string_view(), source,
             *source.picture});
    if (json.ok()) return JsonResponse(200, Dump(*json));
    std::string code(StatusCodeName(json.status().code()));
    std::replace(code.begin(), code.end(), ' ', '_');
    return ErrorResponse(HttpStatus(json.status().code()), code, json.status().message());
  }
  return ErrorResponse(404, "not_found", "no such route; docs/api.md lists them");
}

bool MayTakeLong(std::string_view path) {
  return path.rfind("/api/v1/evidence/", 0) == 0 || path == "/api/v1/correlations";
}

std::vector<std::string> ApiRoutes() {
  std::vector<std::string> routes;
  for (const Route& route : kRoutes) {
    routes.push_back(std::string(kPrefix) + std::string(route.path) +
                     (route.path.back() == '/' ? "<id>" : ""));
  }
  return routes;
}

}  // namespace tomograph::publish
