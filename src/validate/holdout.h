// Holdout: how right the models are on this very system. Some of what is measured directly is
// hidden from a second set of the models, and what these say is held against it.
//
//   windows      |-------- a term --------|-------- a term --------|   gauge of checkout: hidden in
//   gauge of a    x   x   x   x   x   x    x   x   x   x   x   x       the first term; of payment
//   in hidden                                 o   o   o   o   o   o       the second said, without
//   it                      [-] [-] [-] [-] [-] [-]      x in [ ]? how wide is [ ]?
//
// A measurement is hidden for a term of kTerm windows at a time, one in kOneIn of them, drawn by a
// hash of whose it is and when: the same windows give the same scores. Intervals are allowed the
// measurement's own error (measurement.h), as the square root of the sum of squares. The naive
// alternative is the last value that was measured before the term.
//
// Where intervals held too little of what was hidden, they are widened from then on (Widen):
// log s += gamma (missed - 0.1) after each, never below 1 or above 5 (Gibbs & Candes 2021, on the
// logarithm of the width). An entity's own s counts once kEnough of its measurements were scored;
// of others the median s of at least kEnoughEntities such entities.
//
// Wrong when what is measured is not what the state means (a gauge that counts health checks,
// which no span tells of): the model is then blamed for what the gauge is. That all entities have
// in common what those with measurements have is assumed, and not known.
//
// Cost: that of the models once more. Bounded: `max_entities` in all; who is not measured for an
// hour is forgotten. Not thread-safe.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "reconstruct/state_model.h"
#include "telemetry/accuracy.h"
#include "telemetry/estimate.h"
#include "telemetry/window.h"
#include "validate/measurement.h"

namespace tomograph::validate {

class Holdout {
 public:
  static constexpr int kTerm = 20;
  static constexpr uint64_t kOneIn = 5;
  static constexpr uint64_t kEnough = 50;
  static constexpr size_t kEnoughEntities = 3;

  using Models = std::vector<std::unique_ptr<reconstruct::StateModel>>;

  /// `models`: a set of its own. The models see each window set, in time order.
  explicit Holdout(Models models, size_t max_entities = 10'000);

  void Update(const telemetry::WindowSet& windows);
  /// Widens inferred intervals about their value as what was scored so far asks for, within [0,
  /// infinity) where they were, and says so in their note.
  void Widen(std::vector<telemetry::Estimate>* estimates) const;
  /// Of each state, then of each of its entities.
  std::vector<telemetry::Accuracy> Scores() const;

 private:
  using Key = std::pair<std::string, telemetry::WindowKey>;  // state, and whose
  struct Sums {
    double scored = 0, abstained = 0, in50 = 0, in90 = 0, width = 0, measured = 0, crps = 0;
    double naive_scored = 0, naive_crps = 0;
    Nanos newest = 0;
  };
  struct Entity {
    Sums sums;
    double log_widening = 0;
    double last_shown = 0;  // what was measured last while it was not hidden
    bool was_shown = false;
    Nanos last = 0;  // end of the last window with a measurement
  };
  struct State {
    Sums sums;
    std::deque<bool> last200;
    size_t held = 0;  // of these
    double worst200 = 2;
  };

  static bool Hidden(const telemetry::WindowKey& key, Witness witness,
                     const telemetry::WindowSet& windows);
  Entity* EntityOf(const Key& key);
  void Score(const Key& key, const Measurement& measured, const telemetry::Estimate* said,
             Nanos end);
  void Forget(Nanos now);
  static telemetry::Accuracy AccuracyOf(const Key& key, const Sums& sums);
  std::map<std::string, double> Usual() const;  // widening, by state

  Models models_;
  size_t max_entities_;
  std::map<std::string, State> states_;
  std::map<Key, Entity> entities_;
};

}  // namespace tomograph::validate
