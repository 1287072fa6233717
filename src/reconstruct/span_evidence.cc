#include "reconstruct/span_evidence.h"

#include <algorithm>

#include "base/random.h"

namespace tomograph::reconstruct {

using telemetry::kNoEntity;
using telemetry::Quantity;
using telemetry::Window;

bool MetricsCounted(const Window& window) {
  const Quantity rate =
      window.key.caller == kNoEntity ? Quantity::kCallRate : Quantity::kClientCallRate;
  return window.gauges.count(rate) > 0;
}

bool MetricsTellFailures(const Window& window) {
  return MetricsCounted(window) && window.gauges.count(Quantity::kErrorRate) > 0;
}

void LearnRates(const telemetry::WindowSet& windows, SamplingRate* rates) {
  for (const Window& w : windows.windows) {
    if (w.key.caller != kNoEntity || !MetricsCounted(w) || w.metrics.calls <= 0) continue;
    if (w.spans.weight_unknown < w.spans.seen) continue;
    rates->Learn(w.key.entity, static_cast<double>(w.spans.seen), w.metrics.calls,
                 w.metrics.calls_variance);
  }
  rates->EndWindow();
}

SpanEvidence Weigh(const Window& window, const SamplingRate& rates, const UsualSampling& usual) {
  SpanEvidence e;
  const telemetry::CallStats& spans = window.spans;
  const double seen = static_cast<double>(spans.seen);
  if (spans.weight_unknown == 0 && spans.seen > 0) {
    e.weight = spans.calls / seen;
    e.calls_variance = spans.calls_variance;
    e.sampling = e.weight > 1 + 1e-6 ? Sampling::kWeights : Sampling::kAll;
    if (e.sampling == Sampling::kWeights)
      e.cluster = std::max(1.0, spans.calls_variance / (e.unit_variance() * seen));
    return e;
  }
  const bool only_in_flight = spans.seen == 0 && spans.busy_variance > 0 && usual.weight > 1;
  if (only_in_flight) {
    e.sampling = Sampling::kWeights;
    e.weight = usual.weight;
    e.cluster = usual.cluster;
    return e;
  }
  const SamplingRate::Rate rate = rates.Of(window.key.entity, window.key.caller);
  if (!rate.known) {
    // Weights of a part of the spans still say that there is a sampler.
    e.weight = seen > 0 ? std::max(1.0, spans.calls / seen) : usual.weight;
    if (e.weight > 1 + 1e-6) e.sampling = Sampling::kWeights;
    e.calls_variance = spans.calls_variance;
    e.cluster = usual.cluster;
    return e;
  }
  e.sampling = rate.all() ? Sampling::kAll : Sampling::kLearned;
  if (rate.all()) return e;
  e.weight = rate.weight();
  e.log_variance = rate.log_variance;
  e.cluster = rate.design_effect;
  e.calls_variance = e.unit_variance() * seen * e.cluster;
  return e;
}

void UsualSampling::Learn(const SpanEvidence& e) {
  if (e.sampling != Sampling::kWeights) return;
  constexpr double kStep = 0.1;
  weight = e.weight;
  cluster += kStep * (e.cluster - cluster);
}

uint64_t SeedOf(telemetry::WindowKey key, Nanos start, uint64_t salt) {
  return MixBits(static_cast<uint64_t>(key.entity) ^
                 MixBits(static_cast<uint64_t>(key.caller) + salt) ^
                 MixBits(static_cast<uint64_t>(start)));
}

}  // namespace tomograph::reconstruct
