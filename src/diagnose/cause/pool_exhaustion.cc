// Every connection of a pool is taken and requests wait for one. Seen in the pool's own gauges; the
// database behind it may be as quick as ever.
#include "diagnose/cause/cause.h"
#include "diagnose/words.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Quantity;

constexpr double kPrior = -0.5;
constexpr double kUnmeasured = -2;  // there may be no pool at all
constexpr double kPending = 3.5;    // requests wait for a connection
constexpr double kNonePending = 2;
constexpr double kPoolFull = 1.5;  // it was not before
constexpr double kPoolFree = 2;
constexpr double kStarved = 5;  // then the pool is full because nothing gets done
constexpr double kFull = 0.9;   // share in use

class PoolExhaustion : public Cause {
 public:
  std::string_view name() const override { return "pool_exhaustion"; }
  std::string_view explains() const override { return "its connection pool is exhausted"; }
  std::string NextCheck(const std::string& entity) const override {
    return "look who holds the connections of " + entity +
           ": long transactions, or a pool that is not given back";
  }

  Judgement Judge(const EntityEvidence& e) const override {
    Judgement j;
    const Shift& pending = e.of(Quantity::kConnectionsPending);
    j.log_odds = pending.known || e.pool_use.known ? kPrior : kUnmeasured;
    AddRise(e, Quantity::kConnectionsPending, kPending, kNonePending, &j);
    if (e.pool_use.known) {
      const bool full = e.pool_use.highest >= kFull && e.pool_use.before < kFull;
      j.Add(full                         ? kPoolFull
            : e.pool_use.highest < kFull ? -kPoolFree
                                         : 0,
            "of the connections of " + e.name + ", " + TellShare(e.pool_use.before) +
                " were in use before and as many as " + TellShare(e.pool_use.highest) + " since",
            EvidenceOf(e, Quantity::kConnectionsInUse));
    }
    AddStarvation(e, kStarved, &j);
    return j;
  }
};

}  // namespace

std::unique_ptr<Cause> MakePoolExhaustion() { return std::make_unique<PoolExhaustion>(); }

}  // namespace tomograph::diagnose
