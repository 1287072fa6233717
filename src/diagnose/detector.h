// Detector: which services are ill now. Each has baselines of its latency, failures and calls;
// evidence adds up over windows (one-sided CUSUM), so that three windows clearly off, or one beyond
// doubt, raise it, and a single slow request among few does not. Missing values change nothing. Not
// thread-safe.
#pragma once

#include <map>
#include <vector>

#include "diagnose/baseline/baseline.h"
#include "diagnose/history.h"
#include "telemetry/picture.h"

namespace tomograph::diagnose {

struct Illness {
  telemetry::EntityId entity = telemetry::kNoEntity;
  telemetry::Quantity quantity = telemetry::Quantity::kOther;  // kLatency, kErrorRatio or kCallRate
  Nanos since = 0;  // start of the first window of this illness
  double observed = 0;
  double expected = 0;
  double strength = 0;  // of this window, in deviations; <= 0: well again in this window
};

class Detector {
 public:
  explicit Detector(Nanos warm_up) : warm_up_(warm_up) {}

  /// After `history` took the window that starts at `start`. `learn`: nothing is wrong elsewhere,
  /// so this window may be learned as normal where it is.
  void Update(const History& history, const telemetry::WindowSet& windows,
              const std::vector<telemetry::Edge>& edges, bool learn);
  /// Ordered by entity, then quantity.
  const std::vector<Illness>& ill() const { return ill_; }

 private:
  struct Watch {
    Baseline baseline;
    double evidence = 0;
    bool ill = false;
    Nanos since = 0;
    Nanos last_seen = 0;
  };
  struct Symptom {
    double strength = 0;  // clipped deviations that count as evidence
    double observed = 0, expected = 0;
  };
  using Key = std::pair<telemetry::EntityId, telemetry::Quantity>;

  Watch& WatchOf(telemetry::EntityId entity, telemetry::Quantity quantity);
  /// `calls`: behind `value`; NaN when nobody counts them.
  Symptom Judge(const Watch& watch, telemetry::Quantity quantity, Nanos start, double value,
                double calls) const;
  bool CallersAsBefore(const History& history, telemetry::EntityId entity,
                       const std::vector<telemetry::Edge>& edges) const;
  void Forget(Nanos now);

  const Nanos warm_up_;
  Nanos first_ = -1;
  std::map<Key, Watch> watches_;
  std::vector<Illness> ill_;
};

}  // namespace tomograph::diagnose
