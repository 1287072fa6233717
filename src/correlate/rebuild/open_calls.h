// OpenCalls: calls that nobody's span answers and of which it is not known whom they reached,
// behind an address that nobody owns, through a relay or by a queue. A request that names no parent
// begins where it was received only if none of these may have been it:
//
//   in time     a call ended in the request's window, the one before or one of the two after (a
//               message: before the request's end)
//   by ids      at an address at which nobody was ever seen to answer, and between a caller whose
//               calls are joined by ids and a callee whose requests are, an id would have told
//   by order    a call does not come back to a service that it was made for
//
// Coarse, since it is asked of every request, and nearly all calls of a fleet are to databases and
// third parties: kinds of calls by the window, not calls. It tells what cannot be said, and joins
// nothing. Of requests that are looked for, stray_calls.h goes by each call.
// Wrong when a call returns to the service that its request came through, or takes more than two
// windows longer than the request; and through a relay that takes the ids out of some calls.
//
// Bounded: kMemory windows (kPatience for messages, which wait), kMost kinds of calls in each;
// beyond, any call may have been any request. Not thread-safe.
#pragma once

#include <compare>
#include <deque>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/batch.h"
#include "telemetry/entity.h"

namespace tomograph::correlate {

/// Calls of one kind, as far as it matters whom they may have reached.
struct OpenCall {
  telemetry::EntityId caller = telemetry::kNoEntity;
  telemetry::EntityId callee = telemetry::kNoEntity;  // none: anybody
  bool message = false;
  bool nobodys = false;                       // at its address nobody was ever seen to answer
  bool by_times = false;                      // whom it may have reached its times tell
  std::vector<telemetry::EntityId> for_whom;  // services above it in its trace, and the caller
  auto operator<=>(const OpenCall&) const = default;
};

class OpenCalls {
 public:
  static constexpr size_t kMemory = 60;  // windows
  static constexpr size_t kMost = 1'000;
  static constexpr Nanos kPatience = kHour;  // a message is worked on by then

  /// Of the window at hand. Calls of `service` are, and requests to it are, joined by ids: so are
  /// all, until none was for kMemory windows.
  void SendsIds(telemetry::EntityId service) { send_ids_[service] = kMemory; }
  void TakesIds(telemetry::EntityId service) { take_ids_[service] = kMemory; }
  void Add(OpenCall call);
  /// There were calls that were not told of.
  void AddUntold() { now_.full = true; }
  void CloseWindow(Nanos start, Nanos end);

  /// May one of them have been a request that `service` received? `looked_for`: its calls are
  /// looked through for the request's caller, those to nobody knows whom alone are in question,
  /// and of these not the ones that AddressClaims and StrayCalls know more of.
  bool MayBe(telemetry::EntityId service, telemetry::SpanKind kind, Nanos start, Nanos end,
             bool looked_for = false) const;

 private:
  struct Window {
    Nanos start = 0, end = 0;
    std::set<OpenCall> calls;
    bool full = false;
  };
  /// Messages of one kind.
  struct Sent {
    Nanos first = 0, last = 0;  // starts of windows
  };
  void KeepMessages();
  bool MayReach(const OpenCall& call, telemetry::EntityId service, bool message,
                bool looked_for) const;

  Window now_;
  std::deque<Window> windows_;  // by time; without those that have no calls
  std::map<OpenCall, Sent> messages_;
  Sent untold_messages_{INT64_MAX, INT64_MIN};
  std::unordered_map<telemetry::EntityId, size_t> send_ids_, take_ids_;  // -> windows to remember
};

}  // namespace tomograph::correlate
