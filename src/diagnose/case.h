// Case: all that a diagnosis may look at, on one time axis. Live windows, recordings and labelled
// suites all become this, so that they are ranked by the same code with the same configuration.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "telemetry/hypothesis.h"
#include "telemetry/picture.h"
#include "telemetry/quantity.h"

namespace tomograph::diagnose {

struct CaseSeries {
  telemetry::EntityId entity = telemetry::kNoEntity;
  telemetry::EntityId caller = telemetry::kNoEntity;  // an edge's series
  telemetry::Quantity quantity = telemetry::Quantity::kOther;
  telemetry::Statistic statistic = telemetry::Statistic::kValue;
  std::string metric;          // the source's name, for people
  std::vector<double> values;  // one a step of Case::times; NaN: missing
  std::vector<double>
      reference;  // normal values from elsewhere (another period), any length; may be empty
};

struct Case {
  std::vector<Nanos> times;  // start of each step, ascending; whole stretches may be left out
  Nanos step = 0;
  std::vector<CaseSeries> series;
  std::vector<telemetry::Edge> edges;  // may be empty: no graph is known
  std::vector<telemetry::ChangeEvent> changes;
  /// By how much the times of an entity may be off, from its hosts; absent: not known.
  std::map<telemetry::EntityId, Nanos> clock_bounds;
  /// When each was first heard of, itself or by its callers, maybe before `times`; absent: not
  /// known.
  std::map<telemetry::EntityId, Nanos> heard_since;
  telemetry::Alert alert;
};

}  // namespace tomograph::diagnose
