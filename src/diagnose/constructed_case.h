// Cases made by hand for tests: services by name, values by step. Used by tests alone.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "diagnose/case.h"

namespace tomograph::diagnose {

inline telemetry::EntityId Service(const std::string& name) {
  return telemetry::MakeEntityId(telemetry::EntityKind::kService, "", name);
}

class ConstructedCase {
 public:
  /// `before` steps of normal, then `during` steps from the alert on; 5 s each.
  ConstructedCase(size_t before, size_t during) : before_(before), during_(during) {
    incident_.step = 5 * kSecond;
    for (size_t i = 0; i < before + during; ++i)
      incident_.times.push_back(kStart + static_cast<Nanos>(i) * incident_.step);
    incident_.alert.time = kStart + static_cast<Nanos>(before) * incident_.step;
  }

  /// A level before and one during, with a ripple of 1 % so that it has a scale.
  ConstructedCase& Add(const std::string& entity, telemetry::Quantity q, double normal,
                       double ill) {
    return AddValues(entity, "", q, Levels(normal, ill));
  }
  ConstructedCase& AddEdge(const std::string& caller, const std::string& callee,
                           telemetry::Quantity q, double normal, double ill) {
    return AddValues(callee, caller, q, Levels(normal, ill));
  }
  /// In place of what was there.
  ConstructedCase& AddValues(const std::string& entity, const std::string& caller,
                             telemetry::Quantity q, std::vector<double> values) {
    CaseSeries s;
    s.entity = Service(entity);
    if (!caller.empty()) s.caller = Service(caller);
    s.quantity = q;
    s.metric = std::string(telemetry::QuantityName(q));
    s.values = std::move(values);
    std::erase_if(incident_.series, [&](const CaseSeries& old) {
      return old.entity == s.entity && old.caller == s.caller && old.metric == s.metric;
    });
    incident_.series.push_back(std::move(s));
    return *this;
  }
  /// What a served entity tells: 10 calls/s, latency in s, no failures.
  ConstructedCase& Serves(const std::string& entity, double normal, double ill) {
    Add(entity, telemetry::Quantity::kCallRate, 10, 10);
    Add(entity, telemetry::Quantity::kErrorRatio, 0, 0);
    return Add(entity, telemetry::Quantity::kLatency, normal, ill);
  }
  ConstructedCase& Calls(const std::string& caller, const std::string& callee) {
    telemetry::Edge e;
    e.caller = Service(caller);
    e.callee = Service(callee);
    e.confidence = 1;
    incident_.edges.push_back(e);
    return *this;
  }
  /// The same with what the caller measures of it: 10 calls/s.
  ConstructedCase& CallsSeen(const std::string& caller, const std::string& callee, double normal,
                             double ill) {
    Calls(caller, callee);
    AddEdge(caller, callee, telemetry::Quantity::kClientCallRate, 10, 10);
    AddEdge(caller, callee, telemetry::Quantity::kClientErrorRatio, 0, 0);
    return AddEdge(caller, callee, telemetry::Quantity::kClientLatency, normal, ill);
  }
  ConstructedCase& AlertOn(const std::string& entity, telemetry::Quantity q) {
    incident_.alert.entity = Service(entity);
    incident_.alert.quantity = q;
    return *this;
  }

  Case& incident() { return incident_; }
  Nanos onset() const { return incident_.alert.time; }
  std::vector<double> Levels(double normal, double ill) const {
    std::vector<double> values;
    for (size_t i = 0; i < before_ + during_; ++i) {
      values.push_back((i < before_ ? normal : ill) *
                       (1 + 0.01 * (static_cast<double>(i % 3) - 1)));
    }
    return values;
  }

 private:
  static constexpr Nanos kStart = 1'700'000'000 * kSecond;
  size_t before_, during_;
  Case incident_;
};

}  // namespace tomograph::diagnose
