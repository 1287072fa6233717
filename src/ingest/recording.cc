#include "ingest/recording.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "ingest/changes/cdevents_decoder.h"
#include "ingest/csv/csv_decoder.h"
#include "ingest/file_pieces.h"
#include "ingest/jaeger/jaeger_decoder.h"
#include "ingest/line_order.h"
#include "ingest/otlp/otlp_decoder.h"
#include "ingest/prometheus/exposition.h"
#include "ingest/tally.h"

namespace tomograph::ingest {
namespace {

namespace fs = std::filesystem;
using telemetry::Format;

constexpr size_t kLookBytes = 64u << 10;  // of a file's start, inflated, that tell what it is
constexpr size_t kMaxMappingBytes = 1u << 20;
constexpr size_t kMaxLineBytes = (64u << 20) + 1;  // longer than any that is decoded

/// The first bytes, inflated. A damaged file gives what could be read of them.
std::string StartOf(const std::string& path) {
  std::string start;
  (void)ReadPieces(path, [&](ByteView piece, size_t) {
    start.append(piece.substr(0, kLookBytes - start.size()));
    return start.size() < kLookBytes;
  });
  return start;
}

/// Nothing, or a .gz of nothing: rotated before anything was written.
bool IsEmpty(const std::string& path) {
  std::error_code error;
  if (fs::file_size(path, error) == 0) return !error;
  bool empty = true;
  const Status read =
      ReadPieces(path, [&](ByteView piece, size_t) { return empty = piece.empty(); });
  return read.ok() && empty;
}

/// The same of what follows the first line, if that ends within the largest record.
std::string StartBehindFirstLine(const std::string& path) {
  std::string start;
  size_t skipped = 0;
  bool behind = false;
  (void)ReadPieces(path, [&](ByteView piece, size_t) {
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
  ByteView text = WithoutByteOrderMark(start);
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == ByteView::npos) return std::nullopt;
  text.remove_prefix(first);
  if (text[0] == '{' || text[0] == '[') {
    const std::optional<Format> format = JsonFormatOf(start);
    return format ? format : FormatBehindFirstLine(path.string());
  }
  const bool exposition = text.starts_with("# HELP ") || text.starts_with("# TYPE ") ||
                          text.starts_with("# UNIT ") || extension == ".prom" || extension == ".om";
  return exposition ? std::optional<Format>(Format::kOpenMetrics)
                    : FormatBehindFirstLine(path.string());
}

/// Jaeger's JSON may be one document over many lines, which is not cut: are its lines documents?
bool IsDocument(ByteView line) {
  const size_t last = line.find_last_not_of(" \t\r");
  return last == ByteView::npos || (line.front() == '{' && line[last] == '}');
}

/// Whether it is to be sorted; `first`: about when it begins.
bool LinesOutOfOrder(const RecordingFile& file, Nanos* first) {
  *first = INT64_MIN;
  if (!HasLinesWithTimes(file.format)) return false;
  LineOrder order;
  bool in_lines = true;
  (void)ReadLines(file.path, kLookBytes, [&](ByteView line, size_t) {
    if (file.format == Format::kJaeger && line.size() < kLookBytes && !IsDocument(line))
      in_lines = false;
    if (const std::optional<Nanos> time = TimeOfLine(line, file.format)) order.Add(*time);
    return in_lines && !order.broken();
  });
  order.Finish();
  if (in_lines) *first = order.first();
  return in_lines && order.broken();
}

/// Reads the lines into runs. What comes before a broken .gz's damage is kept; the damage is told
/// in `read`.
Result<std::vector<SortedRun>> SortLines(const RecordingFile& file,
                                         std::shared_ptr<SpillFile>* spill,
                                         const std::function<void(size_t)>& on_disk_bytes,
                                         Status* read) {
  if (*spill == nullptr) {
    Result<std::shared_ptr<SpillFile>> made = SpillFile::Make();
    if (!made.ok()) return made.status();
    *spill = std::move(made).value();
  }
  LineSorter sorter(*spill);
  Status sorted;
  Nanos time = 0;  // a line that tells none stays with the one before it
  uint64_t number = 0;
  *read = ReadLines(file.path, kMaxLineBytes, [&](ByteView line, size_t disk_bytes) {
    on_disk_bytes(disk_bytes);
    ++number;
    if (line.find_first_not_of(" \t\r") == ByteView::npos) return true;
    time = TimeOfLine(line.substr(0, kLookBytes), file.format).value_or(time);
    sorted = sorter.Add(time, number, line);
    return sorted.ok();
  });
  TG_RETURN_IF_ERROR(sorted);
  return sorter.Finish();
}

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

void BreakOff(const RecordingFile& file, const Status& why, telemetry::LossLedger* ledger,
              ReadingTroubles* troubles) {
  CountLostMessage(ledger, file.format, telemetry::Reason::kMalformed);
  troubles->broken_off.push_back(file.path + ": " + why.message());
}

/// Which line of its file a line of a run is. Reads the run once more, as far as it is asked.
class LineNumbers {
 public:
  explicit LineNumbers(const SortedRun& run) : reader_(run) {}
  /// Of the `nth` line, from 1; no less than the last one asked for.
  uint64_t Of(uint64_t nth) {
    for (; at_ < nth && reader_.Next(); ++at_) {
    }
    return reader_.line().number;
  }

 private:
  RunReader reader_;
  uint64_t at_ = 0;
};

Status ReadRun(const SortedRun& run, const std::function<bool(ByteView line)>& on_line) {
  RunReader reader(run);
  while (reader.Next() && on_line(reader.line().text)) {
  }
  return reader.status();
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
  std::optional<LineNumbers> numbers;
  if (file.run) numbers.emplace(*file.run);
  const auto take_damaged = [&] {
    DamagedLines lines = (*decoder)->TakeDamaged();
    if (numbers && lines.count > 0) lines.first = numbers->Of(lines.first);
    damaged->Add(lines);
  };
  const auto push = [&](ByteView text) {
    pushed = (*decoder)->Push(text, named);
    take_damaged();
    return pushed.ok();
  };
  bool begins = true;
  const auto push_piece = [&](ByteView piece, size_t disk_bytes) {
    on_disk_bytes(disk_bytes);
    return push(std::exchange(begins, false) ? WithoutByteOrderMark(piece) : piece);
  };
  const Status read = file.run ? ReadRun(*file.run, push) : ReadPieces(file.path, push_piece);
  TG_RETURN_IF_ERROR(pushed);
  const Status finished = (*decoder)->Finish(named);  // also what came before a broken .gz's damage
  take_damaged();
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
    if (IsEmpty(file.string())) continue;
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

std::vector<RecordingFile> InOrderOfTime(const std::vector<RecordingFile>& files,
                                         telemetry::LossLedger* ledger,
                                         const std::function<void(uint64_t bytes)>& progress,
                                         ReadingTroubles* troubles) {
  std::vector<RecordingFile> ordered;
  std::shared_ptr<SpillFile> spill;
  uint64_t total = 0;
  for (RecordingFile file : files) {
    if (!LinesOutOfOrder(file, &file.first)) {
      ordered.push_back(std::move(file));
      continue;
    }
    Status read;
    const auto on_disk_bytes = [&](size_t disk_bytes) { progress(total += disk_bytes); };
    const Result<std::vector<SortedRun>> runs = SortLines(file, &spill, on_disk_bytes, &read);
    if (!runs.ok()) {
      troubles->out_of_order.push_back(file.path +
                                       ": its lines are not in the order of their times, " +
                                       "and are read so: " + runs.status().message());
      ordered.push_back(std::move(file));
      continue;
    }
    if (!read.ok()) BreakOff(file, read, ledger, troubles);
    for (const SortedRun& run : *runs) {
      file.first = run.first;
      file.run = run;
      ordered.push_back(file);
    }
  }
  std::stable_sort(
      ordered.begin(), ordered.end(),
      [](const RecordingFile& a, const RecordingFile& b) { return a.first < b.first; });
  return ordered;
}

void ReadingTroubles::Add(const ReadingTroubles& others) {
  broken_off.insert(broken_off.end(), others.broken_off.begin(), others.broken_off.end());
  out_of_order.insert(out_of_order.end(), others.out_of_order.begin(), others.out_of_order.end());
  for (const auto& [path, lines] : others.damaged) damaged[path].Add(lines);
}

std::vector<std::string> ReadingTroubles::Sentences() const {
  std::vector<std::string> sentences = out_of_order;
  for (const auto& [path, lines] : damaged) sentences.push_back(path + ": " + Sentence(lines));
  std::sort(sentences.begin(), sentences.end());
  return sentences;
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
    if (damaged.count > 0) troubles.damaged[file.path].Add(damaged);
    if (!status.ok()) BreakOff(file, status, context.ledger, &troubles);
  }
  return troubles;
}

}  // namespace tomograph::ingest
