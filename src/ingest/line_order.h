// LineOrder: when a file of JSON lines begins, and whether its lines follow one another in time.
//
// They do not when many of them lie before what came earlier by more than kJumpBack: recordings
// that were put behind one another, a file that was written newest first. Single lines, or senders
// whose clocks differ, are no disorder.
#pragma once

#include <deque>
#include <optional>
#include <string_view>

#include "base/byte_view.h"
#include "base/nanotime.h"
#include "telemetry/loss_ledger.h"

namespace tomograph::ingest {

inline constexpr Nanos kJumpBack = 10 * kSecond;  // records come in no strict order

/// The first time in a line of the format; nothing when there is none, or the format has no lines
/// with times.
std::optional<Nanos> TimeOfLine(ByteView line, telemetry::Format format);
bool HasLinesWithTimes(telemetry::Format format);

class LineOrder {
 public:
  void Add(Nanos time);
  void Finish();

  bool broken() const { return broken_; }
  /// The earliest time, also one of a wrong clock; INT64_MIN: none is known. After Finish.
  Nanos first() const { return first_ == INT64_MAX ? INT64_MIN : first_; }

 private:
  static constexpr size_t kAhead = 5, kBehind = 9;

  void Judge();

  std::deque<Nanos> next_;  // not judged yet
  std::deque<Nanos> last_;
  Nanos level_ = INT64_MIN + kJumpBack;  // that was reached
  Nanos first_ = INT64_MAX;
  bool broken_ = false;
};

}  // namespace tomograph::ingest
