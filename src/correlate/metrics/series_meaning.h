// What a series contributes to the windows, decided once in its life from its quantity, kind and
// labels.
#pragma once

#include "telemetry/identities.h"

namespace tomograph::correlate {

enum class SeriesRole : uint8_t {
  kNothing,
  kLevel,      // a gauge: its mean over the window
  kCallRate,   // a gauge that says how many calls a second
  kErrorRate,  // a gauge that says how many failures a second
  kCalls,      // counts calls
  kErrors,     // counts failed calls
  kDurations,  // a histogram of call durations
  kWork,       // counts other things: shown as a rate
  kMeanOf,     // a histogram of something else: shown as its mean
  kUptime,
  kStartTime,
  kRestarts,
};

struct SeriesMeaning {
  SeriesRole role = SeriesRole::kNothing;
  bool delta = false;          // its values are differences already
  bool additive = false;       // instances add up (in flight) rather than average (utilisation)
  bool failed = false;         // its labels say that these calls failed
  bool tells_failure = false;  // its labels would say so: no failures there means none
};

SeriesMeaning MeaningOf(const telemetry::Series& series, const telemetry::Interner& strings);

}  // namespace tomograph::correlate
