// A bar on standard error: on a terminal only, and only when it takes long enough to be worth
// looking at. Goes away when it is destroyed.
#pragma once

#include <cstdint>

#include "base/nanotime.h"

namespace tomograph::app {

class ProgressBar {
 public:
  explicit ProgressBar(bool enabled);
  ~ProgressBar();
  /// Shown as "3.1 of 7.0 MB" with `scale` 1e6 and `unit` "MB".
  void Update(uint64_t done, uint64_t total, double scale, const char* unit);

 private:
  bool enabled_;
  bool shown_ = false;
  WallClock clock_;
  Nanos started_, last_ = 0;
};

}  // namespace tomograph::app
