// EdgeBook: who calls whom, on what evidence, first and last seen when. The best evidence stays: an
// edge once joined by ids remains so when later only the caller's word for it arrives.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "telemetry/picture.h"

namespace tomograph::correlate {

/// From weak to strong.
enum class EdgeBasis : uint8_t { kClientMetrics, kClientSpans, kInferred, kSpans };

class EdgeBook {
 public:
  explicit EdgeBook(size_t max_edges) : max_edges_(max_edges) {}
  /// The edge was seen between `from` and `to`. False when it is new and the book is full.
  bool Observe(telemetry::EntityId caller, telemetry::EntityId callee, EdgeBasis basis,
               double confidence, Nanos from, Nanos to);
  /// Ordered by caller, callee.
  std::vector<telemetry::Edge> Edges() const;

 private:
  struct Known {
    EdgeBasis basis = EdgeBasis::kClientMetrics;
    double confidence = 0;
    Nanos first_seen = 0;
    Nanos last_seen = 0;
  };
  size_t max_edges_;
  std::map<std::pair<telemetry::EntityId, telemetry::EntityId>, Known> edges_;
};

}  // namespace tomograph::correlate
