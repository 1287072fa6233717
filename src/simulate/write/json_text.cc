#include "simulate/write/json_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "telemetry/attributes.h"

namespace tomograph::simulate {
namespace {

template <typename Number>
void AppendDigits(Number value, std::string* out) {
  char buffer[40];
  const char* end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  out->append(buffer, static_cast<size_t>(end - buffer));
}

}  // namespace

void AppendInteger(int64_t value, std::string* out) { AppendDigits(value, out); }
void AppendUnsigned(uint64_t value, std::string* out) { AppendDigits(value, out); }

void AppendDouble(double value, std::string* out) {
  if (std::isfinite(value)) return AppendDigits(value, out);
  out->append(std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

void AppendHex(uint64_t value, std::string* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  char digits[16];
  for (int i = 15; i >= 0; --i, value >>= 4) digits[i] = kDigits[value & 15];
  out->append(digits, sizeof digits);
}

void AppendQuoted(uint64_t value, std::string* out) {
  out->push_back('"');
  AppendDigits(value, out);
  out->push_back('"');
}

void AppendQuotedTime(Nanos time, std::string* out) {
  AppendQuoted(static_cast<uint64_t>(std::max<Nanos>(0, time)), out);
}

void AttributeList::Text(std::string_view key, std::string_view value) {
  Key(key);
  out_->append("\"stringValue\":");
  telemetry::AppendJsonString(value, out_);
  out_->append("}}");
}

void AttributeList::Number(std::string_view key, int64_t value) {
  Key(key);
  out_->append("\"intValue\":\"");
  AppendInteger(value, out_);
  out_->append("\"}}");
}

void AttributeList::Key(std::string_view key) {
  out_->append(any_ ? ",{\"key\":" : "\"attributes\":[{\"key\":");
  any_ = true;
  telemetry::AppendJsonString(key, out_);
  out_->append(",\"value\":{");
}

}  // namespace tomograph::simulate
