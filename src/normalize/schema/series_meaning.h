// What a series measures and of whom, where the metric's name alone does not say: the labels that
// pick a part (state="used", quantile="0.9") or name the callee, and the objects that exporters
// report on.
#pragma once

#include "telemetry/identities.h"

namespace tomograph::normalize {

/// Fills quantity, statistic, scale, entity and peer. The series' resource must be completed.
void CompleteSeriesMeaning(telemetry::Series* series, telemetry::Identities* identities);

}  // namespace tomograph::normalize
