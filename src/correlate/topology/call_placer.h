// CallPlacer: whose a call is that no two joined spans tell of, by the name or address in it and
// what the AddressBook knows of that address at that time.
//
// An address that was seen to be somebody's before and after the call is his. One that is only
// believed to be somebody's still may carry on an edge that is there, but does not begin one: such
// a call waits (`Later`) until the next sight of the address confirms it or contradicts it. When
// none comes for five minutes and nobody else was ever seen there, the belief is all there is, and
// the edge is drawn with its confidence. What is shared is told apart by the operation where every
// operation has its own owner, and else goes to an entity that stands for the address; so does all
// that a relay passes on. So does, after the same five minutes, what is called where nobody was
// ever seen: the owner is unknown, and the call is on the map. What was between two owners goes
// nowhere. Bounded; what no edge is drawn for is counted. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "correlate/entities/address_book.h"
#include "correlate/entities/address_claims.h"
#include "correlate/requests/passed_on.h"
#include "correlate/requests/trace_assembler.h"
#include "correlate/topology/edge_book.h"
#include "telemetry/identities.h"

namespace tomograph::correlate {

class CallPlacer {
 public:
  struct Place {
    telemetry::EntityId entity = telemetry::kNoEntity;  // none: nobody can be named
    double confidence = 0;
    bool later = false;  // only believed, or nobody's so far: hand it to Later
    bool sole = false;   // nobody else was ever seen there
  };
  struct Call {
    telemetry::EntityId teller =
        telemetry::kNoEntity;                          // the caller; of an incoming call the callee
    telemetry::EntityId other = telemetry::kNoEntity;  // by name or key: who is asked for
    telemetry::StringId operation = telemetry::kEmptyString;
    bool by_address = true;  // `other` is a key, of KeyOf
    bool incoming = false;   // `other` is the caller's, or the queue
    Nanos from = 0, to = 0;  // when it was made; of several calls the first and the last
  };
  /// Has this edge (caller, callee) been seen in the window at hand?
  using IsKnown = std::function<bool(telemetry::EntityId, telemetry::EntityId)>;

  /// All outlive it.
  CallPlacer(AddressBook* addresses, EdgeBook* edges, telemetry::Identities* identities)
      : addresses_(addresses), edges_(edges), identities_(identities) {}

  static constexpr double kOwnName = 0.9;  // what nobody answers for is an entity of its own

  /// The key of an address, which from now on can be named.
  telemetry::EntityId KeyOf(telemetry::StringId address);
  /// Is it an address at which only a process of the caller's own host can be reached?
  bool StaysOnHost(telemetry::EntityId address) const;

  Place Find(const Call& call, const IsKnown& known) const;
  /// Who else than `place` may be meant by a call to an address that several share or that is a
  /// relay's, with the share of the calls there: its other owners, and the entity that stands for
  /// it.
  std::vector<std::pair<telemetry::EntityId, double>> Others(const Call& call,
                                                             const Place& place) const;
  /// Whom an outgoing span that nobody's span answers may have called: whom it names, who answers
  /// at the address that it names, else who lives at that host. No word on whether there is an
  /// edge: a candidate. None when it is unknown, shared or relayed.
  telemetry::EntityId CalleeOf(const OpenSpan& call) const;
  /// Who lives at the address from which a received span says that it was called: its caller, or a
  /// proxy. None when that is unknown or shared.
  telemetry::EntityId CallerOf(const OpenSpan& received) const;
  /// The probability that who received `received` answers where an outgoing span, or what was
  /// passed on, goes that nobody's span answers: 1 or 0 by a name, else by all that is known of the
  /// address.
  double MayBeOf(const OpenSpan& call, const OpenSpan& received) const;
  /// Does nothing but the times of its calls tell whose the address is that the span names? No
  /// where there was word of it since `since`, nor of a host's name, which says who is meant, nor
  /// on its own host, where relays listen.
  bool TimesAloneTell(const OpenSpan& call, Nanos since) const;
  AddressClaims& claims() { return claims_; }
  PassedOn& passed_on() { return passed_on_; }
  const PassedOn& passed_on() const { return passed_on_; }
  /// Takes a call of the window [from, to) that has to wait.
  void Later(const Call& call, EdgeWitness by, const EdgeSight& sight, TimeRange window);
  /// Draws the edges of what waited and is confirmed by now, or has waited long enough.
  void Settle(Nanos now);

  /// A joined call with this operation to an address that several share was answered by `service`.
  void ObserveShared(telemetry::EntityId address, telemetry::StringId operation,
                     telemetry::EntityId service, Nanos first, Nanos last, double times);

  /// Entities that stand for an address at which nobody was ever seen to answer.
  std::set<telemetry::EntityId> OwnerUnknown() const;

  uint64_t unplaced() const { return unplaced_; }  // records that no edge was drawn for
  /// The same by address, the most first; of the first kMaxNobodys addresses.
  std::vector<std::pair<std::string, uint64_t>> UnplacedAt() const;
  void CountUnplaced(const Call& call, uint64_t records);

 private:
  struct Name {
    telemetry::StringId address = telemetry::kEmptyString;
    telemetry::EntityId home = telemetry::kNoEntity;
    telemetry::EntityId anywhere = telemetry::kNoEntity;  // if nobody ever lived at `home`
    bool is_ip = false, stays_on_host = false;
  };
  struct Waiting {
    Call call;
    EdgeSight sight;
    TimeRange window;
  };
  using WaitingKey = std::tuple<Nanos, telemetry::EntityId, telemetry::EntityId, EdgeWitness, bool,
                                telemetry::StringId>;

  AddressBook::Answer Resolve(const Call& call) const;
  telemetry::EntityId HomeOf(const Call& call) const;
  telemetry::EntityId HomeOf(const Name& name) const;
  Place OfShared(const Call& call, const IsKnown& known) const;
  Place OfAddress(const Call& call) const;
  Place OfNobody(const Call& call, const IsKnown& known) const;
  Place OfUnknownOwner(const Call& call, const IsKnown& known) const;
  Place BeginUnknownOwner(const Call& call);
  Place Believe(const Call& call, const AddressBook::Answer& answer, const IsKnown& known) const;

  AddressBook* const addresses_;
  AddressClaims claims_;
  PassedOn passed_on_;
  EdgeBook* const edges_;
  telemetry::Identities* const identities_;
  std::unordered_map<telemetry::StringId, telemetry::EntityId> keys_;     // of addresses
  std::unordered_map<telemetry::EntityId, Name> names_;                   // of these keys
  std::map<WaitingKey, Waiting> waiting_;                                 // the oldest first
  std::unordered_map<telemetry::EntityId, telemetry::EntityId> nobodys_;  // entity by address
  uint64_t unplaced_ = 0;
  std::map<telemetry::EntityId, uint64_t> unplaced_at_;  // by key
};

}  // namespace tomograph::correlate
