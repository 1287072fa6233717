// AddressBook: who answers at an address that clients call. Learned from pairs of a client's span
// (which names the address) and the server's span below it (which names the service), with
// forgetting, so that an address that goes to another owner is relearned instead of drawing an edge
// to the old one.
#pragma once

#include <map>

#include "telemetry/entity.h"

namespace tomograph::correlate {

class AddressBook {
 public:
  struct Answer {
    telemetry::EntityId entity =
        telemetry::kNoEntity;  // the address itself when nobody clear answers
    double confidence = 0;
  };

  /// `service` answered a call to `address` `times` times in this window.
  void Observe(telemetry::EntityId address, telemetry::EntityId service, double times = 1);
  /// The service that answers there if it had at least 4/5 of the remembered calls; else the
  /// address.
  Answer Resolve(telemetry::EntityId address) const;
  /// The share of the remembered calls that each service answered there; empty when nobody did.
  std::map<telemetry::EntityId, double> SharesOf(telemetry::EntityId address) const;
  /// A window has passed: what was learned loses a fiftieth of its weight.
  void Age();

 private:
  std::map<telemetry::EntityId, std::map<telemetry::EntityId, double>> seen_;
};

}  // namespace tomograph::correlate
