// TraceSampling: OpenTelemetry's consistent probability sampling. A trace is kept if its
// randomness, the low 56 bits of its id, is at least the rejection threshold T = (1 - p) 2^56; so
// whoever keeps with a smaller p keeps a part of what others keep, and every span of a trace has
// the same fate. Source: opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling.
#pragma once

#include <cstdint>
#include <string>

#include "telemetry/batch.h"

namespace tomograph::simulate {

class TraceSampling {
 public:
  /// `keep` <= 0: none (of which nothing can tell), >= 1: all.
  explicit TraceSampling(double keep);

  bool Keeps(telemetry::TraceId trace) const { return (trace.lo & kMask) >= threshold_; }
  /// "ot=th:c", trailing zeros left out; empty when all are kept.
  const std::string& trace_state() const { return trace_state_; }

 private:
  static constexpr uint64_t kMask = (uint64_t{1} << 56) - 1;
  uint64_t threshold_ = 0;  // 2^56: none
  std::string trace_state_;
};

}  // namespace tomograph::simulate
