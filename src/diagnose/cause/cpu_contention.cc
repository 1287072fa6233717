// Too little processor: its own use is up, or others on the host take it, which shows as time spent
// ready but not running (event-loop, run-queue delay) while its own use may even fall.
#include "diagnose/cause/cause.h"

#include <algorithm>

#include "diagnose/baseline/robust.h"
#include "diagnose/words.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Quantity;

constexpr double kPrior = -0.5;
constexpr double kUnmeasured = -2;
constexpr double kStarved = 4;  // ready, but not running, which is why its calls are slow
constexpr double kNotStarved = 2;
constexpr double kBusier = 3;
constexpr double kNotBusier = 0.5;  // a starved process uses less, not more
constexpr double kMuch = 0.3;       // rise of its use that counts in full
constexpr double kHostBusier = 1;
constexpr double kRefused = 2.5;

class CpuContention : public Cause {
 public:
  std::string_view name() const override { return "cpu_contention"; }
  std::string_view explains() const override {
    return "it does not get the processor time it needs";
  }
  std::string NextCheck(const std::string& entity) const override {
    return "look what else runs on the host of " + entity +
           ", and at its throttling and steal time";
  }

  Judgement Judge(const EntityEvidence& e) const override {
    Judgement j;
    const Starvation starvation = StarvationOf(e);
    const bool known = e.of(Quantity::kCpuUtilization).known || starvation.known ||
                       e.of(Quantity::kHostCpuUtilization).known;
    j.log_odds = known ? kPrior : kUnmeasured;
    if (starvation.known) {
      j.Add(kStarved * starvation.share - kNotStarved * (1 - starvation.share),
            TellShift(e, starvation.shown_by, e.of(starvation.shown_by)),
            EvidenceOf(e, starvation.shown_by));
    }
    const Shift& cpu = e.of(Quantity::kCpuUtilization);
    if (cpu.known) {
      const double gained = std::clamp(cpu.rise() / kMuch, 0.0, 1.0) * Belief(cpu.z);
      j.Add(kBusier * gained - kNotBusier * (1 - gained),
            TellShift(e, Quantity::kCpuUtilization, cpu), EvidenceOf(e, Quantity::kCpuUtilization));
    }
    AddRise(e, Quantity::kHostCpuUtilization, kHostBusier, 0, &j);
    // Too little processor makes late answers; a process that starts anew is busy, too.
    const double refused = ShareOfBlame(e, e.blame.refused);
    j.Add(-kRefused * refused,
          "callers of " + e.name + " are refused: " + TellValue(Quantity::kErrorRatio, refused) +
              " of the harm",
          EvidenceOf(e, Quantity::kClientErrorRatio));
    return j;
  }
};

}  // namespace

std::unique_ptr<Cause> MakeCpuContention() { return std::make_unique<CpuContention>(); }

}  // namespace tomograph::diagnose
