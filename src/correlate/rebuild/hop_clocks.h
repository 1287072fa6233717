// HopClocks: puts what callees received on the time of their callers, where no id joins the two
// sides of a call and so nothing else tells how their clocks differ (docs/models/requests.md).
//
// The offset of a callee's host, and its drift, are followed from slot to slot of event time
// (UnpairedOffset finds, a Kalman filter follows). A step shows as calls that none was sent for;
// from then on another offset that explains them is looked for. What an offset does not explain,
// with the calls beside it, is told as unknown: nothing can be said of who sent it. Callers on the
// callee's own host go by its clock: there is nothing to find.
//
// These are guesses: nothing of it is a bound, and ClockModel never learns of it.
//
// The answer depends on the records alone, not on when Advance is called. Memory is that of the
// records of the slots at hand. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "correlate/linking/call_record.h"
#include "correlate/rebuild/unpaired_offset.h"

namespace tomograph::correlate {

class HopClocks {
 public:
  using Placed = std::function<void(const linking::CallRecord&)>;
  using Unknown = std::function<void(uint64_t id)>;

  static constexpr Nanos kSlot = 5 * kSecond;
  static constexpr Nanos kReach = 2 * kSecond;  // offsets that are looked for

  /// Times that differ by more than can be told are the linker's to refuse.
  static bool Takes(const linking::CallRecord& record);
  /// A caller's side of a call into the hop that the record is of, by the clock of `host`.
  void Sent(const linking::CallRecord& record, telemetry::EntityId host);
  /// A callee's side, by the clock of `host`.
  void Received(const linking::CallRecord& record, telemetry::EntityId host);
  /// All that ended before `until` has been given. Every received record is placed or unknown.
  void Advance(Nanos until, const Placed& placed, const Unknown& unknown);
  /// All that ended before this has been placed.
  Nanos placed_until() const { return placed_until_; }
  size_t bytes() const;

 private:
  struct Clock {
    bool known = false;  // its offset is
    bool off = false;    // it was once more than what clocks in sync are
    Nanos at = 0;        // of the state
    double offset = 0, drift = 0;
    double covariance[3] = {};  // offset, both, drift
    double room = 0;      // the most that calls take between the two hosts, nearly all of them
    double share = 0;     // of its calls that a seen caller sent, with so much room
    Nanos confirmed = 0;  // the last slot that the offset explained
    Nanos jumped_at = 0;
    double jumped_by = 0;
    int fruitless = 0, pause = 0;  // searches without result, slots until the next one
    bool plausible = true;         // while it is not known: nothing speaks against none
    double holds = 0;              // probability that the last call went by the offset
    std::vector<std::pair<Nanos, Nanos>> astray;  // the last calls that no known offset explained

    double sigma() const;
    /// By how much an offset may miss within a slot.
    double Tolerance(double offset_sigma) const;
    void Searched(bool found);
    void Predict(Nanos to);
    void Measure(double measured, double sigma);
    void Jump(double measured, double sigma);
  };
  struct SentCall {
    Nanos start, end;
    telemetry::EntityId host;
  };
  struct Place {
    std::vector<SentCall> sent;
    std::map<telemetry::EntityId, Clock> clocks;
    std::map<Nanos, std::map<telemetry::EntityId, std::vector<linking::CallRecord>>> slots;
  };

  class Slot;
  struct Explained;

  static void Judge(Nanos slot, Place* place, const Placed& placed, const Unknown& unknown);
  static void JudgeHost(Nanos middle, std::span<const CallTime> sent,
                        std::span<const linking::CallRecord> records, Clock* clock,
                        const Placed& placed, const Unknown& unknown);
  static Explained Explain(const Slot& slot, Clock* clock);
  static Explained ExplainByKnown(const Slot& slot, Clock* clock);
  /// What the next slot is to know.
  static void Learn(const Slot& slot, const Explained& by, Clock* clock);

  std::map<telemetry::EntityId, Place> places_;
  Nanos placed_until_ = INT64_MIN;
};

}  // namespace tomograph::correlate
