// The JSON texts inside of rows: attributes, labels, span events and links, both ways.
//
// What JSON cannot say is lost on the way back: bytes come back as base64 text, non-finite numbers
// as text
// ("NaN"), and a whole double (1.0) as an integer. Invalid UTF-8 was replaced on the way in.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "telemetry/batch.h"

namespace tomograph::store {

using TextPairs = std::vector<std::pair<telemetry::StringId, telemetry::StringId>>;

void AppendPairs(const TextPairs& pairs, const telemetry::Interner& strings, std::string* out);

/// [{"time_ns":1,"name":"exception","attributes":{}}] of the events [from, to).
void AppendSpanEvents(const telemetry::SpanBatch::Events& events, size_t from, size_t to,
                      const telemetry::Interner& strings, std::string* out);
/// [{"trace_id":"<32 hex>","span_id":"<16 hex>"}] of the links [from, to).
void AppendSpanLinks(const telemetry::SpanBatch::Links& links, size_t from, size_t to,
                     std::string* out);

/// Reads them back. Not thread-safe; keeps its buffers. A text that is not JSON (an attribute that
/// was sent as raw JSON and is none) gives no pairs but one, "unreadable", with the text as it is.
class RowJsonReader {
 public:
  explicit RowJsonReader(telemetry::Interner* strings);
  ~RowJsonReader();

  TextPairs Pairs(std::string_view json);
  /// Adds one row to `out`.
  void Attributes(std::string_view json, telemetry::AttributeTable* out);
  void SpanEvents(std::string_view json, uint32_t span, telemetry::SpanBatch::Events* out);
  void SpanLinks(std::string_view json, uint32_t span, telemetry::SpanBatch::Links* out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::store
