// JSON by hand, appended to a string: what OtlpJson needs a few million times a second. Numbers are
// locale-free and the shortest that read back as the same; texts are escaped by
// telemetry::AppendJsonString, so that they may hold anything (what is no UTF-8 becomes U+FFFD).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/nanotime.h"

namespace tomograph::simulate {

void AppendInteger(int64_t value, std::string* out);
void AppendUnsigned(uint64_t value, std::string* out);
/// What is not finite as proto3's JSON has it: "NaN", "Infinity", "-Infinity" in quotes.
void AppendDouble(double value, std::string* out);
/// 16 lower-case hexadecimal digits.
void AppendHex(uint64_t value, std::string* out);
/// A 64-bit number in quotes, as proto3's JSON writes them. Times before 1970 are 0.
void AppendQuoted(uint64_t value, std::string* out);
void AppendQuotedTime(Nanos time, std::string* out);

/// OTLP's list of attributes: `"attributes":[...],` or nothing when none was added. One list at a
/// time in a string.
class AttributeList {
 public:
  explicit AttributeList(std::string* out) : out_(out) {}
  ~AttributeList() {
    if (any_) out_->append("],");
  }
  AttributeList(const AttributeList&) = delete;
  AttributeList& operator=(const AttributeList&) = delete;

  void Text(std::string_view key, std::string_view value);
  void Number(std::string_view key, int64_t value);

 private:
  void Key(std::string_view key);

  std::string* out_;
  bool any_ = false;
};

}  // namespace tomograph::simulate
