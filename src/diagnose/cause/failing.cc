// Requests fail in the entity itself, for a reason that telemetry does not show.
#include "diagnose/cause/cause.h"
#include "diagnose/words.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Quantity;

constexpr double kFails = 1.5;
constexpr double kNotFailing = 2.5;
constexpr double kMoreErrors = 0.5;

class Failing : public Cause {
 public:
  std::string_view name() const override { return "failing"; }
  std::string_view explains() const override { return "its requests fail"; }
  std::string NextCheck(const std::string& entity) const override {
    return "read the error logs of " + entity + " since the onset";
  }

  Judgement Judge(const EntityEvidence& e) const override {
    Judgement j;
    const double failing = ShareOfBlame(e, e.blame.errors - e.blame.refused);
    j.Add(kFails * failing - kNotFailing * (1 - failing),
          "of the harm laid to " + e.name + ", " + TellShare(failing) +
              " is failures that arise in it",
          EvidenceOf(e, Quantity::kErrorRatio));
    AddRise(e, Quantity::kErrorRatio, kMoreErrors, kMoreErrors, &j);
    return j;
  }
};

}  // namespace

std::unique_ptr<Cause> MakeFailing() { return std::make_unique<Failing>(); }

}  // namespace tomograph::diagnose
