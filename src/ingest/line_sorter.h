// LineSorter: external merge sort of timed lines. What fits into memory (64 MiB) is sorted and
// written as a run; every 32 runs are merged into a longer one. So memory is bounded whatever
// comes, as is the number of runs, and each line is written once for each power of 32 that its file
// is larger than memory. Of equal times the lines stay in the order of their numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/byte_view.h"
#include "base/nanotime.h"
#include "base/status.h"

namespace tomograph::ingest {

/// A file without a name where temporary files are (TMPDIR, else /tmp): it is gone with the last
/// that holds it, also when the process is killed.
class SpillFile {
 public:
  static Result<std::shared_ptr<SpillFile>> Make();
  ~SpillFile();
  SpillFile(const SpillFile&) = delete;

  /// Not thread-safe, beside readers it is.
  Status Append(ByteView bytes);
  /// All `n` of them.
  Status Read(uint64_t at, char* to, size_t n) const;
  uint64_t size() const { return size_; }

 private:
  explicit SpillFile(int file) : file_(file) {}

  const int file_;
  uint64_t size_ = 0;
};

struct TimedLine {
  Nanos time = 0;
  uint64_t number = 0;  // in its file, from 1
  ByteView text;        // with the line's end
};

/// A stretch of a SpillFile with lines in the order of their times.
struct SortedRun {
  std::shared_ptr<const SpillFile> file;
  uint64_t from = 0, to = 0;
  Nanos first = 0;
};

class RunReader {
 public:
  explicit RunReader(SortedRun run) : run_(std::move(run)), at_(run_.from) {}

  /// False at the end, or when the run cannot be read.
  bool Next();
  /// Until the next Next.
  const TimedLine& line() const { return line_; }
  const Status& status() const { return status_; }

 private:
  bool Have(size_t bytes);

  SortedRun run_;
  uint64_t at_;  // in the file: of what follows the buffer
  std::string buffer_;
  size_t used_ = 0;
  TimedLine line_;
  Status status_;
};

class LineSorter {
 public:
  /// In memory; a longer line finds room too.
  static constexpr size_t kRunBytes = 64u << 20;
  static constexpr size_t kMostRuns = 32;  // merged at once

  explicit LineSorter(std::shared_ptr<SpillFile> spill, size_t run_bytes = kRunBytes)
      : run_bytes_(run_bytes), spill_(std::move(spill)) {}

  /// `text`: without the line's end.
  Status Add(Nanos time, uint64_t number, ByteView text);
  /// Less than 32 for each level of merging.
  Result<std::vector<SortedRun>> Finish();

 private:
  struct Kept {
    Nanos time;
    uint64_t number;
    size_t at, size;  // in text_
  };

  Status Spill();
  Status Merge(size_t level);

  const size_t run_bytes_;
  const std::shared_ptr<SpillFile> spill_;
  std::string text_;
  std::vector<Kept> lines_;
  std::vector<std::vector<SortedRun>> levels_;
};

}  // namespace tomograph::ingest
