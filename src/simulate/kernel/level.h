// Level: a number that jumps (requests in flight, in a queue) and its mean over time, exactly.
#pragma once

#include "base/nanotime.h"

namespace tomograph::simulate {

class Level {
 public:
  void Add(double by, Nanos now) { Set(value_ + by, now); }
  void Set(double value, Nanos now) {
    sum_ += value_ * static_cast<double>(now - since_);
    since_ = now;
    value_ = value;
  }
  double value() const { return value_; }
  /// The mean since the last time that this was asked (or since `Begin`).
  double TakeMean(Nanos now) {
    Set(value_, now);
    const auto length = static_cast<double>(now - taken_);
    const double mean = length > 0 ? sum_ / length : value_;
    sum_ = 0;
    taken_ = now;
    return mean;
  }
  void Begin(Nanos now) { since_ = taken_ = now; }

 private:
  double value_ = 0;
  double sum_ = 0;  // of value x time since taken_, ns
  Nanos since_ = 0, taken_ = 0;
};

}  // namespace tomograph::simulate
