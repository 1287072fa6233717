// AddressBook: who answers at an address (or under a name) that clients use, and since when.
//
// An address has one tenant after another, or several at a time (a proxy, NAT, the host's network).
// Sights of who answered are kept as runs: times during which the same answered. From them:
//   - between two sights of the same run the address is its owner's: known;
//   - between two runs of different owners nobody knows when it changed hands: unknown;
//   - after the last sight (or before the first) it is believed to be that owner's still, with
//         exp(-h gap),  h = (1 + changes seen) / (1 day + time under observation, of all addresses)
//     the mean of a Gamma(1, 1 day) prior on how often addresses change hands;
//   - where two owners' sights overlap, or an owner comes back after another, it is shared: nobody
//     in particular, unless one has 19 of 20 calls. It is one owner's again once that one has been
//     alone for so many windows in a row that sharing would make this less likely than 1 in 20 (the
//     Beta(1/2, 1/2) predictive of windows in which one was seen alone).
// A sight counts n calls, and an owner's claim from n calls is (n + 1) / (n + 2).
//
// Who answers at a port of a home (the address of a host, as resources tell where they live) does
// so as long as it lives there. Once somebody else alone lives there, the port is believed to be
// his, and between the two nobody's. Who has moved in at another home since it was last seen at
// this one may have left it: it is still believed to be there, but not as if nobody else could be.
//
// At a relay's address, a sidecar's on loopback say, what listens passes calls on. Whom it passed
// some on to says nothing of where others go: it is nobody's, whoever was seen to answer, until it
// is forgotten.
//
// Wrong when an address changes hands and back between two sights of its owner, and when sights
// carry times of clocks that disagree by more than a change takes (it is then taken for shared, and
// nothing is said, until the test above separates it). What was a relay's and is a service's own
// now stays nobody's. Of two at one host the one that has said nothing since the other came is
// taken to have left.
//
// Bounded: `max_addresses`, of each the last few runs; as many services that tell their homes, a
// time each. Not thread-safe. The sights of a window may come in any order; Settle makes them
// count.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/entity.h"

namespace tomograph::correlate {

class AddressBook {
 public:
  enum class Certainty : uint8_t {
    kNobody,    // nobody was ever seen to answer there
    kUnknown,   // between two owners
    kShared,    // several answer there
    kRelayed,   // calls to it are passed on: to whom says nothing of the next
    kBelieved,  // the last owner's, as far as anybody saw
    kKnown,     // seen to be the owner's before and after
  };
  struct Answer {
    telemetry::EntityId entity = telemetry::kNoEntity;  // none when unknown, shared or relayed
    double confidence = 0;
    Certainty certainty = Certainty::kNobody;
    bool sole = false;  // nobody else was ever seen there, nor its owner elsewhere since
  };

  static constexpr double kOfItsHost = 0.8;  // who lives at a host answers at its ports

