#include "validate/measurement.h"

#include <algorithm>
#include <initializer_list>

namespace tomograph::validate {

using telemetry::GaugeStats;
using telemetry::Quantity;
using telemetry::Window;

namespace {

constexpr double kOfLag = 0.05;

const GaugeStats* GaugeOf(const Window& window, Quantity quantity) {
  const auto found = window.gauges.find(quantity);
  return found == window.gauges.end() || found->second.samples == 0 ? nullptr : &found->second;
}

Measurement OfCount(Witness witness, std::string_view state, const GaugeStats& gauge) {
  return {witness, state, gauge.mean(), 0, static_cast<double>(gauge.samples)};
}

}  // namespace

std::vector<Measurement> MeasuredIn(const Window& window) {
  std::vector<Measurement> measured;
  if (const GaugeStats* g = GaugeOf(window, Quantity::kInFlight))
    measured.push_back(OfCount(Witness::kInFlight, "in_flight", *g));
  const GaugeStats* queue = GaugeOf(window, Quantity::kQueueDepth);
  if (queue == nullptr) queue = GaugeOf(window, Quantity::kConnectionsPending);
  if (queue != nullptr) measured.push_back(OfCount(Witness::kQueue, "queue_depth", *queue));
  if (const GaugeStats* g = GaugeOf(window, Quantity::kReplicaLag)) {
    const double sd = std::max(kOfLag * g->mean(), (g->max - g->min) / 2);
    measured.push_back({Witness::kReplicaLag, "replica_lag", g->mean(), sd * sd, 0});
  }
  return measured;
}

void Hide(Witness witness, Window* window) {
  const auto erase = [&](std::initializer_list<Quantity> quantities) {
    for (const Quantity q : quantities) window->gauges.erase(q);
  };
  switch (witness) {
    case Witness::kInFlight:
      return erase({Quantity::kInFlight});
    case Witness::kQueue:
      return erase({Quantity::kQueueDepth, Quantity::kConnectionsPending});
    case Witness::kReplicaLag:
      return erase({Quantity::kReplicaLag});
  }
}

}  // namespace tomograph::validate
