// What a person should know of the clocks, a sentence a clock: those that are off, those that
// jumped, and those that are held to be off where no id joins the calls (telemetry/host_clock.h).
#pragma once

#include <string>
#include <vector>

#include "telemetry/picture.h"

namespace tomograph::publish {

/// Is it measured, and off by more than its bound?
bool IsOff(const telemetry::HostClock& clock, Nanos watermark);

/// The furthest off first; then those that only jumped. Empty: nothing to tell.
std::vector<std::string> ClockNotes(const telemetry::Picture& picture);

}  // namespace tomograph::publish
