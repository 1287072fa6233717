// The samples of one series as they came, as plain numbers: what publish/ reads from the store and
// correlate/align lays on a grid.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/entity.h"

namespace tomograph::telemetry {

/// What a sample says: how much there is now, how much there was in all so far, or how much there
/// was since the sample before.
enum class Reading : uint8_t { kLevel, kCounter, kCount };
/// "level", "counter", "count"
std::string_view ReadingName(Reading reading);

struct Sample {
  Nanos time = 0;  // as its host's clock showed it
  double value = 0;
};

struct SampledSeries {
  std::vector<Sample> samples;  // in any order
  Reading reading = Reading::kLevel;
  EntityId host = kNoEntity;  // whose clock took the times: HostClock::id
};

}  // namespace tomograph::telemetry
