// Diagnoser: windows, changes and estimates in, incidents with ranked hypotheses out. Keeps bounded
// history per series (baseline/), finds what left its normal range, opens one incident for it, and
// ranks causes (cause/, one kind a file; ranker.h) over the entities. Not thread-safe.
//
// All that is ill at once is one incident, and so is what comes again before six windows were well.
// Something else that falls ill in these is an incident of its own. None is measured against the
// time in which earlier ones were ill.
//
// Missing is not bad: a series that stops is its own state and raises nothing by itself.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "telemetry/estimate.h"
#include "telemetry/hypothesis.h"
#include "telemetry/identities.h"
#include "telemetry/picture.h"
#include "telemetry/window.h"

namespace tomograph::diagnose {

struct DiagnoserOptions {
  Nanos history = 30 * kMinute;  // kept at window resolution: 1.4 KiB a series
  Nanos warm_up = 30 * kSecond;  // of data before anything may be called abnormal
  /// Posterior of the first hypothesis from which on a cause is worth waking somebody.
  double paging_threshold = 0.7;
};

class Diagnoser {
 public:
  Diagnoser(DiagnoserOptions options, const telemetry::Identities* identities);
  ~Diagnoser();

  void AddChange(const telemetry::ChangeEvent& change);
  /// By how much the times of each entity may be off; those that are absent are not known.
  void SetClockBounds(std::map<telemetry::EntityId, Nanos> bounds);
  /// One interval, in time order. `edges` is the topology as known now.
  void Update(const telemetry::WindowSet& windows,
              const std::vector<telemetry::Estimate>& estimates,
              const std::vector<telemetry::Edge>& edges);
  /// Newest first, open ones before closed ones; bounded.
  const std::vector<telemetry::Incident>& incidents() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::diagnose
