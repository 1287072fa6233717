// All parts there are. A new one is a line in parts.cc.
#pragma once

#include <memory>
#include <vector>

#include "simulate/system/part.h"

namespace tomograph::simulate {

/// Makes each part from its section of the scenario, enters and links them; nothing has started
/// yet. What is wrong is in `root`'s Wrongs, and the parts must not be used then. `world` has its
/// events, draws, audience, truth and times, and outlives the parts.
std::vector<std::unique_ptr<Part>> MakeParts(Section* root, World* world);

}  // namespace tomograph::simulate
