// How many failed of the calls that a sampler did not keep, as the seen ones and the past say it.
#pragma once

#include <cstdint>

#include "reconstruct/failure_history.h"
#include "reconstruct/posterior.h"

namespace tomograph::reconstruct {

/// `failed` were seen, and `rest` calls, give or take `rest_variance`, were not; failures come
/// `cluster` at a time. Beta-binomial in each of the two regimes.
Spread UnseenFailures(double failed, double rest, double rest_variance, double cluster,
                      const FailureHistory::Regimes& now, uint64_t seed);

}  // namespace tomograph::reconstruct
