// StrayCalls: calls that nobody's span is known to answer, by time. That nobody called a request is
// known only as far as every call that holds it went elsewhere (docs/models/requests.md).
//
// By length and start, so that a search looks at those alone that were under way. Bounded: beyond
// `most` the oldest make room, and nothing is known of requests that these may have held. Not
// thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <map>

#include "correlate/requests/trace_assembler.h"

namespace tomograph::correlate {

class StrayCalls {
 public:
  struct Stray {
    OpenSpan call;
    telemetry::EntityId told_to;  // among whose callers the linker was told of it; or kNoEntity
  };

  explicit StrayCalls(size_t most) : most_(most) {}

  void Add(const Stray& stray);
  /// Visits those that hold `request`, but for what their clocks may differ, until one visit says
  /// false. False: there may have been others, which made room.
  bool ForEachHolding(const OpenSpan& request,
                      const std::function<bool(const Stray&)>& visit) const;
  void Forget(Nanos before);  // those that ended before
  size_t bytes() const { return size_ * (sizeof(Stray) + 48); }

 private:
  const size_t most_;
  size_t size_ = 0;
  Nanos widest_slack_ = 0;                                // of all that were added
  Nanos complete_from_ = INT64_MIN;                       // what made room ended before
  std::array<std::multimap<Nanos, Stray>, 64> by_start_;  // [n]: lengths below 2^n ns
};

}  // namespace tomograph::correlate
