#include "ingest/line_order.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace tomograph::ingest {
namespace {

using telemetry::Format;

/// What a line's times follow, and their unit; empty: such files have no lines with times.
struct TimeKeys {
  std::array<std::string_view, 2> keys;
  Nanos unit = 0;
};
TimeKeys TimeKeysOf(Format format, ByteView line) {
  if (format == Format::kOtlpFile) {
    const ByteView start = line.substr(0, 64);
    const bool metrics = start.find("\"resourceMetrics\"") != ByteView::npos ||
                         start.find("\"resource_metrics\"") != ByteView::npos;
    // Of a sample, the start is when its series began.
    if (metrics) return {{"\"timeUnixNano\"", "\"time_unix_nano\""}, 1};
    return {{"imeUnixNano\"", "ime_unix_nano\""}, 1};  // start, end, observed
  }
  if (format == Format::kJaeger) return {{"\"startTime\"", ""}, kMicrosecond};
  return {};
}

/// The first that is one: an unset time is 0.
std::optional<Nanos> TimeAfter(std::string_view key, Nanos unit, ByteView line) {
  for (size_t at = line.find(key); at != ByteView::npos; at = line.find(key, at)) {
    at = line.find_first_not_of(" :\"", at + key.size());
    if (at == ByteView::npos) return std::nullopt;
    int64_t value = 0;
    Nanos nanos = 0;
    const auto read = std::from_chars(line.data() + at, line.data() + line.size(), value);
    if (read.ec == std::errc() && value > 0 && !__builtin_mul_overflow(value, unit, &nanos))
      return nanos;
  }
  return std::nullopt;
}

constexpr Nanos kYear = 365 * 24 * kHour;

/// But for `nth` of them.
Nanos Lowest(const std::deque<Nanos>& of, size_t nth) {
  std::vector<Nanos> times(of.begin(), of.end());
  const auto at = times.begin() + static_cast<std::ptrdiff_t>(nth);
  std::nth_element(times.begin(), at, times.end());
  return *at;
}

}  // namespace

bool HasLinesWithTimes(Format format) { return TimeKeysOf(format, {}).unit > 0; }

std::optional<Nanos> TimeOfLine(ByteView line, Format format) {
  const TimeKeys time = TimeKeysOf(format, line);
  for (const std::string_view key : time.keys) {
    if (key.empty()) continue;
    if (const std::optional<Nanos> found = TimeAfter(key, time.unit, line)) return found;
  }
  return std::nullopt;
}

void LineOrder::Add(Nanos time) {
  ++lines_;
  behind_ += time < highest_ - kJumpBack;
  highest_ = std::max(highest_, time);
  lowest_.insert(std::upper_bound(lowest_.begin(), lowest_.end(), time), time);
  if (lowest_.size() > kLowest) lowest_.pop_back();
  next_.push_back(time);
  if (next_.size() == kAhead) Judge();
}

void LineOrder::Finish() {
  while (!next_.empty()) Judge();
  // Of so few lines none says what level the others are below.
  if (lines_ < kBehind) broken_ |= 4 * behind_ > lines_;
}

Nanos LineOrder::first() const {
  if (lowest_.empty()) return INT64_MIN;
  // A clock that was wrong leaves a gap that nothing else of the file comes near.
  for (size_t odd = std::min(lowest_.size() - 1, lines_ / 2); odd > 0; --odd) {
    const Nanos gap = lowest_[odd] - lowest_[odd - 1];
    const bool apart = 4 * odd <= lines_ && gap > kHour && gap / 10 > highest_ - lowest_[odd];
    if (apart || gap > kYear) return lowest_[odd];
  }
  return lowest_.front();
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
