// What a gauge should have read, given an estimate of the mean that it is a noisy look at.
#pragma once

#include "telemetry/estimate.h"
#include "telemetry/window.h"

namespace tomograph::evaluate {

/// Share of the predictive distribution of the sum of the gauge's readings below the sum that was
/// read; a tie is split by `coin` in [0, 1). Uniform where the estimate is right. `looks`: how many
/// of the readings are independent; at each the number is Poisson around the estimated mean.
double PredictedBelow(const telemetry::Estimate& estimate, const telemetry::GaugeStats& gauge,
                      double looks, double coin);

}  // namespace tomograph::evaluate
