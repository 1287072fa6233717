// Reads several recorded files at once and hands out their batches by event time, so that traces,
// metrics and changes that were recorded into separate files meet in the same windows.
// Deterministic: the order depends on the files' contents and names alone.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ingest/decoder.h"
#include "ingest/recording.h"

namespace tomograph::engine {

/// How far the reading has got, in event time.
struct Progress {
  // No later batch holds much before it: where the slowest file is, by the medians of its
  // neighbouring batches, so that a record with a wrong clock does not move it.
  Nanos watermark = 0;
  // When the recording was made, by all files that were read so far or are about to be. Records
  // from outside have a wrong clock: they moved nothing here, and should move nothing elsewhere.
  TimeRange believable;
};

/// `sink(batch, progress)`. A file in which time jumps back is read as several (ingest::PartsOf),
/// so that its own order loses nothing. Each file is decoded on a thread of its own, a few batches
/// ahead; at most 32 are open, later ones (by name) follow as earlier ones end. A batch without a
/// believable record is handed out as soon as it is there. Returns what could not be read, by file.
ingest::ReadingTroubles MergeRecording(
    const std::vector<ingest::RecordingFile>& files, const ingest::DecodeContext& context,
    const std::function<void(telemetry::Batch&&, Progress)>& sink,
    const std::function<void(uint64_t bytes)>& progress);

}  // namespace tomograph::engine
