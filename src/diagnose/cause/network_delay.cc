// Packets to and from the entity take longer: callers see its latency rise, its own server side
// less or not at all, and its own calls are slow to others that answer everybody else as quickly as
// before.
#include "diagnose/baseline/robust.h"
#include "diagnose/cause/cause.h"

#include <algorithm>
#include "diagnose/words.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Quantity;

constexpr double kPrior = -0.5;
constexpr double kUnmeasured = -2;
constexpr double kBetween = 4;
constexpr double kInside = 3;
constexpr double kRetransmits = 1;
constexpr double kPending = 3;
constexpr double kStarved = 4;

class NetworkDelay : public Cause {
 public:
  std::string_view name() const override { return "network_delay"; }
  std::string_view explains() const override { return "the network to and from it is slow"; }
  std::string NextCheck(const std::string& entity) const override {
    return "measure the round trip to the host of " + entity + ", and retransmissions on it";
  }

  Judgement Judge(const EntityEvidence& e) const override {
    Judgement j;
    const double between = ShareOfBlame(e, e.blame.network);
    if (!e.callers_latency.known && between <= 0) {
      j.log_odds = kUnmeasured;
      return j;
    }
    j.log_odds = kPrior;
    j.Add(kBetween * between - kInside * (1 - between),
          TellShare(between) + " of the harm is time between " + e.name + " and its neighbours",
          EvidenceOf(e, Quantity::kClientLatency));
    AddRise(e, Quantity::kRetransmits, kRetransmits, 0, &j);
    // A process that does not get to run, or waits for a connection, looks the same from outside.
    AddStarvation(e, kStarved, &j);
    if (e.of(Quantity::kConnectionsPending).known) {
      j.Add(-kPending * Belief(e.of(Quantity::kConnectionsPending).z),
            TellShift(e, Quantity::kConnectionsPending, e.of(Quantity::kConnectionsPending)),
            EvidenceOf(e, Quantity::kConnectionsPending));
    }
    return j;
  }
};

}  // namespace

std::unique_ptr<Cause> MakeNetworkDelay() { return std::make_unique<NetworkDelay>(); }

}  // namespace tomograph::diagnose
