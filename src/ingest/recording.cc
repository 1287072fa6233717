#include "ingest/recording.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "ingest/changes/cdevents_decoder.h"
#include "ingest/csv/csv_decoder.h"
#include "ingest/jaeger/jaeger_decoder.h"
#include "ingest/otlp/otlp_decoder.h"
#include "ingest/prometheus/exposition.h"
#include "ingest/tally.h"
#include "net/inflate.h"

namespace tomograph::ingest {
namespace {

namespace fs = std::filesystem;
using telemetry::Format;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr size_t kReadBytes = 256u << 10;
constexpr size_t kLookBytes = 64u << 10;  // of a file's start, inflated, that tell what it is
constexpr size_t kMaxMappingBytes = 1u << 20;

bool IsGzip(ByteView start) { return start.starts_with("\x1f\x8b"); }

/// Reads a file in pieces, inflated when it is gzip, until `on_piece` says false. `from`: what is
/// before is not handed out.
Status ReadPieces(const std::string& path, uint64_t from,
                  const std::function<bool(ByteView piece, size_t disk_bytes)>& on_piece) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status::Io("cannot open " + path);
  std::string buffer(kReadBytes, '\0');
  std::unique_ptr<net::InflateStream> inflate;
  bool wanted = true;
  for (bool first = true; wanted; first = false) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    const ByteView read = ByteView(buffer).substr(0, static_cast<size_t>(in.gcount()));
    if (read.empty()) break;
    if (first && IsGzip(read)) inflate = std::make_unique<net::InflateStream>();
    if (first && inflate == nullptr && from > 0) {
      in.clear();
      in.seekg(static_cast<std::streamoff>(from));
      continue;
    }
    if (inflate == nullptr) {
      wanted = on_piece(read, read.size());
    } else {
      TG_RETURN_IF_ERROR(inflate->Push(read, [&](ByteView plain) {
        const size_t before = std::min<uint64_t>(from, plain.size());
        from -= before;
        plain.remove_prefix(before);
        wanted = wanted && (plain.empty() || on_piece(plain, 0));
      }));
      if (from == 0) wanted = wanted && on_piece({}, read.size());
    }
  }
  if (in.bad()) return Status::Io("cannot read " + path);
  return inflate != nullptr && wanted ? inflate->Finish() : Status::Ok();
}

/// The first bytes, inflated. A damaged file gives what could be read of them.
std::string StartOf(const std::string& path) {
  std::string start;
  (void)ReadPieces(path, 0, [&](ByteView piece, size_t) {
    start.append(piece.substr(0, kLookBytes - start.size()));
    return start.size() < kLookBytes;
  });
  return start;
}

/// The same of what follows the first line, if that ends within the largest record.
std::string StartBehindFirstLine(const std::string& path) {
  std::string start;
  size_t skipped = 0;
  bool behind = false;
  (void)ReadPieces(path, 0, [&](ByteView piece, size_t) {
    if (!behind) {
      const size_t end = piece.find('\n');
      skipped += piece.size();
      if (end == ByteView::npos) return skipped <= Limits().max_record_bytes;
      behind = true;
      piece.remove_prefix(end + 1);
    }
    start.append(piece.substr(0, kLookBytes - start.size()));
    return start.size() < kLookBytes;
  });
  return start;
}

/// "metrics.csv.gz" -> "metrics.csv"
fs::path WithoutGz(const fs::path& path) {
  fs::path plain = path;
  if (plain.extension() == ".gz") plain.replace_extension();
  return plain;
}

constexpr std::string_view kMappingSuffix = ".mapping.yaml";

/// For metrics.csv: metrics.mapping.yaml beside it; empty when there is none.
std::string MappingFileOf(const fs::path& csv) {
  fs::path plain = WithoutGz(csv);
  plain.replace_extension();
  const std::string mapping = plain.string().append(kMappingSuffix);
  std::error_code error;
  return fs::is_regular_file(mapping, error) ? mapping : std::string();
}

