// Baseline: what is normal for one series, learned as it goes. About 1 KiB at most, whatever its
// age.
//
// Level and scale are robust over the last values; from two days of history on, the hour of the day
// has a say too: a value is abnormal only as far as it lies outside of both. What is learned is
// clipped, so that an incident cannot teach itself as normal quickly. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/nanotime.h"

namespace tomograph::diagnose {

class Baseline {
 public:
  struct Floors {
    double relative = 0.05;  // scale is at least this share of the level
    double absolute = 1e-9;  // and at least this: a constant series has no scale of its own
  };
  static constexpr size_t kRemembered = 128;
  static constexpr size_t kLeast = 6;  // values before anything may be called abnormal

  explicit Baseline(Floors floors) : floors_(floors) {}

  /// Signed robust deviations of `value` from normal; 0 while too little is known, and for NaN.
  double Deviation(Nanos time, double value) const;
  /// NaN is ignored.
  void Learn(Nanos time, double value);
  bool ready() const { return recent_.size() >= kLeast; }
  double level() const { return level_; }
  double scale() const { return scale_; }

 private:
  struct Slot {  // one hour of the day
    float level = 0, spread = 0;
    int32_t last_day = -1;
    uint16_t days = 0;  // on which it was seen
  };
  static size_t SlotOf(Nanos time);
  void Summarise();
  void LearnSlot(Nanos time, double value);

  Floors floors_;
  std::vector<float> recent_;  // ring
  size_t next_ = 0;
  double level_ = 0, scale_ = 0;
  std::vector<Slot> slots_;  // 24 once a second day has begun, else empty
  int64_t first_day_ = -1;
};

}  // namespace tomograph::diagnose
