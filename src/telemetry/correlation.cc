#include "telemetry/correlation.h"

#include <algorithm>

#include "telemetry/picture.h"

namespace tomograph::telemetry {

std::pair<size_t, size_t> WindowsCompared(const Picture& picture, TimeRange range) {
  const auto& starts = picture.window_starts;
  const auto number = [&](Nanos t) {
    return static_cast<size_t>(std::lower_bound(starts.begin(), starts.end(), t) - starts.begin());
  };
  const size_t to = number(range.to), from = std::min(number(range.from), to);
  return {to - from > kMostWindowsCompared ? to - kMostWindowsCompared : from, to};
}

}  // namespace tomograph::telemetry