/// JSON is told apart by the first of these keys in it.
struct Mark {
  std::string_view key;
  Format format;
};
constexpr std::array<Mark, 8> kMarks = {{
    {"\"resourceSpans\"", Format::kOtlpFile},
    {"\"resourceMetrics\"", Format::kOtlpFile},
    {"\"resourceLogs\"", Format::kOtlpFile},
    {"\"traceID\"", Format::kJaeger},
    {"\"spanID\"", Format::kJaeger},
    {"\"specversion\"", Format::kCdEvents},
    {"\"dev.cdevents.", Format::kCdEvents},
    {"\"datacontenttype\"", Format::kCdEvents},
}};

std::optional<Format> JsonFormatOf(ByteView start) {
  std::optional<Format> format;
  size_t nearest = ByteView::npos;
  for (const Mark& mark : kMarks) {
    const size_t at = start.find(mark.key);
    if (at >= nearest) continue;
    nearest = at;
    format = mark.format;
  }
  return format;
}

/// By the lines behind a first one that is damaged. As many as are not must be JSON with a mark: a
/// text may show one.
std::optional<Format> FormatBehindFirstLine(const std::string& path) {
  const std::string start = StartBehindFirstLine(path);
  std::optional<Format> format;
  size_t marked = 0, others = 1;
  for (ByteView rest = start; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    ByteView line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
    if (line.empty()) continue;
    const std::optional<Format> of_line =
        line.front() == '{' ? JsonFormatOf(line) : std::optional<Format>();
    ++(of_line ? marked : others);
    if (!format) format = of_line;
  }
  return marked >= others ? format : std::nullopt;
}

std::optional<Format> FormatOf(const fs::path& path) {
  const std::string extension = WithoutGz(path).extension().string();
  if (extension == ".csv") {
    return MappingFileOf(path).empty() ? std::nullopt : std::optional<Format>(Format::kCsv);
  }
  const std::string start = StartOf(path.string());
  const size_t from = start.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  const size_t first = start.find_first_not_of(" \t\r\n", from);
  if (first == std::string::npos) return std::nullopt;
  if (start[first] == '{' || start[first] == '[') {
    const std::optional<Format> format = JsonFormatOf(start);
    return format ? format : FormatBehindFirstLine(path.string());
  }
  const ByteView text = ByteView(start).substr(first);
  const bool exposition = text.starts_with("# HELP ") || text.starts_with("# TYPE ") ||
                          text.starts_with("# UNIT ") || extension == ".prom" || extension == ".om";
  return exposition ? std::optional<Format>(Format::kOpenMetrics)
                    : FormatBehindFirstLine(path.string());
}

/// The key that a line's time follows, and the unit of that time; empty: such files have no lines.
struct TimeKey {
  std::string_view key;
  Nanos unit = 0;
};
TimeKey TimeKeyOf(Format format) {
  if (format == Format::kOtlpFile) return {"imeUnixNano\"", 1};  // start, end, observed
  if (format == Format::kJaeger) return {"\"startTime\"", kMicrosecond};
  return {};
}

/// Jaeger's JSON may be one document over many lines, which is not cut: are its lines documents?
bool IsDocument(ByteView line) {
  const size_t last = line.find_last_not_of(" \t\r");
  return last == ByteView::npos || (line.front() == '{' && line[last] == '}');
}

/// The first time in a line.
std::optional<Nanos> TimeIn(ByteView line, const TimeKey& time) {
  size_t at = line.find(time.key);
  if (at == ByteView::npos) return std::nullopt;
  at = line.find_first_not_of(" :\"", at + time.key.size());
  if (at == ByteView::npos) return std::nullopt;
  int64_t value = 0;
  Nanos nanos = 0;
  const auto read = std::from_chars(line.data() + at, line.data() + line.size(), value);
  if (read.ec != std::errc() || value <= 0 || __builtin_mul_overflow(value, time.unit, &nanos))
    return std::nullopt;
  return nanos;
}

/// Where time jumps back: what follows lies before what came last, in most lines of either, so that
/// neither single lines nor senders whose clocks differ are a jump.
class JumpFinder {
 public:
  explicit JumpFinder(const RecordingFile& file) : parts_{file} {}

  void Add(uint64_t at, uint64_t line, Nanos time) {
    next_.push_back({at, line, time});
    if (next_.size() == kAhead) Judge();
  }
  std::vector<RecordingFile> Finish() {
    while (!next_.empty()) Judge();
    return std::move(parts_);
  }

