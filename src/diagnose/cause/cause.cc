#include "diagnose/cause/cause.h"

#include <algorithm>
#include <cmath>

#include "diagnose/baseline/robust.h"
#include "diagnose/words.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Quantity;

constexpr double kLeastTold = 0.05;
constexpr double kLeastDelay_s = 1e-3;  // of which to speak of doubling

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

double Starvation(const EntityEvidence& evidence) {
  const Shift& delay = evidence.of(Quantity::kSchedulingDelay);
  if (!delay.known) return 0;
  const double doubled = std::clamp(delay.rise() / std::max(delay.before, kLeastDelay_s), 0.0, 1.0);
  return doubled * Belief(delay.z);
}

void AddStarvation(const EntityEvidence& evidence, double weight, Judgement* judgement) {
  const Quantity q = Quantity::kSchedulingDelay;
  judgement->Add(-weight * Starvation(evidence), TellShift(evidence, q, evidence.of(q)),
                 EvidenceOf(evidence, q));
}

double ShareOfBlame(const EntityEvidence& evidence, double part) {
  const double all = evidence.blame.latency + evidence.blame.errors;
  return all > 0 ? std::min(1.0, part / all) : 0;
}

}  // namespace tomograph::diagnose
