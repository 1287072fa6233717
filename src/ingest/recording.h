// Recording: a file or folder of recorded telemetry, read in the order of times. What each file
// is, is found by looking at its first bytes (and, for CSV, at a mapping file beside it:
// <name>.mapping.yaml); .gz is inflated on the way. Of JSON lines the first may be damaged: what
// follows it tells.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ingest/decoder.h"
#include "ingest/line_sorter.h"

namespace tomograph::ingest {

struct RecordingFile {
  std::string path;
  telemetry::Format format = telemetry::Format::kOtlpFile;
  uint64_t bytes = 0;  // on disk, all of it
  // No record of it lies much before (InOrderOfTime); INT64_MIN: not known.
  Nanos first = INT64_MIN;
  std::optional<SortedRun> run;  // its lines, or some of them, in order: to be read in its place
};

/// What would be read, or kNotFound / kInvalidArgument saying what was looked for. Files that are
/// no telemetry (README, truth.json, ...) are left out and named in `ignored`. Empty ones are left
/// out.
Result<std::vector<RecordingFile>> FindRecording(const std::string& path,
                                                 std::vector<std::string>* ignored);

/// What could not be read, for a person.
struct ReadingTroubles {
  /// "PATH: why", of files that were not read to their end: what came before the damage is kept,
  /// what lies behind it is counted as one lost message.
  std::vector<std::string> broken_off;
  /// By path, of files of JSON lines; each line is counted as a lost message, and all others are
  /// kept.
  std::map<std::string, DamagedLines> damaged;
  /// "PATH: why", of files that could not be read in the order of their records' times.
  std::vector<std::string> out_of_order;

  /// Adds those of other files, or of other parts of the same, which were read for themselves.
  void Add(const ReadingTroubles& others);
  /// `damaged`, as "PATH: 3 lines could not be read, the first is line 17: why", and what is out of
  /// order; by path.
  std::vector<std::string> Sentences() const;
};

/// The files as each can be read in the order of its records, by the times at which they begin.
/// Looks at the first time of each line of JSON lines. A file whose lines are not in order
/// (LineOrder) is sorted into runs, which take as much room in a temporary file as it does
/// inflated; where that cannot be had it is read as it lies, and is told as out of order. Other
/// formats (one Jaeger document over many lines, too) are taken as they lie, and come first. Costs
/// one pass over the bytes, of what is sorted two. `progress`: the bytes of files that were sorted.
std::vector<RecordingFile> InOrderOfTime(const std::vector<RecordingFile>& files,
                                         telemetry::LossLedger* ledger,
                                         const std::function<void(uint64_t bytes)>& progress,
                                         ReadingTroubles* troubles);

/// Reads all of it. `progress` gets the bytes read so far (of all files, on disk; nothing of sorted
/// runs); may be null.
ReadingTroubles ReadRecording(const std::vector<RecordingFile>& files, const DecodeContext& context,
                              const BatchSink& sink,
                              const std::function<void(uint64_t bytes)>& progress);

}  // namespace tomograph::ingest
