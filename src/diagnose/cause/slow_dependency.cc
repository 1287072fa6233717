// The entity itself takes longer, and nothing else that is measured explains why: a slow query, a
// lock, a slow algorithm. The kind that is left when the others find nothing.
#include "diagnose/cause/cause.h"
#include "diagnose/words.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Quantity;

constexpr double kInside = 1.5;   // all of the harm is time inside the entity
constexpr double kElsewhere = 2;  // none of it is
constexpr double kSlower = 0.5;   // its server side got slower

class SlowDependency : public Cause {
 public:
  std::string_view name() const override { return "slow_dependency"; }
  std::string_view explains() const override { return "it answers more slowly than it used to"; }
  std::string NextCheck(const std::string& entity) const override {
    return "profile " + entity + ", or look where its slowest spans spend their own time";
  }

  Judgement Judge(const EntityEvidence& e) const override {
    Judgement j;
    const double inside = ShareOfBlame(e, e.blame.latency - e.blame.network);
    j.Add(kInside * inside - kElsewhere * (1 - inside),
          "of the harm laid to " + e.name + ", " + TellShare(inside) + " is time spent inside it",
          EvidenceOf(e, Quantity::kLatency));
    AddRise(e, Quantity::kLatency, kSlower, kSlower, &j);
    return j;
  }
};

}  // namespace

std::unique_ptr<Cause> MakeSlowDependency() { return std::make_unique<SlowDependency>(); }

}  // namespace tomograph::diagnose
