// Clocks as the API and /metrics show them (docs/api.md, "Clocks").
#pragma once

#include <optional>
#include <string>

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
/// Is nothing known of its clock by ids, while the times of calls without them tell of it?
bool KnownByTimes(const telemetry::HostClock& clock, const telemetry::Picture& picture);
/// The state of a pair between which no id joins calls; unknown after five minutes without a call
/// that its offset explained.
telemetry::HopClock::State HopClockState(const telemetry::HopClock& clock, Nanos watermark);
Json HopClockJson(const telemetry::HopClock& clock, Nanos watermark, const EntityNames& names);
Json ClockFindingJson(const telemetry::ClockFinding& finding);
/// The answer of /api/v1/clocks: of `host`, or of all; so many of each that have no end.
Json ClocksJson(const telemetry::Picture& picture, size_t limit,
                const std::optional<std::string>& host = std::nullopt);
/// "corrected" when some host's times are, else "raw".
std::string_view TimesShown(const telemetry::Picture& picture);

}  // namespace tomograph::publish
