#include "ingest/otlp/values.h"

#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <cstring>

#include "ingest/otlp/base64.h"
#include "ingest/otlp/wire.h"

namespace tomograph::ingest::otlp {

using telemetry::AttributeTable;
using telemetry::Reason;
using telemetry::StringId;
using telemetry::ValueType;

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// AnyValue's fields.
constexpr uint32_t kString = Bytes(1);
constexpr uint32_t kBool = Varint(2);
constexpr uint32_t kInt = Varint(3);
constexpr uint32_t kDouble = Fixed64(4);
constexpr uint32_t kList = Bytes(5);
constexpr uint32_t kMap = Bytes(6);
constexpr uint32_t kRaw = Bytes(7);

uint64_t LoadUpTo8(const char* p, size_t n) {
  uint64_t word = 0;
  std::memcpy(&word, p, n);
  return word;
}

bool IsAscii(ByteView text) {
  const char* p = text.data();
  size_t n = text.size();
  uint64_t bits = 0;
  for (; n >= 8; p += 8, n -= 8) bits |= LoadUpTo8(p, 8);
  for (; n > 0; ++p, --n) bits |= static_cast<uint8_t>(*p);
  return (bits & 0x8080808080808080ULL) == 0;
}

bool IsUtf8(ByteView text) {
  return IsAscii(text) || simdjson::validate_utf8(text.data(), text.size());
}

/// Replaces each byte that is no part of valid UTF-8.
void Repair(ByteView text, std::string* out) {
  out->clear();
  while (!text.empty()) {
    const uint8_t lead = static_cast<uint8_t>(text[0]);
    const size_t want = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    const bool whole = want <= text.size() && simdjson::validate_utf8(text.data(), want);
    out->append(whole ? text.substr(0, want) : kReplacement);
    text.remove_prefix(whole ? want : 1);
  }
}

void AppendInt(int64_t value, std::string* out) {
  char buffer[24];
  const char* end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  out->append(buffer, static_cast<size_t>(end - buffer));
}

void AppendDouble(double value, std::string* out) {
  char buffer[40];
  const char* end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  out->append(buffer, static_cast<size_t>(end - buffer));
}

}  // namespace

std::string_view Values::Text(ByteView text, size_t max_bytes, Repairs* repairs) {
  if (text.size() > max_bytes) {
    size_t end = max_bytes;
    // Never through the middle of a character.
    for (int back = 0; back < 3 && end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80;
         ++back)
      --end;
    text = text.substr(0, end);
    repairs->Note(Reason::kTruncatedValue);
  }
  if (IsUtf8(text)) return text;
  repairs->Note(Reason::kBadText);
  Repair(text, &repaired_);
  return repaired_;
}

StringId Values::Intern(ByteView text, Repairs* repairs) {
  if (text.empty()) return telemetry::kEmptyString;
  const size_t n = text.size();
  const uint64_t head = LoadUpTo8(text.data(), n < 8 ? n : 8);
  const uint64_t tail = n > 8 ? LoadUpTo8(text.data() + n - 8, 8) : 0;
  const uint64_t hash = (head ^ (tail << 1) ^ n) * 0x9e3779b97f4a7c15ULL;
  Known& known = known_[hash >> 56];
  if (known.text == text) return known.id;

  const std::string_view good = Text(text, limits_.max_text_bytes, repairs);
  const StringId id = strings_->Intern(good, sender_);
  // Repaired texts differ from what was asked for, so they never match: each one is counted.
  if (id != telemetry::kOverflow) {
    known = {strings_->Get(id), id};
  } else {
    repairs->Note(Reason::kNameLimit);
  }
  return id;
}

Values::Pair Values::Split(ByteView key_value) {
  Pair pair;
  protozero::pbf_reader reader = Reader(key_value);
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case Bytes(1):
        pair.key = View(reader);
        break;
      case Bytes(2):
        pair.value = View(reader);
        break;
      default:
        reader.skip();
    }
  }
  return pair;
}

void Values::AddRow(const std::vector<ByteView>& key_values, AttributeTable* table,
                    Repairs* repairs) {
  AddPairs(key_values, table, repairs);
  table->EndRow();
}

void Values::AddPairs(const std::vector<ByteView>& key_values, AttributeTable* table,
                      Repairs* repairs) {
  const size_t n = std::min(key_values.size(), limits_.max_attributes);
  if (n < key_values.size()) repairs->Note(Reason::kTooManyAttributes);
  for (size_t i = 0; i < n; ++i) AddPair(key_values[i], table, repairs);
}

