// StrayCalls: calls that nobody's span is known to answer, by time. That nobody called a request is
// known only as far as every call that holds it went elsewhere (docs/models/requests.md).
//
// A call may have lasted from its start less what its clock may be off to its end and as much more.
// By that length and start a search looks at those alone that were under way, and at no more than
// about twice as many as hold the request, whatever the clocks of others. Bounded: beyond `most`
// the oldest make room, and nothing is known of requests that these may have held. Not thread-safe.
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
  void Forget(Nanos before);                         // those that ended before
  uint64_t looked_at() const { return looked_at_; }  // calls, for all that was asked
  size_t bytes() const { return size_ * (sizeof(Stray) + 48); }

 private:
  const size_t most_;
  mutable uint64_t looked_at_ = 0;
  size_t size_ = 0;
  Nanos complete_from_ = INT64_MIN;                          // what made room ended before
  std::array<std::multimap<Nanos, Stray>, 64> by_earliest_;  // [n]: lengths below 2^n ns
};

}  // namespace tomograph::correlate
