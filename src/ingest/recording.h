// Recording: a file or folder of recorded telemetry, read in the order of its names. What each file
// is, is found by looking at its first bytes (and, for CSV, at a mapping file beside it:
// <name>.mapping.yaml); .gz is inflated on the way. Of JSON lines the first may be damaged: what
// follows it tells.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ingest/decoder.h"

namespace tomograph::ingest {

struct RecordingFile {
  std::string path;
  telemetry::Format format = telemetry::Format::kOtlpFile;
  uint64_t bytes = 0;  // on disk, all of it
  // A part of it (PartsOf), in bytes as inflated, and the number of its first line.
  uint64_t from = 0, to = UINT64_MAX;
  uint64_t first_line = 1;
};

/// What would be read, or kNotFound / kInvalidArgument saying what was looked for. Files that are
/// no telemetry (README, truth.json, ...) are left out and named in `ignored`.
Result<std::vector<RecordingFile>> FindRecording(const std::string& path,
                                                 std::vector<std::string>* ignored);

/// The file in parts, at most kMostParts, in each of which time runs forward: where recordings were
/// put behind one another in one file, it jumps back. For files of JSON lines with times; others
/// (one Jaeger document over many lines, too), and what cannot be read, are one part. Looks at the
/// first time of each line: one or two that are far off their neighbours have a wrong clock, and
/// are no jump. Costs one pass over the bytes.
std::vector<RecordingFile> PartsOf(const RecordingFile& file);
inline constexpr size_t kMostParts = 1'000;
inline constexpr Nanos kJumpBack = 10 * kSecond;  // records come in no strict order

/// What could not be read, for a person.
struct ReadingTroubles {
  /// "PATH: why", of files that were not read to their end: what came before the damage is kept,
  /// what lies behind it is counted as one lost message.
  std::vector<std::string> broken_off;
  /// "PATH: 3 lines could not be read, the first is line 17: why", of files of JSON lines; each is
  /// counted as a lost message, and all others are kept.
  std::vector<std::string> damaged;

  /// Adds those of other files, which were read for themselves.
  void Add(const ReadingTroubles& others);
};

/// Reads all of it. `progress` gets the bytes read so far (of all files, on disk); may be null.
ReadingTroubles ReadRecording(const std::vector<RecordingFile>& files, const DecodeContext& context,
                              const BatchSink& sink,
                              const std::function<void(uint64_t bytes)>& progress);

}  // namespace tomograph::ingest
