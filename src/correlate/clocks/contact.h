// Contact: a call by which two clocks met.
#pragma once

#include <algorithm>

#include "base/nanotime.h"
#include "telemetry/entity.h"

namespace tomograph::correlate {

/// One call as its two sides saw it, in raw times of either clock.
struct Contact {
  telemetry::EntityId client = telemetry::kNoEntity, server = telemetry::kNoEntity;  // hosts
  Nanos client_start = 0, client_end = 0;
  Nanos server_start = 0, server_end = 0;
  // When the start and the end were, as well as one knows: where they belong in the window.
  Nanos started = 0, ended = 0;
  // false: a message, a follow-up, a client that did not wait. Only "started before it was
  // received" is known then.
  bool awaited = true;
  // Of the calls that the server made for its answer and that ended within its span, when the last
  // one began, by its clock; less than server_start: none is known.
  Nanos worked = INT64_MIN;
  Nanos worked_until = INT64_MIN;  // when that one ended, which may be told late

  Nanos waited() const { return client_end - client_start; }
  Nanos served() const { return server_end - server_start; }
  /// From the start on, how long the server was at the answer at least, if it waits for the calls
  /// it makes; 0 when none is known.
  Nanos busy() const { return std::max(worked, server_start) - server_start; }
  /// Likewise until when it seems to have been at it.
  Nanos seems_busy() const { return std::max(worked_until, server_start) - server_start; }
};

}  // namespace tomograph::correlate
