#include "ingest/jaeger/jaeger_decoder.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ingest/attribute_writer.h"
#include "ingest/json_splitter.h"
#include "ingest/tally.h"

namespace tomograph::ingest::jaeger {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;
using telemetry::Batch;
using telemetry::Format;
using telemetry::Reason;
using telemetry::ResourceId;
using telemetry::SpanKind;
using telemetry::SpanStatus;
using telemetry::TraceId;
using telemetry::ValueType;

constexpr double kMaxNanos = 9.2e18;
constexpr size_t kRecordsPerTrace = 16;  // a trace may be this many times one record's limit

std::string_view TextOf(const object& o, std::string_view key) {
  std::string_view text;
  return o[key].get(text) == simdjson::SUCCESS ? text : std::string_view();
}

bool ToInteger(const element& value, int64_t* number) {
  if (value.get(*number) == simdjson::SUCCESS) return true;
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

bool IntegerOf(const object& o, std::string_view key, int64_t* number) {
  element value;
  return o[key].get(value) == simdjson::SUCCESS && ToInteger(value, number);
}

/// Jaeger leaves out leading zeros of ids.
bool ParseHex(std::string_view hex, size_t digits, TraceId* id) {
  if (hex.empty() || hex.size() > digits) return false;
  *id = {};
  for (const char c : hex) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return false;
    id->hi = id->hi << 4 | id->lo >> 60;
    id->lo = id->lo << 4 | static_cast<uint64_t>(digit);
  }
  return !id->empty();
}

bool ParseSpanHex(std::string_view hex, uint64_t* id) {
  TraceId wide;
  if (!ParseHex(hex, 16, &wide)) return false;
  *id = wide.lo;
  return true;
}

bool FromMicros(int64_t micros, Nanos* time) {
  return !__builtin_mul_overflow(micros, kMicrosecond, time);
}

/// Jaeger writes whole microseconds, others fractions of them.
bool LengthOf(const element& micros, Nanos* length) {
  int64_t whole = 0;
  if (ToInteger(micros, &whole)) return FromMicros(whole, length);
  double number = 0;
  if (micros.get(number) != simdjson::SUCCESS) {
    std::string_view text;
    if (micros.get(text) != simdjson::SUCCESS) return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return false;
  }
  number *= static_cast<double>(kMicrosecond);
  if (!(std::abs(number) < kMaxNanos)) return false;
  *length = std::llround(number);
  return true;
}

SpanKind KindOf(std::string_view text) {
  if (text == "server") return SpanKind::kServer;
  if (text == "client") return SpanKind::kClient;
  if (text == "producer") return SpanKind::kProducer;
  if (text == "consumer") return SpanKind::kConsumer;
  if (text == "internal") return SpanKind::kInternal;
  return SpanKind::kUnspecified;
}

bool IsTrue(const element& value) {
  bool yes = false;
  std::string_view text;
  if (value.get(yes) == simdjson::SUCCESS) return yes;
  return value.get(text) == simdjson::SUCCESS && (text == "true" || text == "1");
}

/// The two forms of tags: [{key, type, value}] and, from search engines, {"key": value} with '@'
/// for '.'.
template <typename OnTag>
void ForEachTag(const object& owner, std::string_view list_key, std::string_view map_key,
                OnTag&& on_tag) {
  array list;
  if (owner[list_key].get(list) == simdjson::SUCCESS) {
    for (const element item : list) {
      object tag;
      element value;
      if (item.get(tag) != simdjson::SUCCESS || tag["value"].get(value) != simdjson::SUCCESS)
        continue;
      on_tag(TextOf(tag, "key"), TextOf(tag, "type"), value);
    }
  }
  object map;
  if (!map_key.empty() && owner[map_key].get(map) == simdjson::SUCCESS) {
    for (const auto& [name, value] : map) {
      std::string key(name);
      std::replace(key.begin(), key.end(), '@', '.');
      on_tag(std::string_view(key), std::string_view(), value);
    }
  }
}

void AddTag(std::string_view key, std::string_view type, const element& value,
            AttributeWriter* out) {
  if (key.empty()) return;
  bool flag;
  int64_t integer;
  double real;
  std::string_view text;
  if (value.get(flag) == simdjson::SUCCESS) return out->Bool(key, flag);
  if ((type == "int64" || !value.is_string()) && ToInteger(value, &integer))
    return out->Int(key, integer);
  if (value.get(real) == simdjson::SUCCESS) return out->Double(key, real);
  if (value.get(text) != simdjson::SUCCESS)
    return out->Text(key, simdjson::minify(value), ValueType::kJson);
  // Binary values are base64 in this JSON already, and stay that text.
  out->Text(key, text);
}

/// Writes the spans of one JSON document into a batch.
class DocumentReader {
 public:
  DocumentReader(const DecodeContext& context, Batch* batch, Tally* tally)
      : context_(context), strings_(context.identities->strings), batch_(batch), tally_(tally) {}

