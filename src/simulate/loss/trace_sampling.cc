#include "simulate/loss/trace_sampling.h"

#include <algorithm>
#include <cmath>

namespace tomograph::simulate {

TraceSampling::TraceSampling(double keep) {
  constexpr uint64_t kAll = uint64_t{1} << 56;
  const double kept = std::clamp(keep, 0.0, 1.0) * static_cast<double>(kAll);
  threshold_ = kAll - static_cast<uint64_t>(std::llround(kept));
  if (threshold_ == 0 || threshold_ == kAll) return;
  std::string digits = telemetry::SpanIdToHex(threshold_).substr(2);  // 14 of 16: 56 bits
  digits.resize(digits.find_last_not_of('0') + 1);
  trace_state_ = "ot=th:" + digits;
}

}  // namespace tomograph::simulate
