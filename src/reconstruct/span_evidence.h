// SpanEvidence: what the spans of a window stand for: all calls, or a sample with which weight.
#pragma once

#include "reconstruct/sampling_rate.h"
#include "telemetry/window.h"

namespace tomograph::reconstruct {

enum class Sampling : uint8_t {
  kAll,      // every call has its span
  kAssumed,  // nobody says that spans are left out, and no metrics can tell: taken for all
  kWeights,  // the sender's weights
  kLearned,  // a rate learned from metrics
};

struct SpanEvidence {
  Sampling sampling = Sampling::kAssumed;
  double weight = 1;        // calls per span
  double log_variance = 0;  // of the weight
  double cluster = 1;  // sum Y^2 / sum Y over traces: calls that a sampler keeps or drops together
  double calls_variance = 0;  // design variance of weight * seen

  bool complete() const { return sampling == Sampling::kAll || sampling == Sampling::kAssumed; }
  /// (1-p)/p^2 = w (w-1), the variance that one call kept with probability p adds.
  double unit_variance() const { return weight * (weight - 1); }
};

/// What past windows of a key said, for windows in which no call ended.
struct UsualSampling {
  double weight = 1;
  double cluster = 1;
  void Learn(const SpanEvidence& e);
};

SpanEvidence Weigh(const telemetry::Window& window, const SamplingRate& rates,
                   const UsualSampling& usual);

/// Were calls counted by metrics in this window (0 included)?
bool MetricsCounted(const telemetry::Window& window);
/// Would those metrics have told of failures?
bool MetricsTellFailures(const telemetry::Window& window);
/// Lets `rates` learn from every entity's window that spans of unknown sampling and metrics both
/// count.
void LearnRates(const telemetry::WindowSet& windows, SamplingRate* rates);

/// For the coin of a discrete interval: differs between entities and windows, is the same in every
/// run.
uint64_t SeedOf(telemetry::WindowKey key, Nanos start, uint64_t salt);

}  // namespace tomograph::reconstruct
