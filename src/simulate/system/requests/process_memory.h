// ProcessMemory: what one process uses: base + leaked + what requests in service hold + garbage.
//
// Garbage grows with each request; it is collected when it fills the young generation, or what the
// limit leaves of it: so the usage is a saw on a floor, and a leak raises the floor and makes
// collections ever more frequent until there is no room (the process is killed). A collection stops
// the process: what ends or begins in the pause does so at its end (what goes on beyond the pause
// is not made longer by it).
#pragma once

#include <algorithm>

#include "simulate/system/requests/settings.h"

namespace tomograph::simulate {

class ProcessMemory {
 public:
  explicit ProcessMemory(const MemorySettings* settings) : settings_(settings) {}

  void Leak(double bytes) { leaked_ += bytes; }
  /// A request left; `serving` others are in service. True: garbage must be collected.
  bool LeaveGarbage(double serving) {
    garbage_ += settings_->garbage;
    double room = settings_->young;
    if (settings_->limit > 0) room = std::min(room, settings_->limit - floor(serving));
    return garbage_ >= room;
  }
  void Collect() { garbage_ = 0; }
  bool beyond_limit(double serving) const {
    return settings_->limit > 0 && floor(serving) >= settings_->limit;
  }
  double floor(double serving) const {
    return settings_->base + leaked_ + serving * settings_->held;
  }
  double used(double serving) const { return floor(serving) + garbage_; }
  void Restart() { leaked_ = garbage_ = 0; }

 private:
  const MemorySettings* settings_;
  double leaked_ = 0, garbage_ = 0;
};

}  // namespace tomograph::simulate
