#include "ingest/otlp/bad_text.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace tomograph::ingest::otlp {
namespace {

/// The unit that an escape \uXXXX at `at` stands for.
std::optional<uint32_t> UnitAt(ByteView json, size_t at) {
  if (json.substr(at, 2) != "\\u" || json.size() < at + 6) return std::nullopt;
  uint32_t unit = 0;
  const char* digits = json.data() + at + 2;
  const auto [end, error] = std::from_chars(digits, digits + 4, unit, 16);
  if (error != std::errc() || end != digits + 4) return std::nullopt;
  return unit;
}
bool IsHigh(uint32_t unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool IsLow(uint32_t unit) { return unit >= 0xDC00 && unit < 0xE000; }

size_t CharacterLength(unsigned char first) {
  return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

}  // namespace

std::string MarkUnreadable(ByteView json) {
  std::string out;
  out.reserve(json.size());
  for (size_t at = 0; at < json.size();) {
    size_t length = 1;
    bool readable = true;
    if (json[at] == '\\') {
      const std::optional<uint32_t> unit = UnitAt(json, at);
      length = unit ? 6 : std::min<size_t>(2, json.size() - at);
      if (unit && IsHigh(*unit)) {
        const std::optional<uint32_t> next = UnitAt(json, at + 6);
        readable = next && IsLow(*next);
        if (readable) length = 12;
      } else if (unit && IsLow(*unit)) {
        readable = false;
      } else if (!unit && length == 2 && static_cast<unsigned char>(json[at + 1]) >= 0x80) {
        length = 1;  // no escape; the next byte is looked at for itself
      }
    } else if (static_cast<unsigned char>(json[at]) >= 0x80) {
      length = CharacterLength(static_cast<unsigned char>(json[at]));
      readable = length <= json.size() - at && simdjson::validate_utf8(json.data() + at, length);
      if (!readable) length = 1;
    }
    out.append(readable ? json.substr(at, length) : kUnreadable);
    at += length;
  }
  return out;
}

}  // namespace tomograph::ingest::otlp
