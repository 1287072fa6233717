#include "correlate/requests/way_up.h"

namespace tomograph::correlate {
namespace {

constexpr size_t kLongestWay = 1'000;  // spans of one service above each other

}  // namespace

WayUp WayUpFrom(const JoinedTrace& trace, size_t call) {
  WayUp way;
  way.top = call;
  for (size_t steps = 0; steps < kLongestWay; ++steps) {  // ids may run in a circle
    const int32_t parent = trace.parent(way.top);
    if (parent == JoinedTrace::kNone) break;
    const OpenSpan& above = trace.spans()[static_cast<size_t>(parent)];
    if (above.service != trace.spans()[call].service) break;
    way.top = static_cast<size_t>(parent);
    if (!above.incoming()) continue;
    way.received = way.top;
    way.found = true;
    return way;
  }
  way.broken = trace.spans()[way.top].parent != 0;
  return way;
}

bool HasInnerCall(const JoinedTrace& trace, size_t call) {
  for (const int32_t c : trace.children(call)) {
    const OpenSpan& child = trace.spans()[static_cast<size_t>(c)];
    if (child.outgoing() && child.service == trace.spans()[call].service) return true;
  }
  return false;
}

}  // namespace tomograph::correlate
