#include <algorithm>
#include <vector>

#include "ingest/otlp/signals.h"
#include "ingest/otlp/wire.h"

namespace tomograph::ingest::otlp {

using telemetry::Reason;
using telemetry::SpanBatch;
using telemetry::SpanKind;
using telemetry::SpanStatus;

namespace {

/// One span as it lies in the request. A span is appended only when all of it has been seen, since
/// fields come in any order and a row of attributes cannot be taken back.
struct RawSpan {
  ByteView trace_id, span_id, parent_span_id, name, trace_state, status;
  uint64_t start = 0, end = 0;
  int32_t kind = 0;
  std::vector<ByteView> attributes, events, links;

  void Clear() {
    trace_id = span_id = parent_span_id = name = trace_state = status = {};
    start = end = 0;
    kind = 0;
    attributes.clear();
    events.clear();
    links.clear();
  }
};

class TraceDecoder {
 public:
  TraceDecoder(Pass* pass, SpanBatch* spans)
      : pass_(*pass),
        values_(pass->values),
        spans_(*spans),
        status_key_(pass->context.identities->strings.Intern("otel.status_description")) {}

  void Request(ByteView request) {
    protozero::pbf_reader reader = Reader(request);
    while (reader.next(1, protozero::pbf_wire_type::length_delimited)) {
      const ByteView block = View(reader);
      resource_ = FindResource(block, &pass_).resource;
      protozero::pbf_reader scopes = Reader(block);
      while (scopes.next(2, protozero::pbf_wire_type::length_delimited)) Scope(View(scopes));
    }
  }

 private:
  void Scope(ByteView scope) {
    protozero::pbf_reader reader = Reader(scope);
    while (reader.next(2, protozero::pbf_wire_type::length_delimited)) Span(View(reader));
  }

  void Span(ByteView bytes) {
    pass_.tally.Received();
    if (pass_.TooLarge(bytes)) return pass_.tally.Drop(Reason::kTooLarge);
    Read(bytes);
    if (!pass_.Take(raw_.attributes.size() + raw_.events.size() + raw_.links.size()))
      return pass_.tally.Drop(Reason::kTooLarge);
    if (resource_ == telemetry::kNoResource) return pass_.tally.Drop(Reason::kResourceLimit);
    const telemetry::TraceId trace_id = ReadTraceId(raw_.trace_id);
    const uint64_t span_id = ReadSpanId(raw_.span_id);
    if (trace_id.empty() || span_id == 0) return pass_.tally.Drop(Reason::kMissingId);
    const std::optional<Nanos> start = ReadTime(raw_.start);
    std::optional<Nanos> end = ReadTime(raw_.end);
    if (!start || *start == 0 || !end) return pass_.tally.Drop(Reason::kBadTime);

    Repairs repairs;
    if (*end < *start) {
      repairs.Note(Reason::kNegativeDuration);
      end = start;
    }
    spans_.trace_id.push_back(trace_id);
    spans_.span_id.push_back(span_id);
    spans_.parent_span_id.push_back(ReadSpanId(raw_.parent_span_id));
    spans_.start_ns.push_back(*start);
    spans_.end_ns.push_back(*end);
    spans_.kind.push_back(raw_.kind >= 0 && raw_.kind <= 5 ? static_cast<SpanKind>(raw_.kind)
                                                           : SpanKind::kUnspecified);
    spans_.resource.push_back(resource_);
    spans_.name.push_back(values_.Intern(raw_.name, &repairs));
    spans_.trace_state.push_back(values_.Intern(raw_.trace_state, &repairs));
    values_.AddPairs(raw_.attributes, &spans_.attributes, &repairs);
    spans_.status.push_back(Status(&repairs));
    spans_.attributes.EndRow();
    const uint32_t row = static_cast<uint32_t>(spans_.rows() - 1);
    for (const ByteView event : raw_.events) Event(event, row, *start, &repairs);
    const size_t links = std::min(raw_.links.size(), pass_.context.limits.max_links);
    if (links < raw_.links.size()) repairs.Note(Reason::kTooManyLinks);
    for (size_t i = 0; i < links; ++i) Link(raw_.links[i], row);
    pass_.tally.Keep(repairs);
  }

