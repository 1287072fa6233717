#include "ingest/line_order.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace tomograph::ingest {
namespace {

using telemetry::Format;

/// The key that a line's time follows, and the unit of that time; empty: such files have no lines.
struct TimeKey {
  std::string_view key;
  Nanos unit = 0;
};
TimeKey TimeKeyOf(Format format, ByteView line) {
  if (format == Format::kOtlpFile) {
    // Of a sample, the start is when its series began.
    const bool metrics = line.substr(0, 64).find("\"resourceMetrics\"") != ByteView::npos;
    return {metrics ? "\"timeUnixNano\"" : "imeUnixNano\"", 1};  // start, end, observed
  }
  if (format == Format::kJaeger) return {"\"startTime\"", kMicrosecond};
  return {};
}

/// But for `nth` of them.
Nanos Lowest(const std::deque<Nanos>& of, size_t nth) {
  std::vector<Nanos> times(of.begin(), of.end());
  const auto at = times.begin() + static_cast<std::ptrdiff_t>(nth);
  std::nth_element(times.begin(), at, times.end());
  return *at;
}

}  // namespace

bool HasLinesWithTimes(Format format) { return !TimeKeyOf(format, {}).key.empty(); }

std::optional<Nanos> TimeOfLine(ByteView line, Format format) {
  const TimeKey time = TimeKeyOf(format, line);
  if (time.key.empty()) return std::nullopt;
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

void LineOrder::Add(Nanos time) {
  first_ = std::min(first_, time);
  next_.push_back(time);
  if (next_.size() == kAhead) Judge();
}

void LineOrder::Finish() {
  while (!next_.empty()) Judge();
}

void LineOrder::Judge() {
  const Nanos time = next_.front();
  if (last_.size() >= kBehind / 2) level_ = std::max(level_, Lowest(last_, last_.size() / 4));
  const Nanos before = level_ - kJumpBack;
  broken_ |= time < before && Lowest(next_, (next_.size() - 1) / 2) < before;
  last_.push_back(time);
  if (last_.size() > kBehind) last_.pop_front();
  next_.pop_front();
}

}  // namespace tomograph::ingest
