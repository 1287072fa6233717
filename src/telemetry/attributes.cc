#include "telemetry/attributes.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace tomograph::telemetry {
namespace {

Attribute Make(StringId key, ValueType type) {
  Attribute a;
  a.key = key;
  a.type = type;
  a.integer = 0;
  return a;
}

void AppendInt(int64_t value, std::string* out) {
  char buf[24];
  const auto end = std::to_chars(buf, buf + sizeof buf, value).ptr;
  out->append(buf, static_cast<size_t>(end - buf));
}

void AppendDouble(double value, std::string* out) {
  char buf[40];
  const auto end = std::to_chars(buf, buf + sizeof buf, value).ptr;
  out->append(buf, static_cast<size_t>(end - buf));
}

void AppendBase64(std::string_view bytes, std::string* out) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t word = 0;
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k)
      word = word << 8 | (k < n ? static_cast<uint8_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k)
      out->push_back(k <= n ? kDigits[word >> (18 - 6 * k) & 63] : '=');
  }
}

// Length of the valid UTF-8 sequence at `at` (RFC 3629: no overlong forms, no surrogates), 0 if
// none.
size_t SequenceAt(std::string_view s, size_t at) {
  const auto byte = [&](size_t i) { return i < s.size() ? static_cast<uint8_t>(s[i]) : 0u; };
  const auto follows = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned a = byte(at), b = byte(at + 1);
  if (a < 0x80) return 1;
  if (a >= 0xC2 && a <= 0xDF) return follows(at + 1) ? 2 : 0;
  if (a >= 0xE0 && a <= 0xEF) {
    if (!follows(at + 1) || !follows(at + 2)) return 0;
    return (a == 0xE0 && b < 0xA0) || (a == 0xED && b > 0x9F) ? 0 : 3;
  }
  if (a >= 0xF0 && a <= 0xF4) {
    if (!follows(at + 1) || !follows(at + 2) || !follows(at + 3)) return 0;
    return (a == 0xF0 && b < 0x90) || (a == 0xF4 && b > 0x8F) ? 0 : 4;
  }
  return 0;
}

}  // namespace

void AttributeTable::AddText(StringId key, std::string_view text, ValueType type) {
  Attribute a = Make(key, type);
  a.offset = arena_.size();
  a.length = static_cast<uint32_t>(text.size());
  arena_.append(text);
  pairs_.push_back(a);
}

void AttributeTable::AddInt(StringId key, int64_t value) {
  pairs_.push_back(Make(key, ValueType::kInt));
  pairs_.back().integer = value;
}

void AttributeTable::AddDouble(StringId key, double value) {
  pairs_.push_back(Make(key, ValueType::kDouble));
  pairs_.back().real = value;
}

void AttributeTable::AddBool(StringId key, bool value) {
  pairs_.push_back(Make(key, ValueType::kBool));
  pairs_.back().integer = value ? 1 : 0;
}

std::span<const Attribute> AttributeTable::Row(size_t row) const {
  const size_t from = row == 0 ? 0 : row_end_[row - 1];
  return std::span<const Attribute>(pairs_).subspan(from, row_end_[row] - from);
}

std::span<Attribute> AttributeTable::MutableRow(size_t row) {
  const size_t from = row == 0 ? 0 : row_end_[row - 1];
  return std::span<Attribute>(pairs_).subspan(from, row_end_[row] - from);
}

std::string AttributeTable::ToText(const Attribute& a) const {
  std::string out;
  switch (a.type) {
    case ValueType::kInt:
      AppendInt(a.integer, &out);
      break;
    case ValueType::kDouble:
      AppendDouble(a.real, &out);
      break;
    case ValueType::kBool:
      out = a.integer != 0 ? "true" : "false";
      break;
    default:
      out = Text(a);
  }
  return out;
}

const Attribute* AttributeTable::Find(size_t row, StringId key) const {
  for (const Attribute& a : Row(row))
    if (a.key == key) return &a;
  return nullptr;
}

void AttributeTable::AppendJson(size_t row, const Interner& strings, std::string* out) const {
  out->push_back('{');
  bool first = true;
  for (const Attribute& a : Row(row)) {
    if (!first) out->push_back(',');
    first = false;
    AppendJsonString(strings.Get(a.key), out);
    out->push_back(':');
    switch (a.type) {
      case ValueType::kInt:
        AppendInt(a.integer, out);
        break;
      case ValueType::kDouble:
        // JSON has no words for what is not finite: as text, like proto3's JSON.
        if (std::isfinite(a.real))
          AppendDouble(a.real, out);
        else
          out->append(std::isnan(a.real) ? "\"NaN\""
                      : a.real > 0       ? "\"Infinity\""
                                         : "\"-Infinity\"");
        break;
      case ValueType::kBool:
        out->append(a.integer != 0 ? "true" : "false");
        break;
      case ValueType::kBytes:
        out->push_back('"');
        AppendBase64(Text(a), out);
        out->push_back('"');
        break;
      case ValueType::kJson:
        out->append(Text(a));
        break;
      case ValueType::kString:
        AppendJsonString(Text(a), out);
        break;
    }
  }
  out->push_back('}');
}

void AttributeTable::Clear() {
  row_end_.clear();
  pairs_.clear();
  arena_.clear();
}

std::string_view CutText(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  while (max_bytes > 0 && (static_cast<unsigned char>(text[max_bytes]) & 0xc0) == 0x80) --max_bytes;
  return text.substr(0, max_bytes);
}

void AppendJsonString(std::string_view text, std::string* out) {
  out->push_back('"');
  size_t plain = 0;  // start of the run that can be copied as it is
  for (size_t i = 0; i < text.size();) {
    const uint8_t c = static_cast<uint8_t>(text[i]);
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
      ++i;
      continue;
    }
    const size_t length = c < 0x80 ? 1 : SequenceAt(text, i);
    if (c >= 0x80 && length > 0) {
      i += length;
      continue;
    }
    out->append(text.substr(plain, i - plain));
    if (c >= 0x80) {
      out->append("\xEF\xBF\xBD");
    } else if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(static_cast<char>(c));
    } else if (c == '\n') {
      out->append("\\n");
    } else if (c == '\t') {
      out->append("\\t");
    } else {
      char buf[8];
      std::snprintf(buf, sizeof buf, "\\u%04x", c);
      out->append(buf);
    }
    plain = ++i;
  }
  out->append(text.substr(plain));
  out->push_back('"');
}

}  // namespace tomograph::telemetry