  void Read(ByteView bytes) {
    raw_.Clear();
    protozero::pbf_reader reader = Reader(bytes);
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case Bytes(1):
          raw_.trace_id = View(reader);
          break;
        case Bytes(2):
          raw_.span_id = View(reader);
          break;
        case Bytes(3):
          raw_.trace_state = View(reader);
          break;
        case Bytes(4):
          raw_.parent_span_id = View(reader);
          break;
        case Bytes(5):
          raw_.name = View(reader);
          break;
        case Varint(6):
          raw_.kind = reader.get_enum();
          break;
        case Fixed64(7):
          raw_.start = reader.get_fixed64();
          break;
        case Fixed64(8):
          raw_.end = reader.get_fixed64();
          break;
        case Bytes(9):
          raw_.attributes.push_back(View(reader));
          break;
        case Bytes(11):
          raw_.events.push_back(View(reader));
          break;
        case Bytes(13):
          raw_.links.push_back(View(reader));
          break;
        case Bytes(15):
          raw_.status = View(reader);
          break;
        default:
          reader.skip();
      }
    }
  }

  /// The message of a status has no column; it becomes an attribute under its conventional name.
  SpanStatus Status(Repairs* repairs) {
    int32_t code = 0;
    ByteView message;
    protozero::pbf_reader reader = Reader(raw_.status);
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case Bytes(2):
          message = View(reader);
          break;
        case Varint(3):
          code = reader.get_enum();
          break;
        default:
          reader.skip();
      }
    }
    if (!message.empty()) {
      spans_.attributes.AddText(
          status_key_, values_.Text(message, pass_.context.limits.max_text_bytes, repairs));
    }
    return code >= 0 && code <= 2 ? static_cast<SpanStatus>(code) : SpanStatus::kUnset;
  }

  void Event(ByteView bytes, uint32_t row, Nanos span_start, Repairs* repairs) {
    uint64_t time = 0;
    ByteView name;
    pairs_.clear();
    protozero::pbf_reader reader = Reader(bytes);
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case Fixed64(1):
          time = reader.get_fixed64();
          break;
        case Bytes(2):
          name = View(reader);
          break;
        case Bytes(3):
          pairs_.push_back(View(reader));
          break;
        default:
          reader.skip();
      }
    }
    if (!pass_.Take(pairs_.size())) {
      pairs_.clear();
      repairs->Note(Reason::kTooManyAttributes);
    }
    const std::optional<Nanos> at = ReadTime(time);
    const bool usable = at && *at != 0;
    if (!usable) repairs->Note(Reason::kTimeFromObserved);
    spans_.events.span.push_back(row);
    spans_.events.time_ns.push_back(usable ? *at : span_start);
    spans_.events.name.push_back(values_.Intern(name, repairs));
    values_.AddRow(pairs_, &spans_.events.attributes, repairs);
  }

  void Link(ByteView bytes, uint32_t row) {
    telemetry::TraceId trace_id;
    uint64_t span_id = 0;
    protozero::pbf_reader reader = Reader(bytes);
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case Bytes(1):
          trace_id = ReadTraceId(View(reader));
          break;
        case Bytes(2):
          span_id = ReadSpanId(View(reader));
          break;
        default:
          reader.skip();
      }
    }
    if (trace_id.empty() || span_id == 0) return;  // links to nothing
    spans_.links.span.push_back(row);
    spans_.links.trace_id.push_back(trace_id);
    spans_.links.span_id.push_back(span_id);
  }

  Pass& pass_;
  Values& values_;
  SpanBatch& spans_;
  const telemetry::StringId status_key_;
  telemetry::ResourceId resource_ = telemetry::kNoResource;
  RawSpan raw_;
  std::vector<ByteView> pairs_;
};

}  // namespace

void DecodeTraces(ByteView request, Pass* pass, SpanBatch* spans) {
  TraceDecoder(pass, spans).Request(request);
}

}  // namespace tomograph::ingest::otlp
