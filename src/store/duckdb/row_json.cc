#include "store/duckdb/row_json.h"

#include <simdjson.h>

namespace tomograph::store {

using simdjson::dom::element;
using simdjson::dom::element_type;
using telemetry::AttributeTable;
using telemetry::StringId;
using telemetry::ValueType;

void AppendPairs(const TextPairs& pairs, const telemetry::Interner& strings, std::string* out) {
  *out += '{';
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (i > 0) *out += ',';
    telemetry::AppendJsonString(strings.Get(pairs[i].first), out);
    *out += ':';
    telemetry::AppendJsonString(strings.Get(pairs[i].second), out);
  }
  *out += '}';
}

void AppendSpanEvents(const telemetry::SpanBatch::Events& events, size_t from, size_t to,
                      const telemetry::Interner& strings, std::string* out) {
  *out += '[';
  for (size_t i = from; i < to; ++i) {
    if (i > from) *out += ',';
    *out += "{\"time_ns\":" + std::to_string(events.time_ns[i]) + ",\"name\":";
    telemetry::AppendJsonString(strings.Get(events.name[i]), out);
    *out += ",\"attributes\":";
    events.attributes.AppendJson(i, strings, out);
    *out += '}';
  }
  *out += ']';
}

void AppendSpanLinks(const telemetry::SpanBatch::Links& links, size_t from, size_t to,
                     std::string* out) {
  *out += '[';
  for (size_t i = from; i < to; ++i) {
    if (i > from) *out += ',';
    *out += "{\"trace_id\":\"" + telemetry::ToHex(links.trace_id[i]) + "\",\"span_id\":\"" +
            telemetry::SpanIdToHex(links.span_id[i]) + "\"}";
  }
  *out += ']';
}

struct RowJsonReader::Impl {
  explicit Impl(telemetry::Interner* interner) : strings(interner) {}

  telemetry::Interner* const strings;
  simdjson::dom::parser parser;

  bool Parse(std::string_view json, element* out) {
    return parser.parse(json.data(), json.size()).get(*out) == simdjson::SUCCESS;
  }
  void AddValue(StringId key, element value, AttributeTable* out);
  void AddRow(simdjson::dom::object object, AttributeTable* out);
};

RowJsonReader::RowJsonReader(telemetry::Interner* strings) : impl_(new Impl(strings)) {}
RowJsonReader::~RowJsonReader() = default;

void RowJsonReader::Impl::AddValue(StringId key, element value, AttributeTable* out) {
  switch (value.type()) {
    case element_type::STRING:
      return out->AddText(key, value.get_string().value_unsafe());
    case element_type::INT64:
      return out->AddInt(key, value.get_int64().value_unsafe());
    case element_type::UINT64:  // beyond int64: only a double of this size was written so
      return out->AddDouble(key, static_cast<double>(value.get_uint64().value_unsafe()));
    case element_type::DOUBLE:
      return out->AddDouble(key, value.get_double().value_unsafe());
    case element_type::BOOL:
      return out->AddBool(key, value.get_bool().value_unsafe());
    default:
      return out->AddText(key, simdjson::minify(value), ValueType::kJson);
  }
}

void RowJsonReader::Impl::AddRow(simdjson::dom::object object, AttributeTable* out) {
  for (auto field : object) AddValue(strings->Intern(field.key), field.value, out);
  out->EndRow();
}

TextPairs RowJsonReader::Pairs(std::string_view json) {
  TextPairs pairs;
  element root;
  simdjson::dom::object object;
  if (!impl_->Parse(json, &root) || root.get(object) != simdjson::SUCCESS) return pairs;
  for (auto field : object) {
    std::string_view value;
    if (field.value.get(value) != simdjson::SUCCESS) continue;
    pairs.emplace_back(impl_->strings->Intern(field.key), impl_->strings->Intern(value));
  }
  return pairs;
}

void RowJsonReader::Attributes(std::string_view json, AttributeTable* out) {
  if (json.empty() || json == "{}") return out->EndRow();
  element root;
  simdjson::dom::object object;
  if (impl_->Parse(json, &root) && root.get(object) == simdjson::SUCCESS) {
    return impl_->AddRow(object, out);
  }
  out->AddText(impl_->strings->Intern("unreadable"), json);
  out->EndRow();
}

void RowJsonReader::SpanEvents(std::string_view json, uint32_t span,
                               telemetry::SpanBatch::Events* out) {
  element root;
  simdjson::dom::array array;
  if (json.empty() || !impl_->Parse(json, &root) || root.get(array) != simdjson::SUCCESS) return;
  for (element event : array) {
    int64_t time = 0;
    std::string_view name;
    simdjson::dom::object attributes;
    if (event["time_ns"].get(time) != simdjson::SUCCESS) continue;
    if (event["name"].get(name) != simdjson::SUCCESS) continue;
    if (event["attributes"].get(attributes) != simdjson::SUCCESS) continue;
    out->span.push_back(span);
    out->time_ns.push_back(time);
    out->name.push_back(impl_->strings->Intern(name));
    impl_->AddRow(attributes, &out->attributes);
  }
}

void RowJsonReader::SpanLinks(std::string_view json, uint32_t span,
                              telemetry::SpanBatch::Links* out) {
  element root;
  simdjson::dom::array array;
  if (json.empty() || !impl_->Parse(json, &root) || root.get(array) != simdjson::SUCCESS) return;
  for (element link : array) {
    std::string_view trace_hex, span_hex;
    telemetry::TraceId trace_id;
    uint64_t span_id = 0;
    if (link["trace_id"].get(trace_hex) != simdjson::SUCCESS) continue;
    if (link["span_id"].get(span_hex) != simdjson::SUCCESS) continue;
    // Empty ids are kept as they were sent.
    static_cast<void>(telemetry::ParseTraceId(trace_hex, &trace_id));
    static_cast<void>(telemetry::ParseSpanId(span_hex, &span_id));
    out->span.push_back(span);
    out->trace_id.push_back(trace_id);
    out->span_id.push_back(span_id);
  }
}

}  // namespace tomograph::store
