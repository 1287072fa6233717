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

/// `sink(batch, progress)`. The files are opened by the times at which they begin; one whose lines
/// are not in order is sorted before (ingest::InOrderOfTime), so any number of them behind one
/// another loses nothing, whatever their names. Each is decoded on a thread of its own, a few
/// batches ahead; at most 256 are open. Where more begin before others have ended the rest wait,
/// which is told with what could not be read; what of them is late then is in the ledger. A batch
/// without a believable record is handed out as soon as it is there. Returns what could not be
/// read, by file. `progress` may be null.
ingest::ReadingTroubles MergeRecording(
    const std::vector<ingest::RecordingFile>& files, const ingest::DecodeContext& context,
    const std::function<void(telemetry::Batch&&, Progress)>& sink,
    const std::function<void(uint64_t bytes)>& progress);

}  // namespace tomograph::engine
