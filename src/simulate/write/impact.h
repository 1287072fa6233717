// Impact: who felt a fault. Hears a run with the faults and its twin without, side by side (a
// second of the one, a second of the other), and compares each server span with the one of the same
// trace, service and operation in the twin; of several (retries) the n-th with the n-th to end.
//
// A request is worse when it took more than 20 % longer or failed and its twin did not; better the
// other way round. A service felt a fault when among its requests that began during the fault (in
// the twin, where nothing delayed their beginning) worse minus better is more than 1 %. Without the
// subtraction a queue that serves the same requests in another order would count as harmed. Draws
// are common to both runs (kernel/draws.h), so no significance test is needed.
//
// When it is wrong: a service that nobody reaches any more (crashed, breaker open) has no spans to
// compare, and it is its callers who feel it; faults that overlap are each felt by all that either
// harmed. A span that waits for its twin longer than kPatience of simulated time is given up, which
// bounds the memory. O(1) a span.
#pragma once

#include <memory>
#include <vector>

#include "base/nanotime.h"
#include "simulate/show/records.h"
#include "simulate/system/truth_log.h"

namespace tomograph::simulate {

class Impact {
 public:
  static constexpr Nanos kPatience = 5 * kMinute;
  static constexpr double kLonger = 1.2;
  static constexpr double kFelt = 0.01;

  explicit Impact(std::vector<TruthFault> faults);
  ~Impact();
  /// Who hears the run with the faults: everything that it shows also goes on to `next`, which
  /// numbers the senders; null: to nobody. Call once.
  Audience* WithFaults(Audience* next);
  /// Who hears the twin.
  Audience* Twin();
  /// The faults with `felt_by` filled, names in order.
  std::vector<TruthFault> Felt() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::simulate
