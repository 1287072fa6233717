// Time in nanoseconds since the Unix epoch, and clocks that are passed in: live runs read the wall,
// recorded runs read the telemetry's own time, and nothing else in src/ asks what time it is.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tomograph {

using Nanos = int64_t;

inline constexpr Nanos kMicrosecond = 1'000;
inline constexpr Nanos kMillisecond = 1'000'000;
inline constexpr Nanos kSecond = 1'000'000'000;
inline constexpr Nanos kMinute = 60 * kSecond;
inline constexpr Nanos kHour = 60 * kMinute;

inline double ToSeconds(Nanos t) { return static_cast<double>(t) * 1e-9; }
/// Saturates instead of overflowing; NaN gives 0.
Nanos FromSeconds(double seconds);

/// RFC 3339 in UTC, e.g. "2026-11-21T07:30:28.123456789Z"; trailing zeros of the fraction are cut.
std::string FormatTime(Nanos t);
/// RFC 3339 with any offset and up to 9 digits of fraction (further digits are cut).
Result<Nanos> ParseTime(std::string_view text);
/// "1.5s", "200ms", "36h": a number and one of ns us ms s m h d.
Result<Nanos> ParseDuration(std::string_view text);

/// [from, to).
struct TimeRange {
  Nanos from = 0;
  Nanos to = INT64_MAX;
  bool Contains(Nanos t) const { return t >= from && t < to; }
};

/// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Nanos Now() const = 0;
};

class WallClock : public Clock {
 public:
  Nanos Now() const override;
};

/// Stands still until it is set; never goes back.
class VirtualClock : public Clock {
 public:
  explicit VirtualClock(Nanos start = 0) : now_(start) {}
  Nanos Now() const override { return now_.load(std::memory_order_relaxed); }
  void AdvanceTo(Nanos t);

 private:
  std::atomic<Nanos> now_;
};

}  // namespace tomograph
