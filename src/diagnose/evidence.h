// EntityEvidence: what a case says of one entity, quantity by quantity: before, during, since when.
// The causes judge this and nothing else.
#pragma once

#include <array>
#include <string>

#include "diagnose/baseline/onset.h"
#include "diagnose/case_view.h"
#include "diagnose/excess_flow.h"

namespace tomograph::diagnose {

struct Shift {
  bool known = false;  // measured before and during
  double before = 0;   // median
  double after = 0;    // mean over the incident, steps weighed by how ill the alerting entity is
  double highest = 0;  // of the incident's steps
  double z = 0;        // (after - before) in robust deviations; signed
  telemetry::Statistic statistic = telemetry::Statistic::kValue;  // of the series it is read from
  double rise() const { return after - before; }
};

struct EntityEvidence {
  telemetry::EntityId entity = telemetry::kNoEntity;
  std::string name;
  TimeRange range;  // of the case
  Blame blame;
  Onset onset;  // of its own harm; time = the alert's when not found

  std::array<Shift, telemetry::kQuantityCount> shifts;  // of its own series
  const Shift& of(telemetry::Quantity q) const { return shifts[static_cast<size_t>(q)]; }
  Shift callers_latency;  // as its callers see it, all of them together
  Shift callers_errors;
  double calls_per_s = 0;  // that it served during the incident; 0: not known
  Shift pool_use;          // connections in use as a share of the pool

  bool restarts_known = false;
  double restarts = 0;  // during the incident
  double restarts_before = 0;
  double silent = 0;  // share of the incident without a word of its own, against before
  int returns = 0;  // silences since the onset, longer than any before, after which it spoke again
  bool memory_known = false;
  double memory_growth = 0;  // share of its usual level gained along its steepest stretch, >= 0
  double memory_fit = 0;     // how much of the variance the line explains, 0..1

  // The last one before the onset; not the one that it came to be with, if it was well since.
  const telemetry::ChangeEvent* change = nullptr;
  double change_gap_s = 0;  // from the change to the onset; < 0: after it
  int changed_at_once = 0;  // entities that were changed within a minute of it, itself included
};

EntityEvidence GatherEvidence(const CaseView& view, int entity, const Blame& blame,
                              std::string name);

}  // namespace tomograph::diagnose
