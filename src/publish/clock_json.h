// Clocks as the API and /metrics show them (docs/api.md, "Clocks").
#pragma once

#include "publish/json.h"
#include "telemetry/host_clock.h"

namespace tomograph::publish {

/// What is known of a host's clock now, in one word:
///   reference  it is what the others of its part are measured against
///   corrected  measured, and proved wrong: its times are corrected
///   raw        measured, and right as far as one can tell, or so far off that its times cannot be
///              moved (a window's length): they stand
///   one_sided  calls in one direction of time only: a bound on one side, no estimate
///   unknown    no contact, or none for five minutes
std::string_view ClockState(const telemetry::HostClock& clock, Nanos watermark);

Json ClockJson(const telemetry::HostClock& clock, Nanos watermark);
Json ClockFindingJson(const telemetry::ClockFinding& finding);
/// "corrected" when some host's times are, else "raw".
std::string_view TimesShown(const telemetry::Picture& picture);

}  // namespace tomograph::publish
