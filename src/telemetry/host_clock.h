// HostClock: what is known of the clock of one host against that of its reference host, over time,
// and the way from a raw time to a corrected one. Made by correlate/clocks, shown by publish/.
//
// offset = what the host's clock shows minus what the reference's shows; corrected = raw - offset.
// Raw times are never changed: whoever shows a corrected time says so and shows its bound.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/batch.h"

namespace tomograph::telemetry {

/// One side of a bound that nothing bounds.
inline constexpr Nanos kUnbounded = INT64_MAX;

/// A stretch of time over which a host's offset is a line.
struct ClockSegment {
  Nanos from = 0, to = 0;          // time of the reference; [from, to)
  EntityId reference = kNoEntity;  // against whose clock; the host itself: it was the reference
  Nanos offset = 0;                // in the middle of it
  double drift = 0;                // seconds a second
  Nanos error = 0;  // one standard error of `offset`, as far as noise goes: no asymmetry
  // Hard bounds: the true offset lies in [offset - below, offset + above], at the start, the middle
  // and the end of the segment; between them by straight lines. kUnbounded: that side is not known.
  std::array<Nanos, 3> below{kUnbounded, kUnbounded, kUnbounded};
  std::array<Nanos, 3> above{kUnbounded, kUnbounded, kUnbounded};
  bool measured = false;  // calls in both directions of time; else `offset` says nothing
  // The calls prove the clock wrong, so times are corrected by `offset`; unless it is too far off
  // to move them (ClockOptions::most_corrected).
  bool applied = false;

  /// Neither an estimate nor a bound.
  bool says_nothing() const;
  double OffsetAt(Nanos t) const;
  /// The greater of the two sides at t; kUnknownBound unless both are known.
  Nanos BoundAt(Nanos t) const;
};

struct ClockStep {
  Nanos from = 0, to = 0;  // it happened in between; time of the reference
  Nanos size = 0;          // > 0: the host's clock jumped ahead
};

struct HostClock {
  EntityId id = kNoEntity;  // of kind host
  std::string host;
  EntityId reference = kNoEntity;  // of the newest segment; == id: this host is the reference
  std::string reference_host;
  uint64_t calls = 0;                  // that its clock was compared by, in all
  Nanos last_contact = 0;              // end of the newest window with such calls; 0: never
  double loop_residual = 0;            // s: how much the pairs around it contradict; NaN: no loops
  std::vector<ClockStep> steps;        // oldest first, the last few
  std::vector<ClockSegment> segments;  // oldest first; empty: nothing was ever known

  bool is_reference() const { return reference == id; }
};

/// Something about clocks that a person should know.
struct ClockFinding {
  enum class Kind {
    kStep,           // a clock jumped
    kRateChange,     // a clock is slewed: it drifts faster or slower than before, and did not jump
    kOutliers,       // a few calls contradict all others of their window: left out
    kContradiction,  // no clock that runs evenly and jumps once explains the calls of a window
    kWithinHost,     // a call within one host that ends before it began, by the host's own clock
    kLoop,           // bounds around a loop of hosts contradict one another
  };
  Kind kind = Kind::kStep;
  Nanos from = 0, to = 0;
  std::string host, other;                   // `other` empty: the host alone
  Nanos size = 0;                            // of the step or of the contradiction
  uint64_t calls = 0;                        // that say so
  double drift_before = 0, drift_after = 0;  // of a change of rate, seconds a second
};
std::string_view ClockFindingName(ClockFinding::Kind kind);

/// By how much the clock of a callee's host is held to be ahead of that of a caller's host, between
/// which no id joins the calls into `service` (correlate/rebuild/hop_clocks.h). A guess: nothing
/// bounds it, and it moves no time that is counted or shown. It tells which call is which.
struct HopClock {
  enum class State {
    kFollowed,    // the calls themselves told it
    kHeldInSync,  // nothing speaks against what is expected: clocks in sync
    kUnknown,     // no offset explains the calls: who sent them is not told
  };
  EntityId service = kNoEntity;  // that is called
  EntityId caller = kNoEntity;   // host; kNoEntity: its records name none
  EntityId callee = kNoEntity;   // likewise
  std::string caller_host, callee_host;
  State state = State::kUnknown;
  double offset = 0;    // s, callee's less caller's, as of `as_of`
  double error = 0;     // s, one standard error as far as the calls go: no asymmetry
  double drift = 0;     // seconds a second
  Nanos as_of = 0;      // the middle of the newest slot that was read
  uint64_t calls = 0;   // that it explained so far, of all callers whose clocks agree
  Nanos last_call = 0;  // when the newest of these was received; 0: none
  // Of more than clocks in sync or a slewed one explain. By the caller's clock; which of the two
  // clocks jumped is not known: size > 0 is the callee's ahead, or the caller's back.
  uint64_t steps = 0;
  ClockStep last_step;  // if there was one
};
std::string_view HopClockStateName(HopClock::State state);

/// What to take off a raw time, and how wrong the result may be.
struct ClockCorrection {
  Nanos offset = 0;
  Nanos bound = kUnknownBound;
  bool corrected = false;  // false: the raw time stands
};

/// Beyond the segments: before the first that is measured and after the last its line, with a bound
/// that grows (2e-4 s a second, unknown after five minutes). A bound without correction says how
/// wrong the raw time may be.
ClockCorrection CorrectionAt(std::span<const ClockSegment> segments, Nanos raw);

inline constexpr double kHeldInSync = 1e-3;         // s: that clocks may be off that are held so
inline constexpr double kClockWander = 2e-4;        // s a second: what a crystal may do
inline constexpr Nanos kClockMemory = 5 * kMinute;  // without contact; then nothing is known

}  // namespace tomograph::telemetry
