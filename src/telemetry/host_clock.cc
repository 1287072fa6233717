#include "telemetry/host_clock.h"

#include <algorithm>
#include <cmath>

namespace tomograph::telemetry {
namespace {

/// The value at the share `x` of a segment, by the lines start - middle - end.
Nanos Between(const std::array<Nanos, 3>& at, double x) {
  const size_t half = x < 0.5 ? 0 : 1;
  if (at[half] == kUnbounded || at[half + 1] == kUnbounded) return kUnbounded;
  const double share = std::clamp(2 * x - static_cast<double>(half), 0.0, 1.0);
  return static_cast<Nanos>(std::ceil((1 - share) * static_cast<double>(at[half]) +
                                      share * static_cast<double>(at[half + 1])));
}

double ShareOf(const ClockSegment& s, Nanos t) {
  if (s.to <= s.from) return 0.5;
  return static_cast<double>(t - s.from) / static_cast<double>(s.to - s.from);
}

Nanos Rounded(double ns) { return static_cast<Nanos>(std::llround(ns)); }

}  // namespace

bool ClockSegment::says_nothing() const {
  const auto unbounded = [](Nanos side) { return side == kUnbounded; };
  return !measured && std::all_of(below.begin(), below.end(), unbounded) &&
         std::all_of(above.begin(), above.end(), unbounded);
}

double ClockSegment::OffsetAt(Nanos t) const {
  return static_cast<double>(offset) + drift * static_cast<double>(t - from - (to - from) / 2);
}

Nanos ClockSegment::BoundAt(Nanos t) const {
  const double x = ShareOf(*this, t);
  const Nanos widest = std::max(Between(below, x), Between(above, x));
  return widest == kUnbounded ? kUnknownBound : widest;
}

ClockCorrection CorrectionAt(std::span<const ClockSegment> segments, Nanos raw) {
  if (segments.empty()) return {};
  // What came before the first calls in both directions has the line of these. Where something was
  // known before and is not any more, that holds.
  size_t first = 0;
  while (first < segments.size() && !segments[first].measured && !segments[first].says_nothing())
    ++first;
  // The segments are in the reference's time. The offset changes little within itself, so the line
  // of any segment near gives that time well enough; the nearest one is found by going back.
  for (size_t i = segments.size(); i-- > 0;) {
    const ClockSegment& s = segments[i];
    const double there = static_cast<double>(raw) - static_cast<double>(s.offset);
    if (!s.measured && i > 0 && there < static_cast<double>(s.from)) continue;
    if (std::abs(there) > 9e18) return {};
    const Nanos t = raw - s.offset;
    if (t < s.from && i != first) continue;
    if (!s.measured) return {};
    ClockCorrection c;
    const double offset = s.OffsetAt(t);
    const Nanos beyond = std::max({Nanos{0}, s.from - t, t - s.to});
    if (beyond > kClockMemory) return {};
    Nanos bound = s.BoundAt(std::clamp(t, s.from, s.to));
    if (bound != kUnknownBound) bound += Rounded(kClockWander * static_cast<double>(beyond));
    c.corrected = s.applied;
    if (s.applied) {
      c.offset = Rounded(offset);
      c.bound = bound;
    } else if (bound != kUnknownBound) {
      c.bound = bound + Rounded(std::abs(offset));
    }
    return c;
  }
  return {};
}

std::string_view ClockFindingName(ClockFinding::Kind kind) {
  switch (kind) {
    case ClockFinding::Kind::kStep:
      return "step";
    case ClockFinding::Kind::kRateChange:
      return "rate_change";
    case ClockFinding::Kind::kOutliers:
      return "outliers";
    case ClockFinding::Kind::kContradiction:
      return "contradiction";
    case ClockFinding::Kind::kWithinHost:
      return "within_host";
    case ClockFinding::Kind::kLoop:
      return "loop";
  }
  return "step";
}

std::string_view HopClockStateName(HopClock::State state) {
  switch (state) {
    case HopClock::State::kFollowed:
      return "followed";
    case HopClock::State::kHeldInSync:
      return "held_in_sync";
    case HopClock::State::kUnknown:
      return "unknown";
  }
  return "unknown";
}

}  // namespace tomograph::telemetry
