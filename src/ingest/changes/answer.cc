#include "ingest/changes/answer.h"

#include <nlohmann/json.hpp>

namespace tomograph::ingest::changes {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostEvents = 100;
constexpr size_t kMostServices = 12;
constexpr int kRpcInvalidArgument = 3;  // of google.rpc.Code, as the OTLP paths answer

bool IsUnmatched(const Understood& event, const telemetry::EntityRegistry& entities) {
  return event.kept && !event.service.empty() &&
         entities.ServiceNamed(event.service) == telemetry::kNoEntity;
}

std::string KnownServices(const telemetry::EntityRegistry& entities) {
  std::string names;
  size_t services = 0;
  for (const telemetry::Entity& e : entities.All()) {
    if (e.kind != telemetry::EntityKind::kService || ++services > kMostServices) continue;
    names += (names.empty() ? "" : ", ") + e.name;
  }
  if (services == 0) return "none is known yet";
  if (services > kMostServices)
    names += " and " + std::to_string(services - kMostServices) + " more";
  return "known: " + names;
}

std::string ProblemOf(const Understood& event, const telemetry::EntityRegistry& entities,
                      const std::string& known_services) {
  if (!IsUnmatched(event, entities)) return event.problem;
  return (event.problem.empty() ? "" : event.problem + "; ") +
         "no single known service is called '" + event.service +
         "': it is matched when telemetry of one comes (" + known_services + ")";
}

}  // namespace

Answer AnswerTo(const std::vector<Understood>& events, const telemetry::EntityRegistry& entities) {
  const std::string known_services = KnownServices(entities);
  Json list = Json::array();
  size_t kept = 0, with_problem = 0;
  std::string first_problem;
  for (const Understood& event : events) {
    const std::string problem = ProblemOf(event, entities, known_services);
    kept += event.kept ? 1 : 0;
    with_problem += problem.empty() ? 0 : 1;
    if (first_problem.empty()) first_problem = problem;
    if (list.size() == kMostEvents) continue;
    Json one = {{"id", event.id}, {"kept", event.kept}};
    if (event.kept) {
      one["kind"] = telemetry::ChangeKindName(event.kind);
      one["service"] = event.service.empty() ? Json(nullptr) : Json(event.service);
      one["version"] = event.version;
      one["environment"] = event.environment;
      one["time"] = FormatTime(event.time);
    }
    if (!problem.empty()) one["problem"] = problem;
    list.push_back(std::move(one));
  }
  Answer answer;
  Json body;
  if (kept == 0 && !events.empty()) {
    answer.status = 400;
    body["code"] = kRpcInvalidArgument;
    body["message"] = first_problem;
  } else if (with_problem > 0) {
    answer.status = 202;
  }
  body["kept"] = kept;
  body["dropped"] = events.size() - kept;
  body["with_problem"] = with_problem;
  body["events"] = std::move(list);
  answer.json = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  return answer;
}

void CountUnmatched(const std::vector<Understood>& events,
                    const telemetry::EntityRegistry& entities, telemetry::LossLedger* ledger) {
  for (const Understood& event : events) {
    // One reason a record: what was repaired already stays under its own.
    if (event.repaired || !IsUnmatched(event, entities)) continue;
    ledger->AcceptedThenLost(telemetry::Format::kCdEvents, telemetry::Signal::kEvent,
                             telemetry::Reason::kUnknownService);
  }
}

}  // namespace tomograph::ingest::changes