void Values::AddPair(ByteView key_value, AttributeTable* table, Repairs* repairs) {
  const Pair pair = Split(key_value);
  const StringId key = Intern(pair.key, repairs);
  const size_t limit = limits_.max_text_bytes;
  protozero::pbf_reader any = Reader(pair.value);
  while (any.next()) {
    switch (any.tag_and_type()) {
      case kString:
        return table->AddText(key, Text(View(any), limit, repairs));
      case kBool:
        return table->AddBool(key, any.get_uint64() != 0);
      case kInt:
        return table->AddInt(key, any.get_int64());
      case kDouble:
        return table->AddDouble(key, any.get_double());
      case kRaw: {
        ByteView bytes = View(any);
        if (bytes.size() > limit) repairs->Note(Reason::kTruncatedValue);
        return table->AddText(key, bytes.substr(0, limit), ValueType::kBytes);
      }
      case kList:
      case kMap: {
        json_.clear();
        AppendJson(pair.value, 0, &json_, repairs);
        // JSON that was cut is JSON no more.
        const ValueType type = json_.size() > limit ? ValueType::kString : ValueType::kJson;
        return table->AddText(key, Text(json_, limit, repairs), type);
      }
      default:
        any.skip();
    }
  }
  table->AddText(key, {});
}

std::pair<StringId, StringId> Values::Label(ByteView key_value, Repairs* repairs) {
  const Pair pair = Split(key_value);
  const StringId key = Intern(pair.key, repairs);
  return {key, Intern(AnyText(pair.value, limits_.max_text_bytes, repairs), repairs)};
}

std::string_view Values::AnyText(ByteView any, size_t max_bytes, Repairs* repairs) {
  protozero::pbf_reader reader = Reader(any);
  while (reader.next()) {
    if (reader.tag_and_type() == kString) return Text(View(reader), max_bytes, repairs);
    if (reader.tag_and_type() == kDouble) {
      json_.clear();
      AppendDouble(reader.get_double(), &json_);
      return json_;
    }
    if (reader.tag_and_type() == kRaw) {
      json_.clear();
      AppendBase64(View(reader), &json_);
      return Text(json_, max_bytes, repairs);
    }
    if (reader.tag() <= 7) {
      json_.clear();
      AppendJson(any, 0, &json_, repairs);
      return Text(json_, max_bytes, repairs);
    }
    reader.skip();
  }
  return {};
}

void Values::AppendJson(ByteView any, int depth, std::string* out, Repairs* repairs) {
  protozero::pbf_reader reader = Reader(any);
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case kString: {
        const ByteView text = View(reader);
        if (!IsUtf8(text)) repairs->Note(Reason::kBadText);
        return telemetry::AppendJsonString(text, out);
      }
      case kBool:
        return static_cast<void>(out->append(reader.get_uint64() != 0 ? "true" : "false"));
      case kInt:
        return AppendInt(reader.get_int64(), out);
      case kDouble: {
        const double value = reader.get_double();
        if (std::isfinite(value)) return AppendDouble(value, out);
        return static_cast<void>(out->append(std::isnan(value) ? "\"NaN\""
                                             : value > 0       ? "\"Infinity\""
                                                               : "\"-Infinity\""));
      }
      case kRaw:
        out->push_back('"');
        AppendBase64(View(reader), out);
        return out->push_back('"');
      case kList:
      case kMap: {
        if (depth >= limits_.max_depth) {  // what lies deeper is left out
          repairs->Note(Reason::kTruncatedValue);
          return static_cast<void>(out->append("null"));
        }
        const bool is_list = reader.tag_and_type() == kList;
        const ByteView inner = View(reader);
        return is_list ? AppendList(inner, depth + 1, out, repairs)
                       : AppendMap(inner, depth + 1, out, repairs);
      }
      default:
        reader.skip();
    }
  }
  out->append("null");
}

void Values::AppendList(ByteView list, int depth, std::string* out, Repairs* repairs) {
  out->push_back('[');
  bool first = true;
  protozero::pbf_reader reader = Reader(list);
  while (reader.next()) {
    if (reader.tag_and_type() != Bytes(1)) {
      reader.skip();
      continue;
    }
    if (!std::exchange(first, false)) out->push_back(',');
    AppendJson(View(reader), depth, out, repairs);
  }
  out->push_back(']');
}

void Values::AppendMap(ByteView map, int depth, std::string* out, Repairs* repairs) {
  out->push_back('{');
  bool first = true;
  protozero::pbf_reader reader = Reader(map);
  while (reader.next()) {
    if (reader.tag_and_type() != Bytes(1)) {
      reader.skip();
      continue;
    }
    const Pair pair = Split(View(reader));
    if (!std::exchange(first, false)) out->push_back(',');
    if (!IsUtf8(pair.key)) repairs->Note(Reason::kBadText);
    telemetry::AppendJsonString(pair.key, out);
    out->push_back(':');
    AppendJson(pair.value, depth, out, repairs);
  }
  out->push_back('}');
}

}  // namespace tomograph::ingest::otlp
