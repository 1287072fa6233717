// HopClocks: puts both sides of the calls into a service on one time, where no id joins the two
// and so nothing else tells how the clocks of their hosts differ (docs/models/requests.md).
//
//   callers' hosts   a1 a2 | a3      Hosts of callers whose clocks agree are a band: one offset is
//                      \ |  /|       followed for each band and callee's host (FollowedOffset),
//                      from
//   callees' hosts      h1  h2       what the band sent and what no other band's offset explains.
//
// All hosts of callers are held to agree until their calls say otherwise: one whose calls have
// nothing received within them at its band's offset (Page's test, over the slots) leaves it for a
// band that explains them, or for a new one, whose offset is looked for among what is left.
//
// What no offset explains, with the calls beside it, is told as unknown: nothing can be said of who
// sent it. What was sent by callers of whose clock nothing is known is not told; what is received
// meanwhile may be theirs, and says so. Callers on the callee's own host go by its clock: there is
// nothing to find.
//
// These are guesses: nothing of it is a bound, and ClockModel never learns of it.
//
// The answer depends on the records alone, not on when Advance is called. Memory is that of the
// records of the slots at hand. Not thread-safe.
#pragma once

#include <map>
#include <vector>

#include "correlate/rebuild/hop_place.h"
#include "telemetry/host_clock.h"

namespace tomograph::correlate {

class HopClocks {
 public:
  using Sinks = HopSinks;

  static constexpr Nanos kSlot = FollowedOffset::kSlot;
  static constexpr Nanos kReach = FollowedOffset::kReach;  // offsets that are looked for
  static constexpr Nanos kFarthest = HopPlace::kFarthest;  // that a record is moved

  /// Times that differ by more than can be told are the linker's to refuse.
  static bool Takes(const linking::CallRecord& record);
  /// A caller's side of a call into the hop that the record is of, by the clock of `host`.
  void Sent(const linking::CallRecord& record, telemetry::EntityId host);
  /// A callee's side, by the clock of `host`; the hop is one into `service`.
  void Received(const linking::CallRecord& record, telemetry::EntityId host,
                telemetry::EntityId service);
  /// All that ended before `until` has been given. Every received record is placed or unknown.
  void Advance(Nanos until, const Sinks& sinks);
  /// All that ended before this has been told.
  Nanos placed_until() const { return placed_until_; }
  /// What is held of the clocks of each caller's and callee's host whose calls were read in the
  /// last hour; without the hosts' names.
  std::vector<telemetry::HopClock> Told() const;
  size_t bytes() const;

 private:
  static void Forget(Nanos before, HopPlace* place);

  std::map<telemetry::EntityId, HopPlace> places_;
  Nanos placed_until_ = INT64_MIN;
  Nanos newest_ = -(Nanos{1} << 62);  // end of a record
};

}  // namespace tomograph::correlate
