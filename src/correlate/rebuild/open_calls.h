// OpenCalls: calls that nobody's span answers and of which it is not known whom they reached,
// behind an address that nobody owns, through a relay or by a queue. A request that names no parent
// begins where it was received only if none of these may have been it:
//
//   in time     a call ended within a window of the request (a message: before the request's end)
//   by ids      at an address at which nobody was ever seen to answer, and between a caller whose
//               calls are joined by ids and a callee whose requests are, an id would have told
//   by order    a call does not come back to a service that it was made for
//
// Coarse, since it is asked of every request, and nearly all calls of a fleet are to databases and
// third parties: kinds of calls by the window, not calls. It tells what cannot be said, and joins
// nothing. Of requests that are looked for, stray_calls.h goes by each call.
// Wrong when a call returns to the service that its request came through, or takes more than the
// lateness longer than the request; and through a relay that takes the ids out of some calls.
//
// Bounded: kMemory windows, kMost kinds of calls in each; beyond, any call may have been any
// request. Not thread-safe.
#pragma once

#include <compare>
#include <deque>
#include <set>
#include <unordered_set>
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
  std::vector<telemetry::EntityId> for_whom;  // services above it in its trace, and the caller
  auto operator<=>(const OpenCall&) const = default;
};

class OpenCalls {
 public:
  static constexpr size_t kMemory = 60;  // windows
  static constexpr size_t kMost = 1'000;

  /// Of the window at hand. Calls of `service` are, and requests to it are, joined by ids.
  void SendsIds(telemetry::EntityId service) { send_ids_.insert(service); }
  void TakesIds(telemetry::EntityId service) { take_ids_.insert(service); }
  void Add(OpenCall call);
  void CloseWindow(Nanos start, Nanos end);

  /// May one of them have been a request that `service` received? `looked_for`: its calls are
  /// looked through for the request's caller, those to nobody knows whom alone are in question.
  bool MayBe(telemetry::EntityId service, telemetry::SpanKind kind, Nanos start, Nanos end,
             bool looked_for = false) const;

 private:
  struct Window {
    Nanos start = 0, end = 0;
    std::set<OpenCall> calls;
    bool full = false;
  };
  bool MayReach(const Window& window, telemetry::EntityId service, bool message,
                bool looked_for) const;

  Window now_;
  std::deque<Window> windows_;  // by time; without those that have no calls
  Window messages_;             // since they began
  std::unordered_set<telemetry::EntityId> send_ids_, take_ids_;
};

}  // namespace tomograph::correlate