  /// False when it holds no spans at all.
  bool Read(const object& document) {
    array spans;
    object span;
    if (document["spans"].get(spans) == simdjson::SUCCESS) {
      ReadProcesses(document);
      for (const element item : spans) {
        tally_->Received();
        if (item.get(span) == simdjson::SUCCESS) {
          ReadSpan(span);
        } else {
          tally_->Lose(Reason::kMalformed);
        }
      }
      return true;
    }
    if (document["spanID"].error() != simdjson::SUCCESS) return false;
    tally_->Received();
    ReadSpan(document);
    return true;
  }

 private:
  void ReadProcesses(const object& trace) {
    object processes;
    if (trace["processes"].get(processes) != simdjson::SUCCESS) return;
    for (const auto& [id, value] : processes) {
      object process;
      if (value.get(process) == simdjson::SUCCESS) processes_.emplace(id, FindResource(&process));
    }
  }

  /// `process` is null when a span names none.
  ResourceId FindResource(const object* process) {
    const std::string bytes = process == nullptr ? "" : simdjson::minify(*process);
    return context_.identities->resources.FindOrAdd(
        telemetry::FingerprintOf(bytes, static_cast<uint64_t>(Format::kJaeger)), [&] {
          telemetry::Resource resource;
          if (process != nullptr) ReadProcess(*process, &resource);
          if (context_.complete_resource) context_.complete_resource(&resource);
          return resource;
        });
  }

  void ReadProcess(const object& process, telemetry::Resource* resource) {
    const telemetry::Share sender = telemetry::ShareOf(TextOf(process, "serviceName"));
    const auto add = [&](std::string_view key, std::string_view value) {
      if (key.empty() || resource->attributes.size() >= context_.limits.max_attributes) return;
      resource->attributes.emplace_back(
          strings_.Intern(key, sender),
          strings_.Intern(telemetry::CutText(value, context_.limits.max_text_bytes), sender));
    };
    add("service.name", TextOf(process, "serviceName"));
    ForEachTag(process, "tags", "tag",
               [&](std::string_view key, std::string_view, const element& value) {
                 std::string_view text;
                 if (value.get(text) == simdjson::SUCCESS) {
                   add(key, text);
                 } else {
                   add(key, std::string(simdjson::minify(value)));
                 }
               });
  }

