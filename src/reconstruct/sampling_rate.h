// SamplingRate: the share of calls whose spans arrive, where the sender does not say it. Learned
// per entity from windows that metrics count as well: seen of total, with forgetting.
//
// Assumes that a service's calls are kept with one probability whatever they are (head sampling).
// Wrong under tail sampling that prefers errors or slow calls: then the share of failures among
// spans is too high.
#pragma once

#include <map>

#include "telemetry/entity.h"

namespace tomograph::reconstruct {

class SamplingRate {
 public:
  struct Rate {
    double p = 1;
    double log_variance = 0;  // of log p
    double design_effect =
        1;  // how much more the kept number scatters than single coins would: traces are kept whole
    bool known = false;
    bool all() const { return known && p > 0.995; }
    double weight() const { return 1 / p; }
  };

  /// `seen` of `total` calls of `entity` came as spans in a window. One that sends no spans, or
  /// none any more, is not traced: it says nothing of how those are sampled that are. Call
  /// EndWindow after each window.
  void Learn(telemetry::EntityId entity, double seen, double total, double total_variance);
  void EndWindow();
  /// The entity's own rate, else the caller's (samplers act on whole traces), else what all have in
  /// common with how much they differ.
  Rate Of(telemetry::EntityId entity, telemetry::EntityId caller) const;

 private:
  struct Counts {
    double seen = 0, total = 0;
    double scatter = 0, windows = 0;  // sum of (seen - p total)^2 / its variance
    bool enough() const { return total >= 20; }
  };
  static Rate FromCounts(const Counts& c, double between);
  std::map<telemetry::EntityId, Counts> counts_;
};

}  // namespace tomograph::reconstruct
