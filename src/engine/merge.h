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

/// Earliest and latest event time of a batch's rows; {INT64_MAX, INT64_MIN} for a batch without
/// rows.
TimeRange EventTimes(const telemetry::Batch& batch);

/// How far the reading has got, in event time. Both rest on medians of a file's neighbouring
/// batches, so that a record with a wrong clock moves neither.
struct Progress {
  Nanos watermark = 0;         // no later batch holds much before it: where the slowest file is
  Nanos believable_until = 0;  // records of this batch after it are a month or more ahead of their
                               // file, and further than the batch itself is long
};

/// `sink(batch, progress)`. Each file is decoded on a thread of its own, a few batches ahead; at
/// most 32 files are open, later ones (by name) follow as earlier ones end. Returns the first
/// file's error after the others are read.
Status MergeRecording(const std::vector<ingest::RecordingFile>& files,
                      const ingest::DecodeContext& context,
                      const std::function<void(telemetry::Batch&&, Progress)>& sink,
                      const std::function<void(uint64_t bytes)>& progress);

}  // namespace tomograph::engine
