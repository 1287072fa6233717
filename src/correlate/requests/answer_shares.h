// AnswerShares: who answers calls of one kind, and in what shares, with forgetting. What has no
// address of its own is told so: a client's operation, say.
#pragma once

#include <map>

#include "telemetry/entity.h"

namespace tomograph::correlate {

class AnswerShares {
 public:
  /// `service` answered `times` calls of this `kind` in this window.
  void Observe(telemetry::EntityId kind, telemetry::EntityId service, double times);
  /// The share of the remembered calls that each service answered; empty when nobody did.
  std::map<telemetry::EntityId, double> Of(telemetry::EntityId kind) const;
  /// A window has passed: what was learned loses a fiftieth of its weight.
  void Age();

 private:
  std::map<telemetry::EntityId, std::map<telemetry::EntityId, double>> seen_;
};

}  // namespace tomograph::correlate
