// Simulation: a scenario, run. Same scenario, same seed: the same records in the same order, to the
// byte, wherever the C library computes the same logarithms.
//
// It begins with an empty system: what is waiting and in flight takes a while to be as usual.
#pragma once

#include <memory>

#include "base/status.h"
#include "simulate/scenario/scenario.h"
#include "simulate/show/records.h"
#include "simulate/system/truth_log.h"

namespace tomograph::simulate {

class Simulation {
 public:
  /// `audience` and `truth` outlive it. kInvalidArgument as from ReadScenario.
  static Result<std::unique_ptr<Simulation>> Make(const Scenario& scenario, Audience* audience,
                                                  TruthLog* truth);
  ~Simulation();

  /// Runs one simulated second; false: the end was reached before.
  bool RunSecond();
  Nanos now() const;
  uint64_t events() const;

 private:
  struct Impl;
  explicit Simulation(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::simulate
