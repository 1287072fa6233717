#include "ingest/line_sorter.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <queue>
#include <tuple>
#include <utility>

namespace tomograph::ingest {
namespace {

constexpr size_t kBufferBytes = 256u << 10;

struct Head {  // of a line in a run
  Nanos time;
  uint64_t number;
  uint64_t size;
};

/// Writes a run to the end of the spill file.
class RunWriter {
 public:
  explicit RunWriter(std::shared_ptr<SpillFile> file) : file_(std::move(file)) {
    run_.file = file_;
    run_.from = file_->size();
  }

  Status Add(const TimedLine& line) {
    if (empty_) run_.first = line.time;
    empty_ = false;
    const Head head{line.time, line.number, line.text.size()};
    buffer_.append(reinterpret_cast<const char*>(&head), sizeof(head));
    buffer_.append(line.text);
    return buffer_.size() < kBufferBytes ? Status::Ok() : Flush();
  }
  Result<SortedRun> Finish() {
    TG_RETURN_IF_ERROR(Flush());
    run_.to = file_->size();
    return run_;
  }

 private:
  Status Flush() {
    TG_RETURN_IF_ERROR(file_->Append(buffer_));
    buffer_.clear();
    return Status::Ok();
  }

  const std::shared_ptr<SpillFile> file_;
  SortedRun run_;
  std::string buffer_;
  bool empty_ = true;
};

}  // namespace

Result<std::shared_ptr<SpillFile>> SpillFile::Make() {
  std::error_code error;
  std::string name = std::filesystem::temp_directory_path(error) / "tomograph_XXXXXX";
  const int file = error ? -1 : ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) return Status::Io("cannot make a temporary file: " + std::string(strerror(errno)));
  ::unlink(name.c_str());
  return std::shared_ptr<SpillFile>(new SpillFile(file));
}

SpillFile::~SpillFile() { ::close(file_); }

Status SpillFile::Append(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Status::Io("cannot write a temporary file: " + std::string(strerror(errno)));
    size_ += static_cast<uint64_t>(n);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return Status::Ok();
}

Status SpillFile::Read(uint64_t at, char* to, size_t n) const {
  while (n > 0) {
    const ssize_t read = ::pread(file_, to, n, static_cast<off_t>(at));
    if (read < 0 && errno == EINTR) continue;
    if (read <= 0) return Status::Io("cannot read a temporary file");
    at += static_cast<uint64_t>(read);
    to += read;
    n -= static_cast<size_t>(read);
  }
  return Status::Ok();
}

bool RunReader::Have(size_t bytes) {
  if (buffer_.size() - used_ >= bytes) return true;
  buffer_.erase(0, std::exchange(used_, 0));
  const size_t before = buffer_.size();
  const size_t more = std::min<uint64_t>(std::max(bytes, kBufferBytes) - before, run_.to - at_);
  if (before + more < bytes) return false;
  buffer_.resize(before + more);
  status_ = run_.file->Read(at_, buffer_.data() + before, more);
  at_ += more;
  return status_.ok();
}

bool RunReader::Next() {
  Head head;
  if (!Have(sizeof(head))) return false;
  std::memcpy(&head, buffer_.data() + used_, sizeof(head));
  if (!Have(sizeof(head) + head.size)) return false;
  line_ = {head.time, head.number, ByteView(buffer_).substr(used_ + sizeof(head), head.size)};
  used_ += sizeof(head) + head.size;
  return true;
}

Status LineSorter::Add(Nanos time, uint64_t number, ByteView text) {
  const size_t bytes = text_.size() + text.size() + lines_.size() * sizeof(Kept);
  if (!lines_.empty() && bytes >= run_bytes_) TG_RETURN_IF_ERROR(Spill());
  text_.reserve(run_bytes_);
  lines_.push_back({time, number, text_.size(), text.size() + 1});
  text_.append(text).push_back('\n');
  return Status::Ok();
}

Status LineSorter::Spill() {
  std::sort(lines_.begin(), lines_.end(), [](const Kept& a, const Kept& b) {
    return std::tie(a.time, a.number) < std::tie(b.time, b.number);
  });
  RunWriter writer(spill_);
  for (const Kept& line : lines_)
    TG_RETURN_IF_ERROR(
        writer.Add({line.time, line.number, ByteView(text_).substr(line.at, line.size)}));
  lines_.clear();
  text_.clear();
  Result<SortedRun> run = writer.Finish();
  if (!run.ok()) return run.status();
  if (levels_.empty()) levels_.emplace_back();
  levels_[0].push_back(std::move(run).value());
  for (size_t level = 0; level < levels_.size() && levels_[level].size() == kMostRuns; ++level)
    TG_RETURN_IF_ERROR(Merge(level));
  return Status::Ok();
}

Status LineSorter::Merge(size_t level) {
  std::vector<RunReader> readers;
  for (SortedRun& run : levels_[level]) readers.emplace_back(std::move(run));
  levels_[level].clear();
  const auto later = [&](size_t a, size_t b) {
    const TimedLine &of_a = readers[a].line(), &of_b = readers[b].line();
    return std::tie(of_a.time, of_a.number) > std::tie(of_b.time, of_b.number);
  };
  std::priority_queue<size_t, std::vector<size_t>, decltype(later)> next(later);
  for (size_t r = 0; r < readers.size(); ++r)
    if (readers[r].Next()) next.push(r);
  RunWriter writer(spill_);
  while (!next.empty()) {
    const size_t r = next.top();
    next.pop();
    TG_RETURN_IF_ERROR(writer.Add(readers[r].line()));
    if (readers[r].Next()) next.push(r);
  }
  for (const RunReader& reader : readers) TG_RETURN_IF_ERROR(reader.status());
  Result<SortedRun> merged = writer.Finish();
  if (!merged.ok()) return merged.status();
  if (level + 1 == levels_.size()) levels_.emplace_back();
  levels_[level + 1].push_back(std::move(merged).value());
  return Status::Ok();
}

Result<std::vector<SortedRun>> LineSorter::Finish() {
  if (!lines_.empty()) TG_RETURN_IF_ERROR(Spill());
  text_ = std::string();
  std::vector<SortedRun> runs;
  for (std::vector<SortedRun>& level : levels_)
    for (SortedRun& run : level) runs.push_back(std::move(run));
  levels_.clear();
  return runs;
}

}  // namespace tomograph::ingest
