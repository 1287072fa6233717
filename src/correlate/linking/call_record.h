// What the request linker reads and says: one side of a call as one service saw it, and the link
// from a call to the request that caused it.
#pragma once

#include <array>
#include <cstdint>

#include "base/nanotime.h"
#include "telemetry/entity.h"
#include "telemetry/interner.h"

namespace tomograph::correlate::linking {

/// One side of a call: a request that `service` received, or a call that it made. Times are those
/// of one clock per service; clocks of different services need not agree.
///
/// Anything that lies within something else can be linked so: a client's span is a "request" and
/// the server's span on another host is its "call", with `slack` for what their clocks may differ.
struct CallRecord {
  uint64_t id = 0;  // unique, not 0
  telemetry::EntityId service = telemetry::kNoEntity;
  telemetry::EntityId peer = telemetry::kNoEntity;  // kNoEntity: outside, or not known
  telemetry::StringId operation = telemetry::kEmptyString;
  bool outgoing = false;
  bool failed = false;
  Nanos start = 0;
  Nanos end = 0;
  /// By how much these times may be off against those of the records on the other side of a link. A
  /// call may lie outside of its request by the slack of both together.
  Nanos slack = 0;
  /// A call's request by an exact id: a fact, which pins this call and limits the others. 0: none.
  uint64_t known_parent = 0;
  /// The record of the other side of the same call, where an id or the connection tells. 0: none.
  uint64_t counterpart = 0;
  /// Evidence beyond timing; 0: not known. It is used only where it proves to tell something.
  uint64_t connection = 0;
  uint64_t worker = 0;  // the thread or process that did it
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
};

/// A request may make calls for so long after its answer, where it hands on what is left to do.
inline constexpr Nanos kHandOff = 5 * kSecond;

/// Says which request of the same service caused a call.
struct Link {
  struct Choice {
    uint64_t request = 0;  // 0: none of the requests that were seen
    float posterior = 0;   // 0: there is no such choice
  };
  uint64_t call = 0;
  uint64_t request = 0;  // 0: none of the requests that were seen
  float posterior = 0;   // probability of `request`
  bool by_id = false;    // a fact that was given, no inference
  /// The next likeliest, the runner-up first. Empty when nothing was sampled.
  std::array<Choice, 4> others;
};

}  // namespace tomograph::correlate::linking
