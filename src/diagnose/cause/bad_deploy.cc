// A change of the entity (deploy, configuration, flag) right before the harm began. The longer
// before, and the more entities were changed with it, the less it says.
#include "diagnose/cause/cause.h"

#include <algorithm>
#include <cmath>

#include "diagnose/words.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Quantity;

constexpr double kNoChange = -4;
constexpr double kAtOnce = 4;  // the harm began with the change, and it alone was changed
constexpr double kUsualDelaySeconds = 10;
constexpr double kOwnDoing = 0.5;

std::string TellOthers(int others) {
  if (others <= 0) return "";
  return ", and " + std::to_string(others) + (others == 1 ? " other" : " others") + " with it";
}

class BadDeploy : public Cause {
 public:
  std::string_view name() const override { return "bad_deploy"; }
  std::string_view explains() const override { return "what was just deployed to it does harm"; }
  std::string NextCheck(const std::string& entity) const override {
    return "roll " + entity +
           " back, or compare the new version with the old one under the same traffic";
  }

  Judgement Judge(const EntityEvidence& e) const override {
    Judgement j;
    if (e.change == nullptr) {
      j.log_odds = kNoChange;
      return j;
    }
    const double gap = std::max(0.0, e.change_gap_s);
    j.Add(kAtOnce - std::log1p(gap / kUsualDelaySeconds) - std::log(std::max(1, e.changed_at_once)),
          e.change->kind + " of " + e.name +
              (e.change->version.empty() ? "" : " to " + e.change->version) + " at " +
              TellTimeOfDay(e.change->time) + ", " + TellValue(Quantity::kUptime, gap) +
              " before the onset" + TellOthers(e.changed_at_once - 1),
          EventEvidence(*e.change));
    // It explains more than itself: failures that begin, time inside, a restart.
    j.AddOfPlace(kOwnDoing * ShareOfBlame(e, e.blame.latency + e.blame.errors - e.blame.network -
                                                 e.blame.refused),
                 "the harm arises in " + e.name + " itself", EvidenceOf(e, Quantity::kErrorRatio));
    return j;
  }
};

}  // namespace

std::unique_ptr<Cause> MakeBadDeploy() { return std::make_unique<BadDeploy>(); }

}  // namespace tomograph::diagnose
