#include "diagnose/cause/cause.h"

#include <algorithm>
#include <cmath>

#include "diagnose/baseline/robust.h"
#include "diagnose/words.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Quantity;

constexpr double kLeastTold = 0.05;
constexpr double kLeastDelay_s = 1e-3;  // of which to speak of a share or of doubling
constexpr double kLoopsPerCall = 2;
// A wait is shared by all the calls that are in flight meanwhile: spread over the calls that were
// served it is a lower bound, and half of what they got slower by is as good as all of it.
constexpr double kEnough = 0.5;

}  // namespace

void Judgement::Add(double weight, std::string text, telemetry::EvidenceId id) {
  log_odds += weight;
  if (std::abs(weight) < kLeastTold) return;
  auto& list = weight > 0 ? evidence_for : evidence_against;
  list.push_back({std::move(id), std::move(text), weight});
}

void Judgement::AddOfPlace(double weight, std::string text, telemetry::EvidenceId id) {
  log_odds += weight;
  if (std::abs(weight) < kLeastTold) return;
  auto& list = weight > 0 ? evidence_for : evidence_against;
  list.push_back({std::move(id), std::move(text), weight, true});
}

const std::vector<std::unique_ptr<Cause>>& AllCauses() {
  static const auto* const kCauses = [] {
    auto* causes = new std::vector<std::unique_ptr<Cause>>;
    causes->push_back(MakeSlowDependency());
    causes->push_back(MakePoolExhaustion());
    causes->push_back(MakeCrashLoop());
    causes->push_back(MakeServiceDown());
    causes->push_back(MakeCpuContention());
    causes->push_back(MakeMemoryLeak());
    causes->push_back(MakeBadDeploy());
    causes->push_back(MakeNetworkDelay());
    causes->push_back(MakeFailing());
    return causes;
  }();
  return *kCauses;
}

void AddRise(const EntityEvidence& evidence, Quantity quantity, double rises, double stays,
             Judgement* judgement) {
  const Shift& shift = evidence.of(quantity);
  if (!shift.known) return;
  const double belief = Belief(shift.z);
  judgement->Add(rises * belief - stays * (1 - belief), TellShift(evidence, quantity, shift),
                 EvidenceOf(evidence, quantity));
}

std::string TellShift(const EntityEvidence& evidence, Quantity quantity, const Shift& shift) {
  const std::string what = TellQuantity(quantity, shift.statistic) + " of " + evidence.name;
  if (!shift.known) return what + " is not measured";
  const std::string before = TellValue(quantity, shift.before),
                    after = TellValue(quantity, shift.after);
  if (before == after || std::abs(shift.z) < 1) return what + " stayed at " + before;
  return what + (shift.rise() > 0 ? " rose from " : " fell from ") + before + " to " + after;
}

telemetry::EvidenceId EvidenceOf(const EntityEvidence& evidence, Quantity quantity) {
  return SeriesEvidence(evidence.entity, quantity, evidence.range);
}

Starvation StarvationOf(const EntityEvidence& evidence) {
  const Shift &own = evidence.of(Quantity::kLatency), &seen = evidence.callers_latency;
  // The server's clock starts when the process runs: what comes before, only callers see.
  const double slower = std::max(own.known ? own.rise() : 0, seen.known ? seen.rise() : 0);
  Starvation starvation;
  const auto take = [&](Quantity q, double waits_per_call) {
    const Shift& wait = evidence.of(q);
    if (!wait.known || waits_per_call <= 0) return;
    const double share =
        own.known || seen.known
            ? waits_per_call * wait.rise() / std::max(kEnough * slower, kLeastDelay_s)
            : wait.rise() / std::max(wait.before, kLeastDelay_s);
    const double believed = std::clamp(share, 0.0, 1.0) * Belief(wait.z);
    if (starvation.known && believed <= starvation.share) return;
    starvation = {true, believed, q};
  };
  take(Quantity::kCpuWait, evidence.calls_per_s > 0 ? 1 / evidence.calls_per_s : 0);
  take(Quantity::kSchedulingDelay, kLoopsPerCall);
  return starvation;
}

void AddStarvation(const EntityEvidence& evidence, double weight, Judgement* judgement) {
  const Starvation starvation = StarvationOf(evidence);
  if (!starvation.known) return;
  judgement->Add(-weight * starvation.share,
                 TellShift(evidence, starvation.shown_by, evidence.of(starvation.shown_by)),
                 EvidenceOf(evidence, starvation.shown_by));
}

double ShareOfBlame(const EntityEvidence& evidence, double part) {
  const double all = evidence.blame.latency + evidence.blame.errors;
  return all > 0 ? std::min(1.0, part / all) : 0;
}

}  // namespace tomograph::diagnose
