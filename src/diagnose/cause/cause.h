// Cause: one kind of thing that breaks, one file a kind. It states how likely an entity's evidence
// is if this kind has happened to it, against "something else": a sum of log-odds, each with the
// sentence and the raw evidence behind it. Who did it is not its business (excess_flow.h).
// docs/adding-a-cause.md.
//
// Stateless; the same evidence gives the same judgement.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "diagnose/evidence.h"
#include "telemetry/hypothesis.h"

namespace tomograph::diagnose {

struct Judgement {
  double log_odds = 0;  // the kind's prior and the weights of all evidence
  std::vector<telemetry::Evidence> evidence_for, evidence_against;

  /// Weight > 0 speaks for the kind, < 0 against it; what weighs less than 0.05 is left out of the
  /// lists.
  void Add(double weight, std::string text, telemetry::EvidenceId id);
  /// The same for what fits this kind but is no sign of it: it would be there whatever broke here.
  void AddOfPlace(double weight, std::string text, telemetry::EvidenceId id);
};

class Cause {
 public:
  virtual ~Cause() = default;
  virtual std::string_view name() const = 0;
  /// "its connection pool is exhausted": completes "payment: ... since 10:31:05".
  virtual std::string_view explains() const = 0;
  /// What would show it at the entity called `entity`, as an order that can follow
  /// "if that shows nothing, ".
  virtual std::string NextCheck(const std::string& entity) const = 0;
  virtual Judgement Judge(const EntityEvidence& evidence) const = 0;
};

/// All kinds, in a fixed order.
const std::vector<std::unique_ptr<Cause>>& AllCauses();

// What most kinds weigh.

/// For a quantity that this kind makes rise: up to `rises` when it rose, down to -`stays` when it
/// is measured and did not. Says nothing when it is not measured.
void AddRise(const EntityEvidence& evidence, telemetry::Quantity quantity, double rises,
             double stays, Judgement* judgement);
/// "latency of payment rose from 12 ms to 480 ms"
std::string TellShift(const EntityEvidence& evidence, telemetry::Quantity quantity,
                      const Shift& shift);
telemetry::EvidenceId EvidenceOf(const EntityEvidence& evidence, telemetry::Quantity quantity);
/// A process that is ready but does not run. It answers late and holds its connections longer, so
/// other kinds look like that.
struct Starvation {
  bool known = false;  // anything was measured that would show it
  double share = 0;    // 0..1, of what calls got slower by: how much the wait for a core explains
  telemetry::Quantity shown_by = telemetry::Quantity::kSchedulingDelay;
};
/// From the time that it waited for a core, spread over its calls, or from the delay of its loop,
/// which a call meets twice: to be read, and to answer. Where no latency is known, a delay that
/// doubled explains all. What is told of the larger share is what `shown_by` names.
Starvation StarvationOf(const EntityEvidence& evidence);
/// Weighs it against a kind that it explains better, by up to `weight`.
void AddStarvation(const EntityEvidence& evidence, double weight, Judgement* judgement);
/// What share of the entity's blame is `part`, 0 when there is none.
double ShareOfBlame(const EntityEvidence& evidence, double part);

std::unique_ptr<Cause> MakeSlowDependency();
std::unique_ptr<Cause> MakePoolExhaustion();
std::unique_ptr<Cause> MakeCrashLoop();
std::unique_ptr<Cause> MakeServiceDown();
std::unique_ptr<Cause> MakeCpuContention();
std::unique_ptr<Cause> MakeMemoryLeak();
std::unique_ptr<Cause> MakeBadDeploy();
std::unique_ptr<Cause> MakeNetworkDelay();
std::unique_ptr<Cause> MakeFailing();

}  // namespace tomograph::diagnose
