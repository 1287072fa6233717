// TruthLog: what was really so. One value a state, entity and second, named as the models'
// estimates name them (docs/models), so that evaluate/ can hold one against the other; and what was
// broken when, with what it did.
//
// A value is the mean over the second that ends at `time` for levels (in_flight, queue_depth,
// replica_lag), the count in it for volumes, the state at its end for states (0 or 1).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/nanotime.h"

namespace tomograph::simulate {

struct TruthRow {
  Nanos time = 0;
  std::string_view state;   // "in_flight"
  std::string_view entity;  // a service's, database's, function's name
  std::string_view caller;  // of an edge; else empty
  std::string_view detail;  // which part of the state: a version, a PoP, a pod; else empty
  double value = 0;
};

struct TruthFault {
  std::string kind, target;
  Nanos from = 0, until = 0;
  double by = 0;
  /// Services of which requests took longer or failed more often than in the run without the fault.
  /// Empty: it had no effect that anybody could feel, and no diagnosis must be asked for it.
  std::vector<std::string> felt_by;
};

class TruthLog {
 public:
  virtual ~TruthLog() = default;
  virtual void Say(const TruthRow& row) = 0;
};

}  // namespace tomograph::simulate
