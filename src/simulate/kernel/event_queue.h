// EventQueue: simulated time. What is scheduled happens in the order of its time, and at the same
// time in the order in which it was scheduled, so that the same schedule gives the same run.
//
// An event is 32 bytes and no closure: who it happens to, and two numbers that mean something to
// that one. What was scheduled cannot be taken back: who no longer wants it ignores it (a number of
// the generation among `a` and `b` tells). O(log n) an event; a 4-ary heap.
#pragma once

#include <cstdint>
#include <vector>

#include "base/nanotime.h"

namespace tomograph::simulate {

class EventQueue {
 public:
  class Subject {
   public:
    virtual ~Subject() = default;
    virtual void Happen(uint32_t a, uint64_t b) = 0;
  };

  explicit EventQueue(Nanos start) : now_(start) {}

  /// `at` before now() means now. `subject` outlives the queue's running.
  void At(Nanos at, Subject* subject, uint32_t a = 0, uint64_t b = 0);
  void After(Nanos delay, Subject* subject, uint32_t a = 0, uint64_t b = 0) {
    At(now_ + delay, subject, a, b);
  }
  /// All events before `end`; now() is `end` afterwards.
  void RunUntil(Nanos end);

  Nanos now() const { return now_; }
  uint64_t happened() const { return happened_; }

 private:
  struct Event {
    Nanos at;
    uint32_t order;  // wraps: compared by difference, which is right while fewer than 2^31 wait
    uint32_t a;
    uint64_t b;
    Subject* subject;
  };
  static bool Before(const Event& x, const Event& y) {
    return x.at != y.at ? x.at < y.at : static_cast<int32_t>(x.order - y.order) < 0;
  }

  Event TakeFirst();

  std::vector<Event> heap_;
  Nanos now_;
  uint32_t next_order_ = 0;
  uint64_t happened_ = 0;
};

}  // namespace tomograph::simulate
