// Traffic: OTLP trace requests of a small system, each with fresh ids and times, at the price of
// copying a few bytes: the message is built once and its ids and times are overwritten in place.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/nanotime.h"

namespace tomograph::bench {

class Traffic {
 public:
  /// `traces` of eight spans each (gateway, cart and redis, checkout, payment and its database) a
  /// request. No two senders use the same ids.
  explicit Traffic(int traces, uint64_t sender = 0);
  /// Valid until the next call. The traces start at `now` and are spread over `spread`.
  const std::string& Next(Nanos now, Nanos spread);
  int spans() const { return spans_; }

 private:
  struct Slot {
    size_t offset;
    int trace;
    int span;    // -1: none
    Nanos time;  // relative to the trace's start; ids: unused
    enum class Kind { kTraceId, kSpanId, kTime } kind;
  };

  int traces_;
  int spans_ = 0;
  uint64_t round_ = 0;
  std::string bytes_;
  std::vector<Slot> slots_;
};

}  // namespace tomograph::bench
