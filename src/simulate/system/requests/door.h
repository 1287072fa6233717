// Door: who is let in by one instance: so many at a time (workers), so many may wait (queue), first
// come, first served; the others are refused.
#pragma once

#include <cstdint>
#include <deque>

#include "simulate/kernel/slots.h"

namespace tomograph::simulate {

class Door {
 public:
  enum class Verdict { kIn, kWaits, kRefused };

  /// `workers` 0: without limit.
  Door(uint32_t workers, uint32_t queue) : workers_(workers), queue_(queue) {}

  Verdict Come(Handle request) {
    if (workers_ == 0 || inside_ < workers_) {
      ++inside_;
      return Verdict::kIn;
    }
    if (waiting_.size() >= queue_) return Verdict::kRefused;
    waiting_.push_back(request);
    return Verdict::kWaits;
  }
  /// One leaves; who is in now instead, or 0.
  Handle Leave() {
    if (waiting_.empty()) {
      --inside_;
      return 0;
    }
    const Handle next = waiting_.front();
    waiting_.pop_front();
    return next;
  }
  void Clear() {
    inside_ = 0;
    waiting_.clear();
  }
  uint32_t inside() const { return inside_; }
  size_t waiting() const { return waiting_.size(); }

 private:
  uint32_t workers_, queue_;
  uint32_t inside_ = 0;
  std::deque<Handle> waiting_;
};

}  // namespace tomograph::simulate
