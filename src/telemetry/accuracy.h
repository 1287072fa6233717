// Accuracy: how well a reconstruction did where it was not told what was measured.
#pragma once

#include <cstdint>
#include <string>

#include "base/nanotime.h"
#include "telemetry/entity.h"

namespace tomograph::telemetry {

struct Accuracy {
  std::string state;            // as Estimate::state
  EntityId entity = kNoEntity;  // kNoEntity: of all of them
  EntityId caller = kNoEntity;  // for an edge
  uint64_t scored = 0;          // hidden measurements that an estimate was held against
  uint64_t abstained = 0;       // besides: the estimate was missing
  // Shares of the measurements that their intervals held, give or take the measurement's own error.
  double in50 = 0, in90 = 0;
  double last200_in90 = 0;     // of the last 200 of all; NaN: there were fewer, or of one entity
  double worst200_in90 = 0;    // the least that this ever was
  double width = 0;            // of 90 % intervals, mean, in the unit of the state
  double mean = 0;             // of the measurements
  double crps = 0;             // mean, in the unit of the state
  double last_value_crps = 0;  // the same of "still as it was measured last"; NaN: there was none
  double widened = 1;          // by how much intervals are widened for it, from now on
  Nanos newest = 0;            // end of the last window scored
};

}  // namespace tomograph::telemetry
