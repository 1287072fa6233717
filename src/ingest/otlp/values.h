// Keys and values of OTLP: KeyValue and AnyValue bytes -> attributes, texts, labels. Holds the
// repairs of texts (length, UTF-8) and the limits of nesting. One a message; not thread-safe.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingest/decoder.h"
#include "ingest/otlp/record_tally.h"
#include "telemetry/attributes.h"
#include "telemetry/interner.h"

namespace tomograph::ingest::otlp {

class Values {
 public:
  Values(telemetry::Interner* strings, const Limits& limits) : strings_(strings), limits_(limits) {}

  /// Who pays for the names that come from now on.
  void set_sender(telemetry::Share sender) { sender_ = sender; }
  /// Interned; cut to the limit and repaired where it is not UTF-8. Cheap for what comes again.
  telemetry::StringId Intern(ByteView text, Repairs* repairs);
  /// As above, but not interned. Valid until the next call of anything here.
  std::string_view Text(ByteView text, size_t max_bytes, Repairs* repairs);

  /// Adds a row: one pair a KeyValue, up to the limit of attributes.
  void AddRow(const std::vector<ByteView>& key_values, telemetry::AttributeTable* table,
              Repairs* repairs);
  /// The same without closing the row.
  void AddPairs(const std::vector<ByteView>& key_values, telemetry::AttributeTable* table,
                Repairs* repairs);
  /// Key and value as text, for resources and series.
  std::pair<telemetry::StringId, telemetry::StringId> Label(ByteView key_value, Repairs* repairs);
  /// An AnyValue as text: strings as they are, numbers in decimals, lists and maps as JSON. Valid
  /// until the next call of anything here.
  std::string_view AnyText(ByteView any, size_t max_bytes, Repairs* repairs);

 private:
  struct Pair {
    ByteView key;
    ByteView value;
  };
  static Pair Split(ByteView key_value);
  void AddPair(ByteView key_value, telemetry::AttributeTable* table, Repairs* repairs);
  void AppendJson(ByteView any, int depth, std::string* out, Repairs* repairs);
  void AppendList(ByteView list, int depth, std::string* out, Repairs* repairs);
  void AppendMap(ByteView map, int depth, std::string* out, Repairs* repairs);

  telemetry::Interner* strings_;
  const Limits& limits_;
  telemetry::Share sender_ = telemetry::kOurselves;
  std::string json_;
  std::string repaired_;

  // Keys and span names come again all the time. Asking a small table of our own first saves most
  // of the interner's hashing.
  struct Known {
    std::string_view text;  // the interner's copy
    telemetry::StringId id = telemetry::kEmptyString;
  };
  std::array<Known, 256> known_{};
};

}  // namespace tomograph::ingest::otlp
