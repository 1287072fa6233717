// Prometheus text exposition of a Picture: the newest window's estimates as quantiles, open
// incidents' hypotheses, the loss ledger and the engine's own figures. Listed in docs/api.md.
#pragma once

#include <string>

#include "telemetry/picture.h"

namespace tomograph::publish {

/// Valid for promtool. No series comes twice, whatever the names in the telemetry.
std::string MetricsText(const telemetry::Picture& picture);

}  // namespace tomograph::publish
