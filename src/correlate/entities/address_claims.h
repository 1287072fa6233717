// AddressClaims: which services may answer at an address of whose owner there is no word, told by
// the times of the calls there. Where a service answers, its requests fit the calls:
//
//   calls to 10.0.0.5   |-------|      |------|   |---------|
//   requests of S          |---|         |--|        |----|      met 3 of 3
//   the calls, earlier     ...                                   met 0 of 3: p0, by chance
//
// Per address and service, P(it answers there now): a hidden Markov chain of two states, that
// change once a day, and the calls of each window as what is seen of them:
//
//   met      log((p0 + (1 - p0) g) / p0)      g: the share of calls that have their request, by a
//   not met  log(1 - g)                          Beta(9/2, 1/2) on what was met beyond chance
//
// Evidence counts half, as calls come in bursts. One request fits one call, and only requests that
// name no parent and that no call known to have gone to their service explains. A service that was
// not heard in the window is told nothing of: missing is not bad. An address may be several
// services'; that one answers there speaks neither for nor against another.
//
// A service that answers for (nearly) sure is told to the AddressBook, as of the first call that
// fits; whom the address was before and whether both share it, the book knows.
//
// Wrong when clocks differ by more than their bounds (2 ms where nothing is known of them): nothing
// fits then. And when calls elsewhere always go with a service's requests and last longer, while
// the calls that cause these are not seen: they fit as if they were the cause.
//
// Bounded: kMostPairs; calls beyond kMostCalls of an address and window are left out evenly. Cost
// of a window: addresses x heard services x kFirstLook calls, at nine times each. kMostCalls of
// them are looked at where the service may answer (kMay) or meets more of the first ones than
// chance does, by two standard deviations; elsewhere the first ones are all the evidence that there
// is. Independent of the order of Add. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "base/nanotime.h"
#include "correlate/entities/address_book.h"
#include "telemetry/entity.h"

namespace tomograph::correlate {

class AddressClaims {
 public:
  static constexpr size_t kMostPairs = 50'000;
  static constexpr size_t kMostCalls = 256;
  static constexpr size_t kFirstLook = 32;
  static constexpr double kEstablished = .95;  // from here on the book is told
  static constexpr double kMay = .05;          // from here on nobody can leave it out

  struct Call {
    telemetry::EntityId address = telemetry::kNoEntity;  // or the name that it goes by
    telemetry::EntityId caller = telemetry::kNoEntity;
    telemetry::EntityId callee = telemetry::kNoEntity;  // as far as that is known by now
    bool open = false;  // of the address' owner there was no word in the window
    Nanos start = 0, end = 0;
    Nanos slack = 0;       // that the times may be off by, against those of others
    uint32_t network = 0;  // which it does not leave, as all calls to this address; 0: it may
  };
  /// A call that nobody's span is known to answer, and that ended in the window at hand.
  void Add(const Call& call) { calls_.push_back(call); }
  /// A received request that names no parent, likewise. `network`: in which it may have been called
  /// from its own host; 0: it was not.
  void AddRequest(telemetry::EntityId service, Nanos start, Nanos end, Nanos slack,
                  uint32_t network = 0) {
    requests_[service].push_back({start, end, slack, network, telemetry::kNoEntity});
  }
  /// The window [from, to) has passed. `heard`: did the service send spans in it?
  /// `may`: told of every service that calls may go to of which nobody can say where they go.
  void Settle(Nanos from, Nanos to, const std::function<bool(telemetry::EntityId)>& heard,
              AddressBook* addresses, const std::function<void(telemetry::EntityId)>& may);
  uint64_t looked_at() const { return looked_at_; }  // calls, for each service
  /// That `service` answers at the address; 0 where nothing says that it may.
  double Share(telemetry::EntityId address, telemetry::EntityId service) const;

 private:
  struct Request {
    Nanos start, end, slack;
    uint32_t network;
    telemetry::EntityId explained_by;  // an address or name
  };
  struct Pair {
    double share = 0;
    double calls = 0, met = 0, by_chance = 0;  // as far back as memory goes
    Nanos since = 0;                           // the first call that fits, since it was unlikely
    Nanos seen = 0;
  };
  struct Fit {
    double calls = 0, met = 0, by_chance = 0;
    Nanos first = INT64_MAX, last = INT64_MIN;  // of those met
  };
  using Requests = std::vector<Request>;  // by start
  struct Window {
    Nanos from, to;
    AddressBook* addresses;
    const std::function<void(telemetry::EntityId)>* may;
  };
  /// To one address, of whose owner there is no word.
  struct OpenCalls {
    std::vector<Call> all, first_look;  // at most kMostCalls, kFirstLook
  };

  void Explain();
  OpenCalls OpenOf(const Call* begin, const Call* end, const Window& window) const;
  Fit FitOf(const std::vector<Call>& calls, telemetry::EntityId service, const Requests& requests);
  static bool BeyondChance(const Fit& fit);
  void Weigh(const OpenCalls& calls, telemetry::EntityId service, const Requests& requests,
             const Window& window);
  void Forget(Nanos now, Nanos requests_before);

  uint64_t looked_at_ = 0;
  std::vector<Call> calls_;                           // of the window at hand
  std::map<telemetry::EntityId, Requests> requests_;  // of this window and the one before
  std::map<std::pair<telemetry::EntityId, telemetry::EntityId>, Pair> pairs_;
};

}  // namespace tomograph::correlate
