// Twin: what a fault did, by running the scenario with all faults and with all but this one: draws
// are common, so all that differs is its effect.
//
// A service (or group of users) felt it if, while it lasted or in the minute after, the share of
// its requests that failed, or of its callers' calls to it, rose by 1 point or more, or the mean
// time of a request (its queue and its work, by Little's law) by a tenth and 1 ms or more. One run
// for each fault, and one more.
#pragma once

#include <vector>

#include "simulate/simulation.h"

namespace tomograph::simulate {

/// In the order of the scenario's faults. kInvalidArgument as from Simulation::Make.
Result<std::vector<TruthFault>> FeelFaults(const Scenario& scenario);

}  // namespace tomograph::simulate