  explicit AddressBook(size_t max_addresses = 200'000) : max_addresses_(max_addresses) {}

  /// `service` was seen to answer at `address`, `times` times between `first` and `last`.
  void Observe(telemetry::EntityId address, telemetry::EntityId service, Nanos first, Nanos last,
               double times = 1);
  /// Likewise, but nothing told it: the calls there fit what `service` received.
  void ObserveFit(telemetry::EntityId address, telemetry::EntityId service, Nanos first, Nanos last,
                  double times);
  /// As Observe, but `service` told itself that it lives at the host with this address.
  void ObserveHome(telemetry::EntityId home, telemetry::EntityId service, Nanos first, Nanos last,
                   double times = 1);
  /// As Observe, but what answered had the call from a relay that listens there.
  void ObserveRelayed(telemetry::EntityId address, telemetry::EntityId service, Nanos first,
                      Nanos last, double times = 1);
  /// A window has passed: what was observed since the last one counts.
  void Settle();
  /// Who answered there at `at`?
  Answer Resolve(telemetry::EntityId address, Nanos at) const;
  /// Who answered there all the time between `from` and `to`?
  Answer Resolve(telemetry::EntityId address, Nanos from, Nanos to) const;
  /// Likewise, where nobody was seen to answer just then by all that is known of its home (or
  /// none): whoever else alone lives there now, with kOfItsHost. kNobody as without the home.
  Answer Resolve(telemetry::EntityId address, telemetry::EntityId home, Nanos from, Nanos to) const;
  /// The owner at `at`; `address` itself when nobody was ever seen there (a name stands for
  /// itself); none when it is unknown, shared or relayed.
  telemetry::EntityId OwnerOrSelf(telemetry::EntityId address, Nanos at) const {
    const Answer answer = Resolve(address, at);
    return answer.certainty == Certainty::kNobody ? address : answer.entity;
  }
  /// All that answered at the address when `at` was, with their shares of the calls; empty: that is
  /// not known.
  std::vector<std::pair<telemetry::EntityId, double>> Owners(telemetry::EntityId address,
                                                             Nanos at) const;
  /// Do several answer there now, and it is no relay's?
  bool Shared(telemetry::EntityId address) const;
  /// Was anybody seen to answer there since `since`, by more than that it fits?
  bool Told(telemetry::EntityId address, Nanos since) const;
  uint64_t refused() const { return refused_; }  // sights of addresses beyond the limit
  size_t size() const { return known_.size(); }

 private:
  struct Sight {
    Nanos first = INT64_MAX;
    Nanos last = INT64_MIN;
    Nanos told = INT64_MIN;  // the last by more than that it fits
    double times = 0;
    bool relayed = false;
    bool home = false;
  };
  struct Owner {
    telemetry::EntityId entity = telemetry::kNoEntity;
    double calls = 0;
    double alone = 0;  // windows of a shared run in which it was the only one
  };
  struct Run {
    Nanos first = 0;
    Nanos last = 0;
    std::vector<Owner> owners;  // several: shared
    double windows = 0;         // of a shared run
    double row = 0;             // its last windows, with the same owner alone:
    telemetry::EntityId row_owner = telemetry::kNoEntity;
    Sight row_sight;
  };
  using Runs = std::vector<Run>;  // by time
  struct Tenancy {
    Runs runs;
    Nanos told = INT64_MIN;
    bool relay = false;
  };
  using Sights = std::vector<std::pair<telemetry::EntityId, Sight>>;

  Sight* FreshSight(telemetry::EntityId address, telemetry::EntityId service);
  void Apply(const Sights& sights, Tenancy* tenancy);
  void Take(telemetry::EntityId owner, const Sight& sight, Runs* runs);
  void Share(telemetry::EntityId owner, const Sight& sight, Run* run);
  void CountWindow(const Sights& sights, Run* run) const;
  void SeparateRow(Runs* runs);
  static Run NewRun(telemetry::EntityId owner, const Sight& sight);
  void MoveIn(telemetry::EntityId owner, const Sight& sight);
  bool MovedOn(telemetry::EntityId home, telemetry::EntityId service, Nanos at) const;
  bool Answered(telemetry::EntityId address, telemetry::EntityId service) const;
  double Survival(Nanos gap) const;
  Answer OfRun(const Run& run, Certainty certainty, Nanos gap) const;
  bool MakeRoom();

  size_t max_addresses_;
  uint64_t refused_ = 0;
  Nanos made_room_ = INT64_MIN;
  double changes_ = 0;
  double observed_s_ = 0;
  std::unordered_map<telemetry::EntityId, Tenancy> known_;
  std::map<std::pair<telemetry::EntityId, telemetry::EntityId>, Sight> fresh_;
  // Since when a service is at the home that it was last seen to move in at.
  std::unordered_map<telemetry::EntityId, Nanos> moved_in_;
};

}  // namespace tomograph::correlate
