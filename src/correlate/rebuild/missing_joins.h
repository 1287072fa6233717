// MissingJoins: where spans lack the ids that would join them, so that inference is spent there and
// nowhere else.
//
//   within a service   calls that nothing the service received stands above (lost context)
//   into a service     received requests that name no parent, while callers have calls to the
//                      service that nobody answers (no propagation)
//
// A place is open for as long as joins were missing there within the last kMemory windows, and
// there were enough of them: a background job or a single broken client is no reason to begin.
// Into a service these may be spread over as many windows: rare calls need an answer too.
// Bounded by the number of services. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>

#include "telemetry/entity.h"

namespace tomograph::correlate {

class MissingJoins {
 public:
  static constexpr int kMemory = 60;  // windows

  void CountCall(telemetry::EntityId service, bool without_request);
  void CountReceived(telemetry::EntityId service, bool without_parent);
  void CountUnanswered(telemetry::EntityId callee);
  /// Calls whose callee nobody can name may have gone to it.
  void CountUnclear(telemetry::EntityId callee);
  /// A window has passed: what it showed opens and closes places.
  void CloseWindow();

  bool any() const { return any_; }
  bool any_unclear() const { return any_unclear_; }
  bool WithinOpen(telemetry::EntityId service) const;
  bool IntoOpen(telemetry::EntityId service) const;
  /// May what it received without a parent have been called by anybody seen? Also where this is too
  /// rare to infer joins.
  bool IntoUnclear(telemetry::EntityId service) const;

 private:
  struct Counts {
    uint64_t calls = 0, without_request = 0;
    uint64_t received = 0, without_parent = 0, unanswered = 0;  // unanswered: calls to it
    bool unclear = false;
  };
  /// Those of the last kMemory windows or so.
  struct Recent {
    double received = 0, without_parent = 0, unanswered = 0;
    void Add(const Counts& now);
    bool enough() const;
    bool any() const;
    bool faded() const { return received + without_parent + unanswered < kLeft; }

   private:
    static constexpr double kLeft = .3;  // of one in the last kMemory windows more is left
  };
  struct Place {
    Counts now;
    Recent recent;
    int within_open_for = 0, into_open_for = 0, into_unclear_for = 0;
  };
  std::map<telemetry::EntityId, Place> places_;
  bool any_ = false, any_unclear_ = false;
};

}  // namespace tomograph::correlate
