// Reconstructs a recording: the same stages as live, on the telemetry's own time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/analysis.h"
#include "ingest/recording.h"
#include "store/store.h"
#include "telemetry/identities.h"
#include "telemetry/picture.h"

namespace tomograph::engine {

struct RecordedOptions {
  Nanos window = 5 * kSecond;
  Nanos lateness = 30 * kSecond;  // files are read, not awaited: patience costs memory only
  Nanos history = 4 * kHour;
  std::string store_dir;  // also keep what was read; empty: no
  /// The run goes on without a store when that one fails: only raw evidence is lost then.
  bool store_is_optional = false;
  std::function<void(const telemetry::InferredJoin&)> on_join;  // may be null
};

/// What is left when all is read. `identities` outlives the picture's users; the store is open
/// while this is.
struct RecordedResult {
  std::unique_ptr<telemetry::Identities> identities;
  std::unique_ptr<store::Store> store;  // null without store_dir, or when an optional one failed
  std::shared_ptr<const telemetry::Picture> picture;
  std::vector<std::string> ignored;  // files that hold no telemetry
  ingest::ReadingTroubles troubles;  // what of the others could not be read
};

/// kNotFound / kInvalidArgument when there is nothing to read, or nothing of it can be kept: a
/// damaged file costs what lies behind its damage. `progress(read, total)` in bytes; may be null.
Result<RecordedResult> ReconstructRecording(
    const std::string& path, const RecordedOptions& options,
    const std::function<void(uint64_t, uint64_t)>& progress);

/// All of a recording in memory, normalised, in the order of its event times. For measuring, so a
/// damaged file is an error.
Result<std::vector<telemetry::Batch>> ReadNormalised(const std::string& path,
                                                     telemetry::Identities* identities);

}  // namespace tomograph::engine
