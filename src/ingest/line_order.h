// LineOrder: when a file of JSON lines begins, and whether its lines follow one another in time.
//
// They do not when many of them lie before what came earlier by more than kJumpBack: recordings
// that were put behind one another, a file that was written newest first. Single lines, or senders
// whose clocks differ, are no disorder.
#pragma once

#include <deque>
#include <optional>
#include <string_view>
#include <vector>

#include "base/byte_view.h"
#include "base/nanotime.h"
#include "telemetry/loss_ledger.h"

namespace tomograph::ingest {

inline constexpr Nanos kJumpBack = 10 * kSecond;  // records come in no strict order

/// The first time in a line of the format that is not 0; nothing when there is none, or the format
/// has no lines with times.
std::optional<Nanos> TimeOfLine(ByteView line, telemetry::Format format);
bool HasLinesWithTimes(telemetry::Format format);

class LineOrder {
 public:
  void Add(Nanos time);
  void Finish();

  bool broken() const { return broken_; }
  /// The earliest time, but for up to 7 odd lines that a wrong clock sets apart: by more than an
  /// hour and ten times what all others span, a quarter of the lines at most, or by more than a
  /// year, half of them. INT64_MIN: none is known. After Finish.
  Nanos first() const;

 private:
  static constexpr size_t kAhead = 5, kBehind = 9, kLowest = 8;

  void Judge();

  std::deque<Nanos> next_;  // not judged yet
  std::deque<Nanos> last_;
  Nanos level_ = INT64_MIN + kJumpBack;    // that was reached
  std::vector<Nanos> lowest_;              // times, sorted
  Nanos highest_ = INT64_MIN + kJumpBack;  // time
  size_t lines_ = 0, behind_ = 0;          // of them, behind the highest before
  bool broken_ = false;
};

}  // namespace tomograph::ingest
