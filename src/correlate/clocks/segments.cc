#include "correlate/clocks/segments.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tomograph::correlate {

using telemetry::ClockSegment;
using telemetry::kUnbounded;

namespace {

Nanos Middle(Nanos a, Nanos b) { return a + (b - a) / 2; }

Nanos AtShare(const std::array<Nanos, 3>& side, double x) {
  const size_t k = x < 0.5 ? 0 : 1;
  if (side[k] == kUnbounded || side[k + 1] == kUnbounded) return kUnbounded;
  const double share = 2 * x - static_cast<double>(k);
  return Outward((1 - share) * static_cast<double>(side[k]) +
                 share * static_cast<double>(side[k + 1]));
}

}  // namespace

Nanos Outward(double ns) { return ns < 9e18 ? static_cast<Nanos>(std::ceil(ns)) : kUnbounded; }

ClockSegment Part(const ClockSegment& s, Nanos from, Nanos to) {
  ClockSegment part = s;
  part.from = from;
  part.to = std::max(from, to);
  part.offset = static_cast<Nanos>(std::llround(s.OffsetAt(Middle(part.from, part.to))));
  const std::array<Nanos, 3> at{part.from, Middle(part.from, part.to), part.to};
  for (size_t k = 0; k < 3; ++k) {
    const double x = std::clamp(
        static_cast<double>(at[k] - s.from) / static_cast<double>(s.to - s.from), 0.0, 1.0);
    part.below[k] = AtShare(s.below, x);
    part.above[k] = AtShare(s.above, x);
  }
  return part;
}

ClockSegment Widened(ClockSegment s, const ClockSegment& by) {
  if (s.to <= s.from) return s;
  const ClockSegment other = Part(by, s.from, s.to);
  const std::array<Nanos, 3> at{s.from, Middle(s.from, s.to), s.to};
  for (size_t k = 0; k < 3; ++k) {
    const Nanos apart = static_cast<Nanos>(std::llround(other.OffsetAt(at[k]) - s.OffsetAt(at[k])));
    if (s.above[k] != kUnbounded)
      s.above[k] = other.above[k] == kUnbounded
                       ? kUnbounded
                       : std::max(s.above[k], other.above[k] + apart + kMicrosecond);
    if (s.below[k] != kUnbounded)
      s.below[k] = other.below[k] == kUnbounded
                       ? kUnbounded
                       : std::max(s.below[k], other.below[k] - apart + kMicrosecond);
  }
  return s;
}

}  // namespace tomograph::correlate
