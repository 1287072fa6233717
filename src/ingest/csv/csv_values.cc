#include "ingest/csv/csv_values.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

namespace tomograph::ingest::csv {
namespace {

using telemetry::Severity;
using telemetry::SpanKind;
using telemetry::SpanStatus;

constexpr double kMaxNanos = 9.2e18;

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::string Lower(std::string_view text) {
  std::string lower(Trim(text));
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

std::string_view WithoutPrefix(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

template <typename Number>
bool ParseAll(std::string_view text, Number* number) {
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, *number);
  return !text.empty() && error == std::errc() && stopped == end;
}

bool AllDigits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

Nanos UnitLength(std::string_view unit) {
  if (unit == "ns") return 1;
  if (unit == "us") return kMicrosecond;
  if (unit == "ms") return kMillisecond;
  return kSecond;
}

bool ParseHex(std::string_view text, size_t digits, telemetry::TraceId* id) {
  text = Trim(text);
  if (text.empty() || text.size() > digits) return false;
  telemetry::TraceId parsed;
  const size_t low = text.size() > 16 ? 16 : text.size();
  const auto part = [](std::string_view hex, uint64_t* out) {
    const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), *out, 16);
    return error == std::errc() && end == hex.data() + hex.size();
  };
  if (!part(text.substr(text.size() - low), &parsed.lo)) return false;
  if (text.size() > 16 && !part(text.substr(0, text.size() - 16), &parsed.hi)) return false;
  *id = parsed;
  return !parsed.empty();
}

}  // namespace

bool ParseDouble(std::string_view text, double* value) {
  text = WithoutPrefix(Trim(text), "+");
  return ParseAll(text, value);
}

bool ParseLengthIn(std::string_view text, std::string_view unit, Nanos* length) {
  text = Trim(text);
  const Nanos scale = UnitLength(unit);
  // The fraction apart from the whole: one double can't hold today's time to the nanosecond.
  const size_t dot = std::min(text.find('.'), text.size());
  int64_t whole = 0;
  double fraction = 0;
  const bool exact = ParseAll(text.substr(0, dot), &whole) &&
                     (dot == text.size() ||
                      (AllDigits(text.substr(dot + 1)) && ParseAll(text.substr(dot), &fraction)));
  if (exact) {
    const Nanos rest = std::llround(fraction * static_cast<double>(scale));
    return !__builtin_mul_overflow(whole, scale, length) &&
           !__builtin_add_overflow(*length, text.front() == '-' ? -rest : rest, length);
  }
  double number;  // with an exponent, or without digits on one side of the dot
  if (!ParseDouble(text, &number)) return false;
  number *= static_cast<double>(scale);
  if (!(std::abs(number) < kMaxNanos)) return false;
  *length = std::llround(number);
  return true;
}

bool ParseTimeIn(std::string_view text, std::string_view unit, Nanos* time) {
  if (unit != "rfc3339") return ParseLengthIn(text, unit, time) && *time != 0;
  std::string full(Trim(text));
  if (full.size() > 10 && full[10] == ' ') full[10] = 'T';
  Result<Nanos> parsed = ParseTime(full);
  if (!parsed.ok()) parsed = ParseTime(full + "Z");
  if (!parsed.ok()) return false;
  *time = *parsed;
  return true;
}

bool ParseTraceHex(std::string_view text, telemetry::TraceId* id) { return ParseHex(text, 32, id); }

bool ParseSpanHex(std::string_view text, uint64_t* id) {
  telemetry::TraceId wide;
  if (!ParseHex(text, 16, &wide)) return false;
  *id = wide.lo;
  return true;
}

bool ParseWhole(std::string_view text, uint16_t* number) { return ParseAll(Trim(text), number); }
bool ParseWhole(std::string_view text, uint64_t* number) { return ParseAll(Trim(text), number); }

uint8_t ParseProtocol(std::string_view text) {
  const std::string word = Lower(text);
  if (word == "tcp") return 6;
  if (word == "udp") return 17;
  uint8_t number = 0;
  return ParseAll(std::string_view(word), &number) ? number : 0;
}

SpanKind ParseSpanKind(std::string_view text) {
  const std::string lower = Lower(text);
  const std::string_view word = WithoutPrefix(lower, "span_kind_");
  if (word == "server") return SpanKind::kServer;
  if (word == "client") return SpanKind::kClient;
  if (word == "producer") return SpanKind::kProducer;
  if (word == "consumer") return SpanKind::kConsumer;
  if (word == "internal") return SpanKind::kInternal;
  return SpanKind::kUnspecified;
}

SpanStatus ParseSpanStatus(std::string_view text) {
  const std::string lower = Lower(text);
  const std::string_view word = WithoutPrefix(lower, "status_code_");
  if (word == "error" || word == "2" || word == "true") return SpanStatus::kError;
  if (word == "ok" || word == "1") return SpanStatus::kOk;
  if (int code; ParseAll(word, &code) && code >= 500 && code < 600) return SpanStatus::kError;
  return SpanStatus::kUnset;
}

Severity ParseSeverity(std::string_view text) {
  const std::string word = Lower(text);
  if (int number; ParseAll(std::string_view(word), &number))
    return number >= 1 && number <= 24 ? static_cast<Severity>((number - 1) / 4 * 4 + 1)
                                       : Severity::kUnknown;
  if (word == "trace") return Severity::kTrace;
  if (word == "debug") return Severity::kDebug;
  if (word == "info" || word == "information" || word == "notice") return Severity::kInfo;
  if (word == "warn" || word == "warning") return Severity::kWarn;
  if (word == "err" || word == "error") return Severity::kError;
  if (word == "fatal" || word == "critical" || word == "crit" || word == "alert" ||
      word == "emerg" || word == "panic")
    return Severity::kFatal;
  return Severity::kUnknown;
}

}  // namespace tomograph::ingest::csv
