#include "store/duckdb/incident_json.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "telemetry/batch.h"

namespace tomograph::store {
namespace {

using nlohmann::json;
using telemetry::Alert;
using telemetry::Diagnosis;
using telemetry::EntityId;
using telemetry::Evidence;
using telemetry::Hypothesis;
using telemetry::Incident;

json FromEntity(EntityId id) { return telemetry::SpanIdToHex(static_cast<uint64_t>(id)); }

json FromNumber(double value) {
  if (std::isfinite(value)) return value;
  if (std::isnan(value)) return "NaN";
  return value > 0 ? "Infinity" : "-Infinity";
}

template <typename T, typename Convert>
json FromList(const std::vector<T>& items, Convert convert) {
  json list = json::array();
  for (const T& item : items) list.push_back(convert(item));
  return list;
}

json FromEvidence(const Evidence& e) {
  return {
      {"id", e.id}, {"text", e.text}, {"weight", FromNumber(e.weight)}, {"of_place", e.of_place}};
}

json FromHypothesis(const Hypothesis& h) {
  return {{"cause", h.cause},
          {"entity", FromEntity(h.entity)},
          {"onset_ns", h.onset},
          {"onset_error_ns", h.onset_error},
          {"posterior", FromNumber(h.posterior)},
          {"why", h.why},
          {"next_check", h.next_check},
          {"evidence_for", FromList(h.evidence_for, FromEvidence)},
          {"evidence_against", FromList(h.evidence_against, FromEvidence)}};
}

json FromAlert(const Alert& a) {
  return {{"entity", FromEntity(a.entity)},
          {"quantity", telemetry::QuantityName(a.quantity)},
          {"time_ns", a.time},
          {"observed", FromNumber(a.observed)},
          {"expected", FromNumber(a.expected)},
          {"text", a.text}};
}

json FromDiagnosis(const Diagnosis& d) {
  return {{"alert", FromAlert(d.alert)},
          {"made_at_ns", d.made_at},
          {"hypotheses", FromList(d.hypotheses, FromHypothesis)},
          {"unknown", FromNumber(d.unknown)},
          {"certainty", telemetry::CertaintyName(d.certainty)},
          {"summary", d.summary},
          {"missing", d.missing},
          {"ruled_out", d.ruled_out}};
}

json FromMovement(const telemetry::Movement& m) {
  return {{"entity", FromEntity(m.entity)},
          {"quantity", telemetry::QuantityName(m.quantity)},
          {"up", m.up},
          {"onset_ns", m.onset},
          {"lower_ns", m.lower},
          {"upper_ns", m.upper},
          {"clock_known", m.clock_known},
          {"from", FromEntity(m.from)},
          {"lag_s", FromNumber(m.lag_s)},
          {"lag_lower_s", FromNumber(m.lag_lower_s)},
          {"lag_upper_s", FromNumber(m.lag_upper_s)},
          {"p_order", FromNumber(m.p_order)},
          {"order", telemetry::OrderName(m.order)}};
}

// The readers below throw on wrong types; IncidentFromJson catches.

EntityId ToEntity(const json& j) {
  uint64_t id = 0;
  static_cast<void>(telemetry::ParseSpanId(j.get<std::string>(), &id));
  return EntityId{id};
}

double ToNumber(const json& j) {
  if (!j.is_string()) return j.get<double>();
  const auto text = j.get<std::string>();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  return std::numeric_limits<double>::quiet_NaN();
}

/// object[key], or null when it is absent; throws when `object` is none.
const json* Find(const json& object, const char* key) {
  const auto& members = object.get_ref<const json::object_t&>();
  const auto it = members.find(key);
  return it == members.end() ? nullptr : &it->second;
}

/// Reads object[key] into *out, if it is there.
template <typename T>
void Read(const json& object, const char* key, T* out) {
  if (const json* value = Find(object, key)) *out = value->get<T>();
}
template <typename T, typename Convert>
void Read(const json& object, const char* key, T* out, Convert convert) {
  if (const json* value = Find(object, key)) *out = convert(*value);
}
template <typename T, typename Convert>
void ReadList(const json& object, const char* key, std::vector<T>* out, Convert convert) {
  const json* list = Find(object, key);
  if (list == nullptr) return;
  for (const json& item : list->get_ref<const json::array_t&>()) out->push_back(convert(item));
}

Evidence ToEvidence(const json& j) {
  Evidence e;
  Read(j, "id", &e.id);
  Read(j, "text", &e.text);
  Read(j, "weight", &e.weight, ToNumber);
  Read(j, "of_place", &e.of_place);
  return e;
}

Hypothesis ToHypothesis(const json& j) {
  Hypothesis h;
  Read(j, "cause", &h.cause);
  Read(j, "entity", &h.entity, ToEntity);
  Read(j, "onset_ns", &h.onset);
  Read(j, "onset_error_ns", &h.onset_error);
  Read(j, "posterior", &h.posterior, ToNumber);
  Read(j, "why", &h.why);
  Read(j, "next_check", &h.next_check);
  ReadList(j, "evidence_for", &h.evidence_for, ToEvidence);
  ReadList(j, "evidence_against", &h.evidence_against, ToEvidence);
  return h;
}

template <typename Enum, typename Name>
Enum ToEnum(const std::string& name, int count, Name name_of, Enum missing) {
  for (int i = 0; i < count; ++i) {
    if (name_of(static_cast<Enum>(i)) == name) return static_cast<Enum>(i);
  }
  return missing;
}

telemetry::Quantity ToQuantity(const json& name) {
  return ToEnum(name.get<std::string>(), telemetry::kQuantityCount, telemetry::QuantityName,
                telemetry::Quantity::kOther);
}

Alert ToAlert(const json& j) {
  Alert a;
  Read(j, "entity", &a.entity, ToEntity);
  Read(j, "quantity", &a.quantity, ToQuantity);
  Read(j, "time_ns", &a.time);
  Read(j, "observed", &a.observed, ToNumber);
  Read(j, "expected", &a.expected, ToNumber);
  Read(j, "text", &a.text);
  return a;
}

Diagnosis ToDiagnosis(const json& j) {
  Diagnosis d;
  Read(j, "alert", &d.alert, ToAlert);
  Read(j, "made_at_ns", &d.made_at);
  ReadList(j, "hypotheses", &d.hypotheses, ToHypothesis);
  Read(j, "unknown", &d.unknown, ToNumber);
  Read(j, "certainty", &d.certainty, [](const json& name) {
    return ToEnum(name.get<std::string>(), 3, telemetry::CertaintyName,
                  telemetry::Certainty::kInconclusive);
  });
  Read(j, "summary", &d.summary);
  Read(j, "missing", &d.missing);
  Read(j, "ruled_out", &d.ruled_out);
  return d;
}

telemetry::Movement ToMovement(const json& j) {
  telemetry::Movement m;
  Read(j, "entity", &m.entity, ToEntity);
  Read(j, "quantity", &m.quantity, ToQuantity);
  Read(j, "up", &m.up);
  Read(j, "onset_ns", &m.onset);
  Read(j, "lower_ns", &m.lower);
  Read(j, "upper_ns", &m.upper);
  Read(j, "clock_known", &m.clock_known);
  Read(j, "from", &m.from, ToEntity);
  Read(j, "lag_s", &m.lag_s, ToNumber);
  Read(j, "lag_lower_s", &m.lag_lower_s, ToNumber);
  Read(j, "lag_upper_s", &m.lag_upper_s, ToNumber);
  Read(j, "p_order", &m.p_order, ToNumber);
  Read(j, "order", &m.order, [](const json& name) {
    return ToEnum(name.get<std::string>(), 4, telemetry::OrderName, telemetry::Order::kNone);
  });
  return m;
}

}  // namespace

std::string IncidentToJson(const Incident& incident) {
  const json document = {{"id", incident.id},
                         {"opened_ns", incident.opened},
                         {"closed_ns", incident.closed},
                         {"members", FromList(incident.members, FromEntity)},
                         {"diagnosis", FromDiagnosis(incident.diagnosis)},
                         {"propagation", FromList(incident.propagation, FromMovement)}};
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<Incident> IncidentFromJson(std::string_view text) {
  try {
    const json document = json::parse(text);
    Incident incident;
    Read(document, "id", &incident.id);
    Read(document, "opened_ns", &incident.opened);
    Read(document, "closed_ns", &incident.closed);
    ReadList(document, "members", &incident.members, ToEntity);
    Read(document, "diagnosis", &incident.diagnosis, ToDiagnosis);
    ReadList(document, "propagation", &incident.propagation, ToMovement);
    return incident;
  } catch (const json::exception& e) {
    return Status::Corrupt(std::string("a stored incident cannot be read: ") + e.what());
  }
}

}  // namespace tomograph::store
