// Memory grows without end; collection takes more and more time, and then the process is killed.
// Seen as a steady slope between restarts.
#include "diagnose/cause/cause.h"

#include <algorithm>

#include "diagnose/words.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Quantity;

constexpr double kPrior = -0.5;
constexpr double kUnmeasured = -2;
constexpr double kMuch = 0.5;  // growth in one stretch that counts in full
constexpr double kGrows = 4;
constexpr double kSteady = 3;
constexpr double kKilled = 2.5;  // and then it starts anew
constexpr double kCollects = 0.5;

class MemoryLeak : public Cause {
 public:
  std::string_view name() const override { return "memory_leak"; }
  std::string_view explains() const override { return "it runs out of memory"; }
  std::string NextCheck(const std::string& entity) const override {
    return "take a heap snapshot of " + entity +
           " before it is killed, and compare with one just after its start";
  }

  Judgement Judge(const EntityEvidence& e) const override {
    Judgement j;
    j.log_odds = e.memory_known ? kPrior : kUnmeasured;
    if (e.memory_known) {
      const double leak = std::min(1.0, e.memory_growth / kMuch) * e.memory_fit;
      j.Add(kGrows * leak - kSteady * (1 - leak),
            leak > 0.1 ? "memory of " + e.name + " grows steadily, by " +
                             TellShare(e.memory_growth) + " in one stretch"
                       : "memory of " + e.name + " does not grow",
            EvidenceOf(e, Quantity::kMemoryBytes));
      const double restarts = std::max(0.0, e.restarts - e.restarts_before);
      j.Add(restarts >= 1 ? kKilled * leak : 0, e.name + " was restarted while its memory grew",
            EvidenceOf(e, Quantity::kUptime));
    }
    AddRise(e, Quantity::kGcTime, kCollects, kCollects, &j);
    return j;
  }
};

}  // namespace

std::unique_ptr<Cause> MakeMemoryLeak() { return std::make_unique<MemoryLeak>(); }

}  // namespace tomograph::diagnose
