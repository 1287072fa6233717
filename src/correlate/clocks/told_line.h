// ToldLine: what has been told of one host's clock, segment after segment, and how what later calls
// show widens it.
//
// Not all of a window is seen well: a step or a change of rate among its last calls, or between
// them and the next ones, shows in the next window alone. Until then either line may be true of
// what was taken for one, and the bounds of the past are widened so far.
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/host_clock.h"

namespace tomograph::correlate {

class ToldLine {
 public:
  const std::vector<telemetry::ClockSegment>& segments() const { return segments_; }
  /// Once a segment proves the clock wrong: its times are corrected, then and from then on.
  bool corrected() const { return corrected_; }

  /// An empty segment is not told. A clock that is off by more than `most_corrected` stays raw.
  void Append(telemetry::ClockSegment segment, Nanos most_corrected);
  /// The bounds told so far allow for a step that nobody saw only before `until`.
  void CoveredUntil(Nanos until) { covered_until_ = until; }
  Nanos covered_until() const { return covered_until_; }
  /// `next` is the line of the window that begins at `start`. With a step before it, both lines may
  /// be true since covered_until(); without, the bounds are widened as far as that asks.
  void CoverTail(const telemetry::ClockSegment& next, Nanos start, bool stepped);
  /// The rate, `drift` before (s a second), may have changed within the last window before `after`
  /// already, which is of one whole window.
  void CoverRateChange(double drift, const telemetry::ClockSegment& after);
  /// Nothing is known of it from `from` on, or from covered_until(); until `end`.
  void Forgo(Nanos from, Nanos end);
  /// Forgets all but the newest.
  void Keep(size_t newest);

 private:
  void CoverIn(size_t at, telemetry::ClockSegment next, Nanos start, bool stepped);

  std::vector<telemetry::ClockSegment> segments_;
  Nanos covered_until_ = 0;
  bool corrected_ = false;
};

}  // namespace tomograph::correlate
