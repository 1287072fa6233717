// Saturation: how much of a capacity an entity gained in use. 30 points more of its processor, or a
// pool that went from a tenth to all of its connections, is blame whatever the latencies say.
#pragma once

#include "diagnose/case_view.h"

namespace tomograph::diagnose {

/// Share of the capacity gained in [0, 1], for the resource that gained most.
double SaturationShare(const CaseView& view, int entity);

/// Connections in use as a share of the pool, one a step; empty when not measured.
std::vector<double> PoolUse(const CaseView& view, int entity);

}  // namespace tomograph::diagnose
