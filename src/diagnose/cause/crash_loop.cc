// The process dies and is started again, and again. Seen in restarts, in uptimes that fall back, in
// silences that end, and in callers that are refused while the entity itself reports no errors.
#include "diagnose/cause/cause.h"

#include <algorithm>

#include "diagnose/words.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Quantity;

constexpr double kPrior = -0.5;
constexpr double kUnmeasured = -1.5;
constexpr double kSeveral = 4;
constexpr double kOne = 1.5;
constexpr double kNone = 3;
constexpr double kComesAndGoes = 2;  // it falls silent and is heard again, more than once
constexpr double kRefused = 1.5;
constexpr double kRolloutSeconds = 60;

class CrashLoop : public Cause {
 public:
  std::string_view name() const override { return "crash_loop"; }
  std::string_view explains() const override { return "it keeps dying and being restarted"; }
  std::string NextCheck(const std::string& entity) const override {
    return "read the last log lines of " + entity + " before each restart";
  }

  Judgement Judge(const EntityEvidence& e) const override {
    Judgement j;
    j.log_odds = e.restarts_known ? kPrior : kUnmeasured;
    const double restarts = std::max(0.0, e.restarts - e.restarts_before);
    if (e.restarts_known) {
      // A single restart right after a change may be that change being rolled out: it says nothing.
      const bool rollout = restarts <= 1 && e.change != nullptr && e.change_gap_s < kRolloutSeconds;
      const double weight = restarts >= 2              ? kSeveral
                            : rollout && restarts >= 1 ? 0
                            : restarts >= 1            ? kOne
                                                       : -kNone;
      j.Add(weight,
            e.name + " restarted " + TellValue(Quantity::kRestarts, e.restarts) +
                " times since the onset, " + TellValue(Quantity::kRestarts, e.restarts_before) +
                " before",
            EvidenceOf(e, Quantity::kUptime));
    }
    j.Add(e.returns >= 2 ? kComesAndGoes : 0,
          e.name + " fell silent and was heard again " + std::to_string(e.returns) +
              " times since the onset",
          EvidenceOf(e, Quantity::kCallRate));
    const double refused = ShareOfBlame(e, e.blame.refused);
    // One that is gone for good refuses its callers as well: only who came back was restarted.
    if (restarts >= 1 || e.returns >= 1) {
      j.Add(kRefused * refused,
            "callers of " + e.name + " see failures that it does not report itself: " +
                TellShare(refused) + " of the harm",
            EvidenceOf(e, Quantity::kClientErrorRatio));
    }
    return j;
  }
};

}  // namespace

std::unique_ptr<Cause> MakeCrashLoop() { return std::make_unique<CrashLoop>(); }

}  // namespace tomograph::diagnose
