// Outbound: one instance's way to one callee: its connection pool and its circuit breaker.
//
// Pool: whoever asked first gets the next connection. Who gave up stays in the line and is passed
// over by whoever hands connections out. Breaker: closed; open after so many failures one after the
// other; when it was open for its time one call may try: if that succeeds it closes, else it stays
// open for as long again.
#pragma once

#include <cmath>
#include <deque>

#include "simulate/kernel/slots.h"
#include "simulate/show/samples.h"
#include "simulate/system/requests/settings.h"

namespace tomograph::simulate {

class Outbound {
 public:
  explicit Outbound(const LinkSettings* settings) : settings_(settings) {}

  bool pooled() const { return settings_->connections > 0; }
  uint32_t connections() const {
    const double left = std::round(settings_->connections * pool_factor_);
    return left < 1 ? 1 : static_cast<uint32_t>(left);
  }
  void Shrink(double factor) { pool_factor_ = factor; }
  /// False: none is free.
  bool TakeConnection() {
    if (pooled() && in_use_ >= connections()) return false;
    ++in_use_;
    return true;
  }
  void GiveBack() { --in_use_; }
  void Wait(Handle attempt) {
    line_.push_back(attempt);
    ++waiting_;
  }
  void StopWaiting() { --waiting_; }
  /// The next in the line, who may have given up; 0: nobody, or no connection is free.
  Handle NextInLine() {
    if (line_.empty() || in_use_ >= connections()) return 0;
    const Handle next = line_.front();
    line_.pop_front();
    return next;
  }
  const std::deque<Handle>& line() const { return line_; }

  /// May a call be made now?
  bool Lets(Nanos now) {
    if (open_until_ == 0) return true;
    if (now < open_until_ || trying_) return false;
    trying_ = true;
    return true;
  }
  void Tell(bool failed, Nanos now) {
    if (settings_->breaker_failures == 0) return;
    failures_ = failed ? failures_ + 1 : 0;
    if (trying_ ? failed : failures_ >= settings_->breaker_failures) {
      open_until_ = now + settings_->breaker_open;
      failures_ = 0;
    } else if (trying_) {
      open_until_ = 0;
    }
    trying_ = false;
  }
  /// The process is gone, and a new one knows nothing.
  void Reset() {
    const double factor = pool_factor_;
    *this = Outbound(settings_);
    pool_factor_ = factor;
  }

  uint32_t in_use() const { return in_use_; }
  uint32_t waiting() const { return waiting_; }
  DurationHistogram ok_calls, failed_calls;

 private:
  const LinkSettings* settings_;
  double pool_factor_ = 1;
  uint32_t in_use_ = 0, waiting_ = 0;
  std::deque<Handle> line_;
  uint32_t failures_ = 0;
  Nanos open_until_ = 0;  // 0: closed
  bool trying_ = false;
};

}  // namespace tomograph::simulate
