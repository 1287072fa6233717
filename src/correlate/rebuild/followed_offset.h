// FollowedOffset: by how much the clock of one callee's host is ahead of that of callers whose
// clocks agree, from slot to slot of event time, where no id tells which call is which.
//
// UnpairedOffset finds it and a Kalman filter follows it, with its drift. A hidden Markov chain
// over the calls of a slot holds it: each goes by the offset that those before and after it go by,
// but for a jump. Calls at the end that go by none are searched for another offset.
//
// A clock that is set back shows the same times twice, and calls of both are among each other: what
// nothing sent surrounds at the offset before goes by the one after, if it has a sent call around
// it there, and else is in doubt.
//
// All in seconds since the middle of the slot, but where it says Nanos. Memory is bounded.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "base/nanotime.h"
#include "correlate/rebuild/unpaired_offset.h"
#include "telemetry/host_clock.h"

namespace tomograph::correlate {

/// An offset that calls of a slot may go by; what was received at t is `At(t)` ahead.
struct OffsetLine {
  double offset = 0, drift = 0;
  double tolerance = 0;
  double room = 0;    // the most that calls take between the two hosts, nearly all of them
  double share = 0;   // of what was received that has a sent call around it
  double chance = 0;  // of having one by chance

  double At(double t) const { return offset + drift * t; }
  CallTime Back(CallTime received) const;  // on the callers' time
  bool HasSender(std::span<const CallTime> sent, CallTime received) const;
  bool HasReceiver(CallTime sent, std::span<const CallTime> received, double decoy = 0) const;
};

class FollowedOffset {
 public:
  static constexpr Nanos kSlot = 5 * kSecond;
  static constexpr Nanos kReach = 2 * kSecond;  // offsets that are looked for
  static constexpr double kInSync = telemetry::kHeldInSync;
  static constexpr Nanos kLookBack = kMinute;  // what is searched where calls are few

  struct Expected {
    double offset = 0;
    double sigma = 0;  // <= 0: nothing is expected
  };
  /// What the calls of a slot go by.
  struct Reading {
    std::vector<OffsetLine> lines;             // the one that was known, if it was, then a new one
    std::vector<std::vector<double>> goes_by;  // by call and line, the last: by none of them
    std::vector<double> at_end;                // of the last call, without what came after the slot
    std::vector<bool> in_doubt;       // by call: it may be of after a setting back of the clock
    std::vector<bool> explained;      // by call: it has a sent one around it at that offset
    UnpairedOffset::Posterior moved;  // the new one, if it was found
    bool as_expected = false;         // no line, and nothing speaks against what was expected
    double doubt = 0;                 // log odds, of what was sent, against the line or that
    bool jumped = false;              // from the first line to the second

    bool known() const { return as_expected || !lines.empty(); }
    /// The line that call i goes by; lines.size(): none.
    size_t LineOf(size_t i) const;
    /// That the calls before and after a jump go by.
    const OffsetLine& first() const { return lines.front(); }
    const OffsetLine& last() const { return jumped ? lines.back() : lines.front(); }
  };

  /// To the middle of a slot.
  void Predict(Nanos to);
  Nanos at() const { return at_; }
  /// As of the last Predict; null: not known.
  const OffsetLine* line() const { return known_ ? &line_ : nullptr; }
  /// It was once more than what clocks in sync are.
  bool off() const { return off_; }

  /// What was known after the last slot, of calls so far.
  struct Told {
    bool known = false;        // it is followed
    bool as_expected = false;  // it is not, and nothing speaks against what was expected
    double offset = 0, sigma = 0, drift = 0;
    uint64_t read = 0;               // calls
    uint64_t calls = 0;              // that it explained, of these
    Nanos last = 0;                  // start of the newest that it explained; 0: none
    uint64_t steps = 0;              // jumps that neither clocks in sync nor a slewed one explain
    telemetry::ClockStep last_step;  // by the callers' clock
  };
  Told told() const;
  /// `sent` (in order of start) are those within reach of the last minute and of the slot. Where
  /// they tell nothing together, `some_sent`, if there are any, are asked. `later` are received
  /// after the slot, up to where `sent` ends: they tell whether the clock went on as it did.
  Reading Read(std::span<const CallTime> sent, std::span<const CallTime> some_sent,
               std::span<const CallTime> received, std::span<const CallTime> later,
               const Expected& expected);

 private:
  class Slot;

  double sigma() const;
  double Tolerance(double offset_sigma) const;
  void Searched(bool found);
  void Measure(double measured, double sigma);
  void Jump(double measured, double sigma);
  Reading ReadUnknown(const Slot& slot, std::span<const CallTime> some_sent,
                      const Expected& expected);
  Reading ReadKnown(const Slot& slot, std::span<const CallTime> some_sent);
  void Doubt(const Slot& slot, const OffsetLine& line);
  UnpairedOffset::Posterior SearchAll(const Slot& slot, std::span<const CallTime> some_sent,
                                      const std::vector<CallTime>& received,
                                      const UnpairedOffset::Prior& prior, double* room);
  /// What the next slot is to know.
  void Learn(const Slot& slot, Reading* reading);
  void TellStep(const Slot& slot, const Reading& reading);
  void Count(const Slot& slot, const Expected& expected, Reading* reading);

  bool known_ = false;
  bool off_ = false;
  Nanos at_ = 0;  // of the state
  double offset_ = 0, drift_ = 0;
  double covariance_[3] = {};  // offset, both, drift
  double room_ = 0, share_ = 0;
  OffsetLine line_;
  Nanos confirmed_ = 0;  // the last slot that the offset explained
  Nanos jumped_at_ = 0;
  double jumped_by_ = 0;
  int fruitless_ = 0, pause_ = 0;  // searches without result, slots until the next one
  bool plausible_ = true;          // while it is not known: nothing speaks against what is expected
  double doubt_ = 0;               // log odds, of what was sent, against what is known or expected
  double holds_ = 0;               // probability that the last call went by the offset
  std::vector<std::pair<Nanos, Nanos>> astray_;  // the last calls that no known offset explained
  Expected expected_;                            // where it was not known
  uint64_t read_ = 0, explained_ = 0;            // calls
  Nanos last_explained_ = 0;
  uint64_t steps_ = 0;
  telemetry::ClockStep last_step_;
};

}  // namespace tomograph::correlate
