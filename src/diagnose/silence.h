// Silence: an entity that is called less while its caller is called as before. It accuses the
// caller, which no longer gets that far, where that caller's errors are not measured.
#pragma once

#include <vector>

#include "diagnose/case_view.h"

namespace tomograph::diagnose {

/// Share per entity to be joined (noisy-or) to its errors. `blind`: its errors are not measured;
/// `belief` that the alerting entity fails.
std::vector<double> SilenceShares(const CaseView& view, const std::vector<bool>& blind,
                                  double belief);

}  // namespace tomograph::diagnose
