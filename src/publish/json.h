// The API's JSON shapes of the Picture's parts (docs/api.md). The same everywhere: in answers, in
// event streams, in reports.
//
// Times and durations are milliseconds in `..._ms` (since the Unix epoch, with a fraction: a double
// holds a microsecond of today exactly enough); values of estimates and series are in the base unit
// that stands beside them. What is not a number is null. Ids of entities are 16 hex digits, with
// the name beside them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>

#include "telemetry/picture.h"

namespace tomograph::publish {

using Json = nlohmann::ordered_json;

/// Names of the Picture's entities. Refers to the Picture.
class EntityNames {
 public:
  explicit EntityNames(const telemetry::Picture& picture);
  const telemetry::Entity* Find(telemetry::EntityId id) const;
  /// The id's digits when the Picture does not know it.
  std::string Name(telemetry::EntityId id) const;

 private:
  std::unordered_map<telemetry::EntityId, const telemetry::Entity*> by_id_;
};

std::string IdText(telemetry::EntityId id);
bool ParseIdText(std::string_view text, telemetry::EntityId* id);
double ToMillis(Nanos t);
/// null when not finite; nine significant digits otherwise, since no estimate has more to say.
Json Number(double value);
/// Compact text; invalid UTF-8 is replaced, never refused.
std::string Dump(const Json& json);

Json EntityJson(const telemetry::Entity& entity);
Json EstimateJson(const telemetry::Estimate& estimate, const EntityNames& names);
Json LineJson(const telemetry::TimeLine& line, const EntityNames& names);
Json ChangeJson(const telemetry::ChangeEvent& change);
Json HypothesisJson(const telemetry::Hypothesis& hypothesis, const EntityNames& names);
Json IncidentJson(const telemetry::Incident& incident, const EntityNames& names);
Json LossJson(const telemetry::Picture& picture);
Json StatusJson(const telemetry::Picture& picture);
/// {"nodes": entities with their newest figures, "edges": ...}
Json TopologyJson(const telemetry::Picture& picture, const EntityNames& names);
/// As it was at an instant within the Picture's history.
Json TopologyJsonAt(const telemetry::Picture& picture, Nanos at, const EntityNames& names);

/// All that is known of one entity over the Picture's history, column by column: lines and
/// estimates of its own and of its edges. What the page draws.
Json AxisJson(const telemetry::Picture& picture, telemetry::EntityId entity,
              const EntityNames& names);

/// What the page loads first. Estimates are those of the newest window; history comes by AxisJson.
Json PictureJson(const telemetry::Picture& picture);

}  // namespace tomograph::publish
