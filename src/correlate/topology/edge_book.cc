#include "correlate/topology/edge_book.h"

#include <algorithm>

namespace tomograph::correlate {
namespace {

const char* Words(EdgeBasis basis) {
  switch (basis) {
    case EdgeBasis::kSpans:
      return "spans";
    case EdgeBasis::kInferred:
      return "inferred";
    case EdgeBasis::kClientSpans:
      return "client spans";
    case EdgeBasis::kClientMetrics:
      return "client metrics";
  }
  return "";
}

}  // namespace

bool EdgeBook::Observe(telemetry::EntityId caller, telemetry::EntityId callee, EdgeBasis basis,
                       double confidence, Nanos from, Nanos to) {
  const auto key = std::pair(caller, callee);
  auto at = edges_.find(key);
  if (at == edges_.end()) {
    if (edges_.size() >= max_edges_) return false;
    at = edges_.emplace(key, Known{basis, confidence, from, to}).first;
  }
  Known& known = at->second;
  if (basis > known.basis) {
    known.basis = basis;
    known.confidence = confidence;
  } else if (basis == known.basis) {
    known.confidence = confidence;
  }
  known.first_seen = std::min(known.first_seen, from);
  known.last_seen = std::max(known.last_seen, to);
  return true;
}

std::vector<telemetry::Edge> EdgeBook::Edges() const {
  std::vector<telemetry::Edge> edges;
  edges.reserve(edges_.size());
  for (const auto& [key, known] : edges_) {
    telemetry::Edge e;
    e.caller = key.first;
    e.callee = key.second;
    e.confidence = known.confidence;
    e.first_seen = known.first_seen;
    e.last_seen = known.last_seen;
    e.basis = Words(known.basis);
    edges.push_back(std::move(e));
  }
  return edges;
}

}  // namespace tomograph::correlate
