// A rough, seeded system that leaves complete traces: waves of Poisson arrivals, log-normal times,
// traces that call the same service several times, steady errors, and an incident in which one
// service is slow, fails, and lets its callers queue. For checking estimates where everything is
// known.
#pragma once

#include <vector>

#include "base/nanotime.h"
#include "telemetry/batch.h"
#include "telemetry/identities.h"

namespace tomograph::evaluate {

struct WorkloadOptions {
  uint64_t seed = 1;
  Nanos start = 1'700'000'000 * kSecond;
  Nanos length = 15 * kMinute;
  double traces_per_s = 60;
  TimeRange incident{1'700'000'000 * kSecond + 6 * kMinute, 1'700'000'000 * kSecond + 11 * kMinute};
};

/// Normalised batches of all spans, in the order of their ends.
std::vector<telemetry::Batch> MakeWorkload(const WorkloadOptions& options,
                                           telemetry::Identities* ids);

}  // namespace tomograph::evaluate
