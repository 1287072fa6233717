// Builders of OTLP messages for tests, the fuzz corpora and the benchmark: each gives the bytes of
// one message, to be nested in the next. Not part of the product.
#pragma once

#include <initializer_list>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tomograph::ingest::otlp::test {

/// Appends fields by number; only what OTLP needs.
class Message {
 public:
  Message& Bytes(uint32_t field, std::string_view bytes) {
    Writer().add_bytes(field, bytes.data(), bytes.size());
    return *this;
  }
  Message& Fixed(uint32_t field, uint64_t value) {
    Writer().add_fixed64(field, value);
    return *this;
  }
  Message& Double(uint32_t field, double value) {
    Writer().add_double(field, value);
    return *this;
  }
  Message& Int(uint32_t field, uint64_t value) {
    Writer().add_uint64(field, value);
    return *this;
  }
  Message& Signed(uint32_t field, int32_t value) {
    Writer().add_sint32(field, value);
    return *this;
  }
  Message& PackedFixed(uint32_t field, std::vector<uint64_t> values) {
    Writer().add_packed_fixed64(field, values.begin(), values.end());
    return *this;
  }
  Message& PackedDouble(uint32_t field, std::vector<double> values) {
    Writer().add_packed_double(field, values.begin(), values.end());
    return *this;
  }
  Message& PackedInt(uint32_t field, std::vector<uint64_t> values) {
    Writer().add_packed_uint64(field, values.begin(), values.end());
    return *this;
  }
  Message& All(uint32_t field, const std::vector<std::string>& messages) {
    for (const std::string& m : messages) Bytes(field, m);
    return *this;
  }
  operator std::string() const { return bytes_; }  // NOLINT: reads like the message it is

 private:
  protozero::pbf_writer Writer() { return protozero::pbf_writer(bytes_); }
  std::string bytes_;
};

using Messages = std::vector<std::string>;

// AnyValue
inline std::string Str(std::string_view v) { return Message().Bytes(1, v); }
inline std::string Bool(bool v) { return Message().Int(2, v ? 1 : 0); }
inline std::string Int(int64_t v) { return Message().Int(3, static_cast<uint64_t>(v)); }
inline std::string Real(double v) { return Message().Double(4, v); }
inline std::string List(const Messages& values) {
  return Message().Bytes(5, std::string(Message().All(1, values)));
}
inline std::string Map(const Messages& pairs) {
  return Message().Bytes(6, std::string(Message().All(1, pairs)));
}
inline std::string Raw(std::string_view v) { return Message().Bytes(7, v); }

inline std::string Pair(std::string_view key, const std::string& any) {
  return Message().Bytes(1, key).Bytes(2, any);
}
inline std::string Pair(std::string_view key, const char* text) { return Pair(key, Str(text)); }

inline std::string Resource(const Messages& pairs) { return Message().All(1, pairs); }
inline std::string Scope(std::string_view name) { return Message().Bytes(1, name); }

/// ResourceSpans, ResourceMetrics and ResourceLogs look alike, and so do the requests.
inline std::string Block(const std::string& resource, const Messages& records,
                         std::string_view scope = "lib") {
  const std::string scope_block = Message().Bytes(1, Scope(scope)).All(2, records);
  return Message().Bytes(1, resource).Bytes(2, scope_block);
}
inline std::string Request(const Messages& blocks) { return Message().All(1, blocks); }

inline const std::string kTraceId =
    "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10";
inline const std::string kSpanId = "\x11\x12\x13\x14\x15\x16\x17\x18";
inline const std::string kParentId = "\x21\x22\x23\x24\x25\x26\x27\x28";
inline constexpr uint64_t kTime = 1'700'000'000'000'000'000;

struct SpanFields {
  std::string trace_id = kTraceId, span_id = kSpanId, parent_id = kParentId, name = "GET /cart",
              state;
  uint64_t kind = 2, start = kTime, end = kTime + 1'000'000;
  Messages attributes, events, links;
  std::string status;
};
inline std::string Span(const SpanFields& s) {
  return Message()
      .Bytes(1, s.trace_id)
      .Bytes(2, s.span_id)
      .Bytes(3, s.state)
      .Bytes(4, s.parent_id)
      .Bytes(5, s.name)
      .Int(6, s.kind)
      .Fixed(7, s.start)
      .Fixed(8, s.end)
      .All(9, s.attributes)
      .All(11, s.events)
      .All(13, s.links)
      .Bytes(15, s.status);
}
inline std::string Event(uint64_t time, std::string_view name, const Messages& pairs) {
  return Message().Fixed(1, time).Bytes(2, name).All(3, pairs);
}
inline std::string Link(std::string_view trace_id, std::string_view span_id) {
  return Message().Bytes(1, trace_id).Bytes(2, span_id);
}
inline std::string SpanStatusOf(uint64_t code, std::string_view message) {
  return Message().Bytes(2, message).Int(3, code);
}

inline std::string NumberPoint(double value, const Messages& pairs, uint64_t time = kTime) {
  return Message().Fixed(2, kTime - 60).Fixed(3, time).Double(4, value).All(7, pairs);
}
inline std::string IntPoint(int64_t value, const Messages& pairs) {
  return Message().Fixed(3, kTime).Fixed(6, static_cast<uint64_t>(value)).All(7, pairs);
}
inline std::string Gauge(std::string_view name, const Messages& points) {
  return Message().Bytes(1, name).Bytes(3, "1").Bytes(5, std::string(Message().All(1, points)));
}
inline std::string Sum(std::string_view name, uint64_t temporality, bool monotonic,
                       const Messages& points) {
  const std::string sum = Message().All(1, points).Int(2, temporality).Int(3, monotonic ? 1 : 0);
  return Message().Bytes(1, name).Bytes(3, "By").Bytes(7, sum);
}
inline std::string Histogram(std::string_view name, const Messages& points) {
  return Message().Bytes(1, name).Bytes(3, "s").Bytes(
      9, std::string(Message().All(1, points).Int(2, 2)));
}
inline std::string ExponentialHistogram(std::string_view name, const Messages& points) {
  return Message().Bytes(1, name).Bytes(3, "s").Bytes(
      10, std::string(Message().All(1, points).Int(2, 1)));
}
inline std::string Summary(std::string_view name, const Messages& points) {
  return Message().Bytes(1, name).Bytes(3, "ms").Bytes(11, std::string(Message().All(1, points)));
}

struct LogFields {
  uint64_t time = kTime, observed = kTime + 5;
  uint64_t severity = 9;
  std::string severity_text, body = Str("hello"), trace_id = kTraceId, span_id = kSpanId,
                             event_name;
  Messages attributes;
};
inline std::string Log(const LogFields& l) {
  return Message()
      .Fixed(1, l.time)
      .Int(2, l.severity)
      .Bytes(3, l.severity_text)
      .Bytes(5, l.body)
      .All(6, l.attributes)
      .Bytes(9, l.trace_id)
      .Bytes(10, l.span_id)
      .Fixed(11, l.observed)
      .Bytes(12, l.event_name);
}

}  // namespace tomograph::ingest::otlp::test