  void ReadSpan(const object& span) {
    TraceId trace_id;
    uint64_t span_id = 0;
    if (!ParseHex(TextOf(span, "traceID"), 32, &trace_id) ||
        !ParseSpanHex(TextOf(span, "spanID"), &span_id))
      return tally_->Lose(Reason::kMissingId);
    int64_t start_us = 0;
    Nanos start = 0;
    Nanos duration = 0;
    Nanos end = 0;
    if (!IntegerOf(span, "startTime", &start_us) || start_us == 0 || !FromMicros(start_us, &start))
      return tally_->Lose(Reason::kBadTime);
    element took;  // a span without a duration is a point in time
    const bool has_duration = span["duration"].get(took) == simdjson::SUCCESS && !took.is_null();
    if ((has_duration && !LengthOf(took, &duration)) ||
        __builtin_add_overflow(start, duration, &end))
      return tally_->Lose(Reason::kBadTime);
    const ResourceId resource = ResourceOf(span);
    if (resource == telemetry::kNoResource) return tally_->Lose(Reason::kResourceLimit);

    telemetry::SpanBatch& out = batch_->spans;
    const uint32_t row = static_cast<uint32_t>(out.rows());
    out.trace_id.push_back(trace_id);
    out.span_id.push_back(span_id);
    bool too_many_links = false;
    out.parent_span_id.push_back(ReadReferences(span, trace_id, row, &too_many_links));
    out.start_ns.push_back(start);
    out.end_ns.push_back(std::max(start, end));
    out.resource.push_back(resource);
    out.name.push_back(strings_.Intern(
        telemetry::CutText(TextOf(span, "operationName"), context_.limits.max_text_bytes),
        context_.identities->resources.Get(resource).share));
    std::optional<Reason> repaired = ReadTags(span);
    const std::optional<Reason> events_repaired = ReadLogs(span, row);
    if (!repaired) repaired = events_repaired;
    if (!repaired && too_many_links) repaired = Reason::kTooManyLinks;
    if (out.name[row] == telemetry::kOverflow) repaired = Reason::kNameLimit;
    if (end < start) repaired = Reason::kNegativeDuration;
    if (repaired) {
      tally_->Lose(*repaired);
    } else {
      tally_->Keep();
    }
  }

  ResourceId ResourceOf(const object& span) {
    object process;
    if (span["process"].get(process) == simdjson::SUCCESS) return FindResource(&process);
    const auto known = processes_.find(TextOf(span, "processID"));
    if (known != processes_.end()) return known->second;
    return FindResource(nullptr);
  }

  /// The parent's id (0: none); all other references become links.
  uint64_t ReadReferences(const object& span, const TraceId& trace_id, uint32_t row,
                          bool* too_many) {
    uint64_t parent = 0;
    size_t links = 0;
    array references;
    if (span["references"].get(references) == simdjson::SUCCESS) {
      for (const element item : references) {
        object reference;
        TraceId other;
        uint64_t id = 0;
        if (item.get(reference) != simdjson::SUCCESS ||
            !ParseHex(TextOf(reference, "traceID"), 32, &other) ||
            !ParseSpanHex(TextOf(reference, "spanID"), &id))
          continue;
        if (parent == 0 && TextOf(reference, "refType") == "CHILD_OF" && other == trace_id) {
          parent = id;
        } else if (links++ >= context_.limits.max_links) {
          *too_many = true;
        } else {
          batch_->spans.links.span.push_back(row);
          batch_->spans.links.trace_id.push_back(other);
          batch_->spans.links.span_id.push_back(id);
        }
      }
    }
    if (parent == 0) (void)ParseSpanHex(TextOf(span, "parentSpanID"), &parent);
    return parent;
  }

  /// Tags that OTLP has fields for go there, the rest are attributes.
  std::optional<Reason> ReadTags(const object& span) {
    SpanKind kind = SpanKind::kUnspecified;
    SpanStatus status = SpanStatus::kUnset;
    std::string_view trace_state;
    AttributeWriter attributes(&batch_->spans.attributes, &strings_, context_.limits);
    ForEachTag(span, "tags", "tag",
               [&](std::string_view key, std::string_view type, const element& value) {
                 std::string_view text;
                 if (value.is_string()) text = value.get_string().value_unsafe();
                 if (key == "span.kind") {
                   kind = KindOf(text);
                 } else if (key == "error") {
                   if (IsTrue(value)) status = SpanStatus::kError;
                 } else if (key == "otel.status_code") {
                   if (text == "ERROR") status = SpanStatus::kError;
                   if (text == "OK" && status == SpanStatus::kUnset) status = SpanStatus::kOk;
                 } else if (key == "w3c.tracestate") {
                   trace_state = text;
                 } else {
                   AddTag(key, type, value, &attributes);
                 }
               });
    batch_->spans.kind.push_back(kind);
    batch_->spans.status.push_back(status);
    batch_->spans.trace_state.push_back(strings_.Intern(trace_state));
    return attributes.EndRow();
  }

