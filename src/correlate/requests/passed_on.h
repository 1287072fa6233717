// PassedOn: what a service received of which there is an access log and nothing else is a call as
// well, as far as may be: to whom it passes requests on, on its own host. So are proxies known that
// have no other telemetry. Of a service that sends spans its calls are seen; what happens to come
// within its requests, of the same user at the same time say, is none.
//
//   log     |-------------|        the request as the proxy has it
//   web        |-------|           from its own host (loopback), or it does not say from where
//
// Whom it calls by that no word tells: it is an address of its own, of this service on this host,
// and its times tell whose it is (entities/address_claims.h). Only requests without a parent that
// may come from the same host (OpenSpan::network) can be what was passed on.
//
// Wrong when a proxy has client spans for some of what it passes on. Bounded: kMost services on
// hosts, each until nothing was seen of it for kMemory windows. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_set>
#include <utility>

#include "correlate/requests/trace_assembler.h"

namespace tomograph::correlate {

class PassedOn {
 public:
  static constexpr int kMemory = 60;  // windows
  static constexpr size_t kMost = 50'000;

  /// The network in which alone `received` may have been called; 0: it may have been from anywhere
  /// else, or has a parent.
  static uint32_t CalledWithin(const OpenSpan& received);

  /// It makes calls that are seen.
  void SeeCaller(telemetry::EntityId service) { callers_.insert(service); }
  void SeeReceived(const OpenSpan& received);
  void CloseWindow();

  /// The call that a received span of an access log may have become; none, where its service is
  /// known to make calls of its own. It keeps its kind, and names an address.
  std::optional<OpenSpan> CallOf(const JoinedTrace& trace, size_t i) const;
  /// Once all of the window was seen: is there anybody whom such a call may have reached, and does
  /// its service make no calls of its own?
  bool ReachesAny(const OpenSpan& call) const;
  /// It is `callee` that such calls of this network go to.
  void SeeCallee(uint32_t network, telemetry::EntityId callee);
  /// May the request have come by a proxy of its own host that is known to pass on to its service?
  bool BehindProxy(const OpenSpan& received) const;
  /// Stands for all that come so, as the caller of one.
  static telemetry::EntityId ProxyOf(const OpenSpan& received);
  /// May `call`, one of CallOf's, have been `received`?
  static bool MayBe(const OpenSpan& call, const OpenSpan& received) {
    return call.network == CalledWithin(received);
  }

 private:
  using Place = std::pair<uint32_t, telemetry::EntityId>;  // network, service
  std::unordered_set<telemetry::EntityId> callers_;
  // Who may be called from its own host, and who is known to be; windows to remember.
  std::map<Place, int> behind_, called_;
};

}  // namespace tomograph::correlate