 private:
  static constexpr size_t kAhead = 5, kBehind = 9;
  struct Line {
    uint64_t at, number;
    Nanos time;
  };

  /// But for `nth` of them.
  static Nanos Lowest(std::vector<Nanos> times, size_t nth) {
    const auto at = times.begin() + static_cast<std::ptrdiff_t>(nth);
    std::nth_element(times.begin(), at, times.end());
    return *at;
  }

  void Judge() {
    const Line line = next_.front();
    std::vector<Nanos> following;
    for (const Line& l : next_) following.push_back(l.time);
    if (last_.size() >= kBehind / 2 && parts_.size() < kMostParts) {
      const Nanos before = Lowest({last_.begin(), last_.end()}, last_.size() / 4) - kJumpBack;
      if (line.time < before && Lowest(following, (following.size() - 1) / 2) < before) Cut(line);
    }
    last_.push_back(line.time);
    if (last_.size() > kBehind) last_.pop_front();
    next_.pop_front();
  }

  void Cut(const Line& line) {
    RecordingFile part = parts_.back();
    parts_.back().to = part.from = line.at;
    part.first_line = line.number;
    parts_.push_back(std::move(part));
    last_.clear();
  }

  std::vector<RecordingFile> parts_;
  std::deque<Line> next_;   // not judged yet
  std::deque<Nanos> last_;  // of the part
};

Result<std::string> ReadMapping(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(kMaxMappingBytes, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || in.gcount() == 0) return Status::Io("cannot read " + path);
  text.resize(static_cast<size_t>(in.gcount()));
  return text;
}

Result<std::unique_ptr<StreamDecoder>> NewDecoder(const RecordingFile& file,
                                                  const DecodeContext& context) {
  switch (file.format) {
    case Format::kOtlpFile:
      return otlp::NewLinesDecoder(context);
    case Format::kJaeger:
      return jaeger::NewJaegerDecoder(context);
    case Format::kCdEvents:
      return changes::NewLinesDecoder(context);
    case Format::kOpenMetrics:
      return prometheus::NewExpositionDecoder(context, {});
    case Format::kCsv: {
      const Result<std::string> text = ReadMapping(MappingFileOf(file.path));
      if (!text.ok()) return text.status();
      Result<csv::Mapping> mapping = csv::Mapping::FromYaml(*text);
      if (!mapping.ok()) return mapping.status();
      return csv::NewCsvDecoder(context, std::move(mapping).value());
    }
    default:
      return Status::InvalidArgument("no files of this format: " + file.path);
  }
}

std::string Sentence(const DamagedLines& damaged) {
  const std::string line = "line " + std::to_string(damaged.first) + ": " + damaged.why;
  if (damaged.count == 1) return "1 line could not be read, " + line;
  return std::to_string(damaged.count) + " lines could not be read, the first is " + line;
}

Status ReadOne(const RecordingFile& file, const DecodeContext& context, const BatchSink& sink,
               const std::function<void(size_t)>& on_disk_bytes, DamagedLines* damaged) {
  Result<std::unique_ptr<StreamDecoder>> decoder = NewDecoder(file, context);
  if (!decoder.ok()) return decoder.status();
  const telemetry::StringId peer = context.identities->strings.Intern(file.path);
  const BatchSink named = [&](telemetry::Batch&& batch) {
    batch.origin.peer = peer;
    sink(std::move(batch));
  };
  Status pushed;
  bool begins = true;
  uint64_t left = file.to - file.from;
  const Status read = ReadPieces(file.path, file.from, [&](ByteView piece, size_t disk_bytes) {
    piece = piece.substr(0, left);
    left -= piece.size();
    if (std::exchange(begins, false) && piece.starts_with(kByteOrderMark))
      piece.remove_prefix(kByteOrderMark.size());
    pushed = (*decoder)->Push(piece, named);
    on_disk_bytes(disk_bytes);
    return pushed.ok() && left > 0;
  });
  TG_RETURN_IF_ERROR(pushed);
  const Status finished = (*decoder)->Finish(named);  // also what came before a broken .gz's damage
  *damaged = (*decoder)->damaged();
  damaged->first += file.first_line - 1;
  TG_RETURN_IF_ERROR(finished);
  return read;
}

}  // namespace

