// ClockModel: the clocks of all hosts against one another, from the calls between them. No clock is
// trusted and no delay is known: docs/models/clock.md has the picture, the formulas and the limits.
//
//   calls -> OffsetBand a pair and window -> PairClock (state, steps) -> HostGraph -> ClockSegment
//     '----> LateEnds: what of a host's spans tells when it answered
//
// One host of a connected part is its reference: the one that was it before, else the one with the
// most calls. Its clock is the time of that part. When most of its neighbours seem to jump
// together, it is the reference that jumped, and it is corrected itself from then on; with one
// neighbour alone that cannot be told, and the jump is laid to the neighbour.
//
// A host's times are corrected once its calls prove its clock wrong (the hard bound excludes 0),
// and from then on; before, the raw time stands and the bound says how wrong it may be. A host
// without calls to others, or with calls in one direction of time only, is never corrected. Five
// minutes after its last call nothing is known of it (telemetry::kClockMemory).
//
// Streaming: windows in order, the calls of a window in any order; the answer depends on the set of
// them alone. Bounded by the options. Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/nanotime.h"
#include "correlate/clocks/contact.h"
#include "telemetry/entity.h"
#include "telemetry/host_clock.h"

namespace tomograph::correlate {

struct ClockOptions {
  size_t max_hosts = 10'000;
  size_t max_pairs = 40'000;
  size_t max_segments = 50'000;  // of all hosts together; each keeps at least the last 8
  size_t max_findings = 200;     // the newest
  /// A clock that is further off is told of, and its times stay raw.
  Nanos most_corrected = INT64_MAX;
};

class ClockModel {
 public:
  struct Stats {
    uint64_t contacts = 0;
    uint64_t unusable = 0;  // negative durations, times that no clock shows
    uint64_t refused = 0;   // of hosts or pairs beyond the limits
  };

  explicit ClockModel(ClockOptions options = {});
  ~ClockModel();

  /// Names a host for the answers; unnamed ones show the digits of their id.
  void Name(telemetry::EntityId host, std::string_view name);
  /// The calls of [start, start + length) come next. Windows follow one another.
  void Open(Nanos start, Nanos length);
  /// A call that ended in the open window. What it says of times before the window is not used.
  void Add(const Contact& contact);
  /// The open window has all its calls.
  void Close();
  /// Some host's spans end later than it answers, so that Contact::worked is made use of.
  bool needs_work() const;

  /// As of the newest window that was closed.
  telemetry::ClockCorrection CorrectionOf(telemetry::EntityId host, Nanos raw) const;
  /// Nothing is known of any host: CorrectionOf is the same for all.
  bool silent() const;
  /// Some host's times are, or were once, corrected.
  bool corrects() const;
  /// Ordered by host name, then id.
  std::vector<telemetry::HostClock> Clocks() const;
  /// Newest first.
  std::vector<telemetry::ClockFinding> Findings() const;
  const Stats& stats() const;
  size_t bytes() const;  // approximate

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::correlate
