// WayUp: from a call up to what its service received, by the ids of the spans between them.
#pragma once

#include <cstddef>

#include "correlate/requests/trace_assembler.h"

namespace tomograph::correlate {

struct WayUp {
  size_t received = 0;  // index of the received request, when `found`
  size_t top = 0;       // the last span of the service on the way
  bool found = false;
  bool broken = false;  // not found, and it ends in an id that nothing has, or nowhere near
  /// Nothing that the service received stands above, and no id says that something does.
  bool lacks_request() const { return !found && !broken; }
};

WayUp WayUpFrom(const JoinedTrace& trace, size_t call);

/// One library calls through another: the inner span is the call.
bool HasInnerCall(const JoinedTrace& trace, size_t call);

}  // namespace tomograph::correlate
