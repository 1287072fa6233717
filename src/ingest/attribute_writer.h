// AttributeWriter: fills one row of an AttributeTable within the limits, and says at its end
// whether something had to be left out or cut.
#pragma once

#include <optional>
#include <string_view>

#include "ingest/decoder.h"

namespace tomograph::ingest {

class AttributeWriter {
 public:
  AttributeWriter(telemetry::AttributeTable* table, telemetry::Interner* strings,
                  const Limits& limits)
      : table_(table), strings_(strings), limits_(limits) {}

  void Text(std::string_view key, std::string_view text,
            telemetry::ValueType type = telemetry::ValueType::kString) {
    if (!Room()) return;
    std::string_view fit = telemetry::CutText(text, limits_.max_text_bytes);
    if (fit.size() < text.size()) {
      Repaired(telemetry::Reason::kTruncatedValue);
      if (type == telemetry::ValueType::kJson)
        type = telemetry::ValueType::kString;  // no JSON any more
    }
    table_->AddText(strings_->Intern(key), fit, type);
  }
  void Int(std::string_view key, int64_t value) {
    if (Room()) table_->AddInt(strings_->Intern(key), value);
  }
  void Double(std::string_view key, double value) {
    if (Room()) table_->AddDouble(strings_->Intern(key), value);
  }
  void Bool(std::string_view key, bool value) {
    if (Room()) table_->AddBool(strings_->Intern(key), value);
  }

  /// Closes the row. The first repair that was needed, if any.
  std::optional<telemetry::Reason> EndRow() {
    table_->EndRow();
    count_ = 0;
    std::optional<telemetry::Reason> repaired;
    if (was_repaired_) repaired = first_repair_;
    was_repaired_ = false;
    return repaired;
  }

 private:
  bool Room() {
    if (count_++ < limits_.max_attributes) return true;
    Repaired(telemetry::Reason::kTooManyAttributes);
    return false;
  }
  void Repaired(telemetry::Reason reason) {
    if (!was_repaired_) first_repair_ = reason;
    was_repaired_ = true;
  }

  telemetry::AttributeTable* table_;
  telemetry::Interner* strings_;
  const Limits& limits_;
  size_t count_ = 0;
  bool was_repaired_ = false;
  telemetry::Reason first_repair_{};
};

}  // namespace tomograph::ingest
