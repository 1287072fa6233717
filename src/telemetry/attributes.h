// AttributeTable: the key-value pairs of a batch's rows, flat (row i owns the pairs between
// row_end[i-1] and row_end[i]). Keys are interned; string values lie in one arena per table, since
// most are seen once.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/interner.h"

namespace tomograph::telemetry {

enum class ValueType : uint8_t {
  kString,
  kInt,
  kDouble,
  kBool,
  kBytes,
  kJson
};  // kJson: list or map

struct Attribute {
  StringId key = kEmptyString;
  ValueType type = ValueType::kString;
  uint32_t length = 0;  // of the text in the arena
  union {
    uint64_t offset;  // kString, kBytes, kJson
    int64_t integer;  // kInt, kBool
    double real;      // kDouble
  };
};

class AttributeTable {
 public:
  void AddText(StringId key, std::string_view text, ValueType type = ValueType::kString);
  void AddInt(StringId key, int64_t value);
  void AddDouble(StringId key, double value);
  void AddBool(StringId key, bool value);
  /// Closes the current row, which may be empty. Rows are numbered from 0 in the order of their
  /// ends.
  void EndRow() { row_end_.push_back(static_cast<uint32_t>(pairs_.size())); }

  size_t rows() const { return row_end_.size(); }
  std::span<const Attribute> Row(size_t row) const;
  /// For normalisation, which may rewrite keys and values in place (never the number of pairs).
  std::span<Attribute> MutableRow(size_t row);
  /// Text of a kString, kBytes or kJson pair; valid until the next Add.
  std::string_view Text(const Attribute& a) const {
    return std::string_view(arena_).substr(a.offset, a.length);
  }
  /// The value as text, whatever its type.
  std::string ToText(const Attribute& a) const;
  const Attribute* Find(size_t row, StringId key) const;
  /// Appends {"key":value,...} to `out`. Invalid UTF-8 is replaced; bytes are base64.
  void AppendJson(size_t row, const Interner& strings, std::string* out) const;
  void Clear();

 private:
  std::vector<uint32_t> row_end_;
  std::vector<Attribute> pairs_;
  std::string arena_;
};

/// At most `max_bytes`, not breaking a UTF-8 character.
std::string_view CutText(std::string_view text, size_t max_bytes);
/// Appends `text` as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD.
void AppendJsonString(std::string_view text, std::string* out);

}  // namespace tomograph::telemetry
