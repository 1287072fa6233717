// The entity is gone: nobody gets an answer from it, all its callers' calls fail, and it says
// nothing any more. Silence alone is no sign of it: telemetry may be lost while all is well.
#include "diagnose/cause/cause.h"

#include <algorithm>

#include "diagnose/baseline/robust.h"
#include "diagnose/words.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Quantity;

constexpr double kPrior = -0.5;
constexpr double kUnmeasured = -3;  // nobody tells whether its calls succeed
constexpr double kNoAnswer = 2;     // every call fails, and it knows of none
constexpr double kAnswers = 3;
constexpr double kSilent = 2;
constexpr double kSpeaks = 2;
constexpr double kRestarted = 4;  // it came back, so it is not gone

class ServiceDown : public Cause {
 public:
  std::string_view name() const override { return "service_down"; }
  std::string_view explains() const override { return "it does not answer any more"; }
  std::string NextCheck(const std::string& entity) const override {
    return "look whether " + entity + " runs at all, and whether its callers can reach it";
  }

  Judgement Judge(const EntityEvidence& e) const override {
    Judgement j;
    if (!e.callers_errors.known) {
      j.log_odds = kUnmeasured;
      return j;
    }
    j.log_odds = kPrior;
    const double unanswered = std::clamp(e.callers_errors.rise(), 0.0, 1.0) *
                              Belief(e.callers_errors.z) * ShareOfBlame(e, e.blame.refused);
    j.Add(kNoAnswer * unanswered - kAnswers * (1 - unanswered),
          "of the calls to " + e.name + ", " + TellShare(e.callers_errors.after) +
              " fail for its callers, " + TellShare(e.callers_errors.before) + " before",
          EvidenceOf(e, Quantity::kClientErrorRatio));
    j.Add(kSilent * e.silent * unanswered - kSpeaks * (1 - e.silent),
          e.silent > 0.5 ? e.name + " itself has fallen silent" : e.name + " itself still speaks",
          EvidenceOf(e, Quantity::kCallRate));
    const bool came_back = e.restarts > e.restarts_before || e.returns > 0;
    j.Add(came_back ? -kRestarted : 0, e.name + " came back since the onset",
          EvidenceOf(e, Quantity::kUptime));
    return j;
  }
};

}  // namespace

std::unique_ptr<Cause> MakeServiceDown() { return std::make_unique<ServiceDown>(); }

}  // namespace tomograph::diagnose
