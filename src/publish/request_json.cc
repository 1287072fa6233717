#include "publish/request_json.h"

#include <algorithm>
#include <map>
#include <vector>

namespace tomograph::publish {
namespace {

using telemetry::EntityId;
using telemetry::kNoEntity;
using telemetry::RebuiltRequest;
using telemetry::RebuiltSpan;

std::string_view KindName(telemetry::SpanKind kind) {
  switch (kind) {
    case telemetry::SpanKind::kInternal:
      return "internal";
    case telemetry::SpanKind::kServer:
      return "server";
    case telemetry::SpanKind::kClient:
      return "client";
    case telemetry::SpanKind::kProducer:
      return "producer";
    case telemetry::SpanKind::kConsumer:
      return "consumer";
    case telemetry::SpanKind::kUnspecified:
      break;
  }
  return "unspecified";
}

Json NameOrNull(EntityId id, const EntityNames& names) {
  return id == kNoEntity ? Json(nullptr) : Json(names.Name(id));
}

Json ServicesOf(const RebuiltRequest& request, const EntityNames& names) {
  std::vector<EntityId> seen;  // in the order in which the request came to them
  Json services = Json::array();
  for (const RebuiltSpan& span : request.spans) {
    if (span.service == kNoEntity || std::count(seen.begin(), seen.end(), span.service) > 0)
      continue;
    seen.push_back(span.service);
    services.push_back(names.Name(span.service));
  }
  return services;
}

/// Spans of it of which it is not known what caused them.
int64_t Unknown(const RebuiltRequest& request) {
  return std::count_if(request.spans.begin(), request.spans.end(), [](const RebuiltSpan& span) {
    return span.basis == telemetry::JoinBasis::kUnknown;
  });
}

/// Is a join in it inferred, or that it begins where it does?
bool IsGuess(const RebuiltRequest& request) {
  const RebuiltSpan& root = request.root();
  return request.inferred > 0 || (root.basis == telemetry::JoinBasis::kRoot && root.none < 1);
}

std::string TitleOf(const RebuiltSpan& root) {
  if (root.lost) return "(lost span)";
  return root.operation;
}

Json LinkJson(const RebuiltSpan& span, const EntityNames& names) {
  const bool unknown = span.basis == telemetry::JoinBasis::kUnknown;
  Json link = {{"basis", telemetry::JoinBasisName(span.basis)},
               {"why", unknown ? Json(telemetry::UnknownParentName(span.why)) : Json(nullptr)},
               {"posterior", Number(span.posterior)},
               {"none", Number(span.none)},
               {"runner_up", nullptr}};
  const RebuiltSpan::Choice& other = span.runner_up;
  if (other.span == 0) return link;
  link["runner_up"] = {{"id", telemetry::SpanIdToHex(other.span)},
                       {"trace", telemetry::ToHex(other.trace)},
                       {"service_name", NameOrNull(other.service, names)},
                       {"operation", other.operation},
                       {"posterior", Number(other.posterior)}};
  return link;
}

/// What else a span came of, beside its parent.
Json OtherLinksJson(const RebuiltSpan& span, const EntityNames& names) {
  Json links = Json::array();
  for (const RebuiltSpan::Link& link : span.links) {
    links.push_back({{"id", telemetry::SpanIdToHex(link.span)},
                     {"trace", telemetry::ToHex(link.trace)},
                     {"service_name", NameOrNull(link.service, names)},
                     {"operation", link.seen ? Json(link.operation) : Json(nullptr)},
                     {"seen", link.seen}});
  }
  return links;
}

/// What a call alone tells of its two clocks where its server's span does not lie within its
/// client's by the times that are shown: as it must lie there, the server's clock is ahead by
/// something in [end - end, start - start].
struct Ahead {
  Json middle_ms = nullptr, bound_ms = nullptr;
};
Ahead AheadOf(const RebuiltSpan& client, const RebuiltSpan& server) {
  using telemetry::SpanKind;
  const bool call = client.kind == SpanKind::kClient && server.kind == SpanKind::kServer;
  const bool within = client.start <= server.start && server.end <= client.end;
  if (!call || within || client.lost || server.lost || client.host == server.host) return {};
  const Nanos least = server.end - client.end, most = server.start - client.start;
  if (least > most) return {};  // it took longer than its caller waited: no clock explains that
  return {ToMillis(least + (most - least) / 2), ToMillis((most - least) / 2)};
}

Json ClockOf(const RebuiltSpan& span, const RebuiltSpan* above,
             const std::map<EntityId, std::string>& hosts) {
  const auto host = hosts.find(span.host);
  const Nanos offset = span.raw_start - span.start;
  const Ahead ahead = above == nullptr ? Ahead{} : AheadOf(*above, span);
  return {{"host", host == hosts.end() ? Json(nullptr) : Json(host->second)},
          {"offset_ms", span.lost ? Json(nullptr) : Json(ToMillis(offset))},
          {"bound_ms", span.clock_bound_s < 0 ? Json(nullptr) : Number(span.clock_bound_s * 1e3)},
          {"corrected", !span.lost && offset != 0},
          {"ahead_ms", ahead.middle_ms},
          {"ahead_bound_ms", ahead.bound_ms}};
}

Json SpanJson(const RebuiltSpan& span, const RebuiltSpan* above, const EntityNames& names,
              const std::map<EntityId, std::string>& hosts) {
  return {{"id", telemetry::SpanIdToHex(span.id)},
          {"trace", telemetry::ToHex(span.trace)},
          {"service", span.service == kNoEntity ? Json(nullptr) : Json(IdText(span.service))},
          {"service_name", NameOrNull(span.service, names)},
          {"peer_name", NameOrNull(span.peer, names)},
          {"unanswered_by", NameOrNull(span.unanswered_by, names)},
          {"operation", span.operation},
          {"kind", KindName(span.kind)},
          {"failed", span.failed},
          {"layer", span.lost ? "lost" : "observed"},
          {"raw_start_ms", ToMillis(span.raw_start)},
          {"raw_end_ms", ToMillis(span.raw_end)},
          {"start_ms", ToMillis(span.start)},
          {"end_ms", ToMillis(span.end)},
          {"clock", ClockOf(span, above, hosts)},
          {"parent", span.parent < 0 ? Json(nullptr) : Json(span.parent)},
          {"link", LinkJson(span, names)},
          {"other_links", OtherLinksJson(span, names)}};
}

}  // namespace

std::string RequestIdText(const RebuiltRequest& request) {
  return telemetry::SpanIdToHex(request.root().id);
}

bool PassesThrough(const RebuiltRequest& request, EntityId entity) {
  return std::any_of(request.spans.begin(), request.spans.end(), [&](const RebuiltSpan& span) {
    return span.service == entity || span.peer == entity;
  });
}

Json RequestSummaryJson(const RebuiltRequest& request, const EntityNames& names) {
  const RebuiltSpan& root = request.root();
  return {{"id", RequestIdText(request)},
          {"root", TitleOf(root)},
          {"service", root.service == kNoEntity ? Json(nullptr) : Json(IdText(root.service))},
          {"service_name", NameOrNull(root.service, names)},
          {"start_ms", ToMillis(root.start)},
          {"raw_start_ms", ToMillis(root.raw_start)},
          {"duration_ms", ToMillis(root.end - root.start)},
          {"spans", request.spans.size()},
          {"left_out", request.left_out},
          {"services", ServicesOf(request, names)},
          {"failed", request.failed},
          {"links_by_id", request.by_id},
          {"links_inferred", request.inferred},
          {"lost_spans", request.lost},
          {"unanswered_calls", request.unanswered},
          {"unknown", Unknown(request)},
          {"root_link", LinkJson(root, names)},
          {"wholeness", telemetry::WholenessName(telemetry::WholenessOf(request))},
          {"probability", IsGuess(request) ? Number(request.probability) : Json(nullptr)}};
}

Json RequestJson(const RebuiltRequest& request, const telemetry::Picture& picture,
                 const EntityNames& names) {
  std::map<EntityId, std::string> hosts;
  for (const auto& clock : picture.clocks) hosts.emplace(clock.id, clock.host);
  Json spans = Json::array();
  for (const RebuiltSpan& span : request.spans) {
    const RebuiltSpan* above =
        span.parent < 0 ? nullptr : &request.spans[static_cast<size_t>(span.parent)];
    spans.push_back(SpanJson(span, above, names, hosts));
  }
  Json json = RequestSummaryJson(request, names);
  json["spans"] = std::move(spans);
  return json;
}

Json RequestsJson(const telemetry::Picture& picture, size_t max_bytes) {
  const EntityNames names(picture);
  Json requests = Json::array();
  size_t bytes = 0;
  for (const auto& request : picture.requests) {
    Json json = RequestJson(*request, picture, names);
    const size_t size = Dump(json).size();
    if (size > max_bytes - bytes) continue;
    bytes += size;
    requests.push_back(std::move(json));
  }
  return {{"requests", std::move(requests)},
          {"total", picture.requests.size()},
          {"linking", RebuildingJson(picture.rebuilding)}};
}

std::string JoinLine(const telemetry::InferredJoin& join) {
  const auto span = [](uint64_t id) {
    return id == 0 ? Json(nullptr) : Json(telemetry::SpanIdToHex(id));
  };
  const auto trace = [](telemetry::TraceId id) {
    return id.empty() ? Json(nullptr) : Json(telemetry::ToHex(id));
  };
  return Dump({{"kind", join.kind == telemetry::InferredJoin::Kind::kHop ? "hop" : "call"},
               {"trace", trace(join.trace)},
               {"span", span(join.span)},
               {"parent_trace", trace(join.parent_trace)},
               {"parent_span", span(join.parent_span)},
               {"posterior", Number(join.posterior)},
               {"none", Number(join.none)},
               {"runner_up_trace", trace(join.runner_up_trace)},
               {"runner_up_span", span(join.runner_up_span)},
               {"runner_up_posterior", Number(join.runner_up_posterior)}});
}

Json RebuildingJson(const telemetry::RebuildStats& stats) {
  return {{"by_id", stats.by_id},           {"inferred", stats.inferred},
          {"not_found", stats.not_found},   {"sender_unknown", stats.sender_unknown},
          {"lost_spans", stats.lost_spans}, {"mean_posterior", Number(stats.mean_posterior)},
          {"records", stats.records},       {"waiting", stats.waiting},
          {"learned", stats.learned},       {"refused", stats.refused},
          {"span_links", stats.links},      {"span_links_unknown", stats.links_unknown}};
}

}  // namespace tomograph::publish
