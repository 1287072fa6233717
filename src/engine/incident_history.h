// IncidentHistory: what the runs before this one found, from the store, so that a restart does not
// make people forget it. Loaded once, before any thread reads it; bounded.
#pragma once

#include <vector>

#include "base/nanotime.h"
#include "base/status.h"
#include "store/store.h"
#include "telemetry/hypothesis.h"

namespace tomograph::engine {

class IncidentHistory {
 public:
  /// As many as the diagnoser keeps of its own, so the picture stays as large as without a history.
  static constexpr size_t kMost = 100;

  /// Reads the newest kMost incidents of the last `age`. Those that were open when the run before
  /// ended are closed at their newest diagnosis, in the store too: nobody watched them after it.
  /// Should they go on, the replay of the stored telemetry opens them again.
  Status Load(store::Store* store, Nanos now, Nanos age);

  /// Adds what is not among `incidents` by id, which stay as they are. Open ones first, then the
  /// newest; at most kMost in all.
  void AddTo(std::vector<telemetry::Incident>* incidents) const;

 private:
  std::vector<telemetry::Incident> past_;
};

}  // namespace tomograph::engine