Result<std::vector<RecordingFile>> FindRecording(const std::string& path,
                                                 std::vector<std::string>* ignored) {
  std::error_code error;
  std::vector<fs::path> found;
  if (fs::is_directory(path, error)) {
    for (fs::recursive_directory_iterator
             it(path, fs::directory_options::skip_permission_denied, error),
         end;
         !error && it != end; it.increment(error)) {
      if (it->is_regular_file(error)) found.push_back(it->path());
    }
    if (error) return Status::Io("cannot list " + path + ": " + error.message());
  } else if (fs::is_regular_file(path, error)) {
    found.emplace_back(path);
  } else {
    return Status::NotFound("no such file or folder: " + path);
  }
  std::sort(found.begin(), found.end());

  std::vector<RecordingFile> files;
  for (const fs::path& file : found) {
    if (file.string().ends_with(kMappingSuffix)) continue;  // part of its CSV file
    if (const std::optional<Format> format = FormatOf(file)) {
      RecordingFile entry;
      entry.path = file.string();
      entry.format = *format;
      entry.bytes = fs::file_size(file, error);
      files.push_back(std::move(entry));
    } else if (ignored != nullptr) {
      ignored->push_back(file.string());
    }
  }
  if (files.empty()) {
    return Status::InvalidArgument(
        "no telemetry in " + path +
        ": no file's beginning (64 KiB) holds any that can be read. Looked for OTLP-JSON lines, "
        "Jaeger JSON, CloudEvents JSON, Prometheus text "
        "and CSV with a <name>.mapping.yaml beside it");
  }
  return files;
}

std::vector<RecordingFile> PartsOf(const RecordingFile& file) {
  const TimeKey time = TimeKeyOf(file.format);
  if (time.key.empty()) return {file};
  JumpFinder jumps(file);
  std::string line;  // its beginning
  uint64_t at = 0, line_at = 0, number = 1;
  bool in_lines = true;
  const auto end_of_line = [&] {
    if (file.format == Format::kJaeger && line.size() < kLookBytes && !IsDocument(line))
      in_lines = false;
    if (const std::optional<Nanos> t = TimeIn(line, time)) jumps.Add(line_at, number, *t);
    line.clear();
  };
  (void)ReadPieces(file.path, 0, [&](ByteView piece, size_t) {
    while (!piece.empty()) {
      const size_t end = std::min(piece.find('\n'), piece.size());
      line.append(piece.substr(0, std::min(end, kLookBytes - line.size())));
      const bool ended = end < piece.size();
      at += end + (ended ? 1 : 0);
      piece.remove_prefix(end + (ended ? 1 : 0));
      if (!ended) continue;
      end_of_line();
      line_at = at;
      ++number;
    }
    return in_lines;
  });
  end_of_line();
  return in_lines ? jumps.Finish() : std::vector<RecordingFile>{file};
}

void ReadingTroubles::Add(const ReadingTroubles& others) {
  broken_off.insert(broken_off.end(), others.broken_off.begin(), others.broken_off.end());
  damaged.insert(damaged.end(), others.damaged.begin(), others.damaged.end());
}

ReadingTroubles ReadRecording(const std::vector<RecordingFile>& files, const DecodeContext& context,
                              const BatchSink& sink,
                              const std::function<void(uint64_t bytes)>& progress) {
  ReadingTroubles troubles;
  uint64_t total = 0;
  for (const RecordingFile& file : files) {
    DamagedLines damaged;
    const auto on_disk_bytes = [&](size_t disk_bytes) {
      total += disk_bytes;
      if (progress) progress(total);
    };
    const Status status = ReadOne(file, context, sink, on_disk_bytes, &damaged);
    if (damaged.count > 0) troubles.damaged.push_back(file.path + ": " + Sentence(damaged));
    if (status.ok()) continue;
    CountLostMessage(context.ledger, file.format, telemetry::Reason::kMalformed);
    troubles.broken_off.push_back(file.path + ": " + status.message());
  }
  return troubles;
}

}  // namespace tomograph::ingest