  std::optional<Reason> ReadLogs(const object& span, uint32_t row) {
    std::optional<Reason> repaired;
    array logs;
    if (span["logs"].get(logs) != simdjson::SUCCESS) return repaired;
    telemetry::SpanBatch::Events& events = batch_->spans.events;
    for (const element item : logs) {
      object log;
      int64_t micros = 0;
      Nanos time = 0;
      if (item.get(log) != simdjson::SUCCESS) continue;
      if (!IntegerOf(log, "timestamp", &micros) || !FromMicros(micros, &time))
        time = batch_->spans.start_ns.back();
      std::string_view name = "log";
      AttributeWriter attributes(&events.attributes, &strings_, context_.limits);
      ForEachTag(log, "fields", "",
                 [&](std::string_view key, std::string_view type, const element& value) {
                   if (key == "event" && value.get(name) == simdjson::SUCCESS) return;
                   AddTag(key, type, value, &attributes);
                 });
      events.span.push_back(row);
      events.time_ns.push_back(time);
      events.name.push_back(
          strings_.Intern(telemetry::CutText(name, context_.limits.max_text_bytes)));
      const std::optional<Reason> here = attributes.EndRow();
      if (!repaired) repaired = here;
    }
    return repaired;
  }

  const DecodeContext& context_;
  telemetry::Interner& strings_;
  Batch* batch_;
  Tally* tally_;
  std::map<std::string_view, ResourceId> processes_;
};

class JaegerDecoder : public StreamDecoder {
 public:
  explicit JaegerDecoder(DecodeContext context)
      : context_(std::move(context)),
        documents_(context_.limits.max_record_bytes * kRecordsPerTrace, "data"),
        tally_(context_.ledger, Format::kJaeger, telemetry::Signal::kSpan) {}

  Status Push(ByteView chunk, const BatchSink& sink) override {
    documents_.Push(chunk,
                    [&](JsonSplitter::Found f, ByteView text) { OnDocument(f, text, sink); });
    return Status::Ok();
  }

  Status Finish(const BatchSink& sink) override {
    documents_.Finish([&](JsonSplitter::Found f, ByteView text) { OnDocument(f, text, sink); });
    HandOut(sink);
    return Status::Ok();
  }
  DamagedLines TakeDamaged() override { return std::exchange(damaged_, {}); }

 private:
  void OnDocument(JsonSplitter::Found found, ByteView text, const BatchSink& sink) {
    if (found == JsonSplitter::Found::kTooLarge)
      return CountLostMessage(context_.ledger, Format::kJaeger, Reason::kTooLarge);
    object document;
    const bool readable =
        found == JsonSplitter::Found::kObject &&
        parser_.parse(text.data(), text.size()).get(document) == simdjson::SUCCESS;
    if (!readable || !DocumentReader(context_, &batch_, &tally_).Read(document)) {
      damaged_.Add(documents_.line(), readable ? "no trace" : "no JSON object");
      return CountLostMessage(context_.ledger, Format::kJaeger, Reason::kMalformed);
    }
    tally_.Commit();
    if (batch_.rows() >= context_.limits.rows_per_batch) HandOut(sink);
  }

  void HandOut(const BatchSink& sink) {
    if (batch_.rows() == 0) return;
    batch_.origin.format = Format::kJaeger;
    batch_.origin.received_ns = context_.clock->Now();
    sink(std::move(batch_));
    batch_ = Batch();
  }

  const DecodeContext context_;
  JsonSplitter documents_;
  DamagedLines damaged_;
  simdjson::dom::parser parser_;
  Tally tally_;
  Batch batch_;
};

}  // namespace

std::unique_ptr<StreamDecoder> NewJaegerDecoder(DecodeContext context) {
  return std::make_unique<JaegerDecoder>(std::move(context));
}

}  // namespace tomograph::ingest::jaeger
