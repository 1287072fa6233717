#include <algorithm>
#include <string_view>
#include <vector>

#include "ingest/otlp/signals.h"
#include "ingest/otlp/wire.h"

namespace tomograph::ingest::otlp {

using telemetry::LogBatch;
using telemetry::Reason;
using telemetry::Severity;

namespace {

/// The numbers 1..24 are six severities in four grades each.
Severity FromNumber(int32_t number) {
  if (number < 1 || number > 24) return Severity::kUnknown;
  return static_cast<Severity>(1 + 4 * ((number - 1) / 4));
}

/// Senders that set no number have mostly a text.
Severity FromText(std::string_view text) {
  struct Word {
    std::string_view start;
    Severity severity;
  };
  static constexpr Word kWords[] = {
      {"trace", Severity::kTrace}, {"debug", Severity::kDebug},    {"info", Severity::kInfo},
      {"notice", Severity::kInfo}, {"warn", Severity::kWarn},      {"err", Severity::kError},
      {"fatal", Severity::kFatal}, {"critical", Severity::kFatal}, {"emerg", Severity::kFatal},
      {"panic", Severity::kFatal}, {"alert", Severity::kFatal}};
  for (const Word& word : kWords) {
    const bool same =
        text.size() >= word.start.size() &&
        std::equal(word.start.begin(), word.start.end(), text.begin(),
                   [](char low, char c) { return low == (c >= 'A' && c <= 'Z' ? c + 32 : c); });
    if (same) return word.severity;
  }
  return Severity::kUnknown;
}

struct RawLog {
  uint64_t time = 0, observed = 0;
  int32_t severity = 0;
  ByteView severity_text, body, trace_id, span_id, event_name;
};

class LogDecoder {
 public:
  LogDecoder(Pass* pass, LogBatch* logs) : pass_(*pass), values_(pass->values), logs_(*logs) {}

  void Request(ByteView request) {
    protozero::pbf_reader reader = Reader(request);
    while (reader.next(1, protozero::pbf_wire_type::length_delimited)) {
      const ByteView block = View(reader);
      resource_ = FindResource(block, &pass_).resource;
      protozero::pbf_reader scopes = Reader(block);
      while (scopes.next(2, protozero::pbf_wire_type::length_delimited)) {
        protozero::pbf_reader records = Reader(View(scopes));
        while (records.next(2, protozero::pbf_wire_type::length_delimited)) Record(View(records));
      }
    }
  }

 private:
  void Record(ByteView bytes) {
    pass_.tally.Received();
    if (pass_.TooLarge(bytes)) return pass_.tally.Drop(Reason::kTooLarge);
    const RawLog raw = Read(bytes);
    const Limits& limits = pass_.context.limits;
    if (!pass_.Take(pairs_.size())) return pass_.tally.Drop(Reason::kTooLarge);
    if (resource_ == telemetry::kNoResource) return pass_.tally.Drop(Reason::kResourceLimit);
    Repairs repairs;
    const std::optional<Nanos> time = Time(raw, &repairs);
    if (!time) return pass_.tally.Drop(Reason::kBadTime);

    logs_.time_ns.push_back(*time);
    logs_.observed_ns.push_back(ReadTime(raw.observed).value_or(0));
    const Severity severity = FromNumber(raw.severity);
    logs_.severity.push_back(severity == Severity::kUnknown ? FromText(raw.severity_text)
                                                            : severity);
    logs_.resource.push_back(resource_);
    logs_.trace_id.push_back(ReadTraceId(raw.trace_id));
    logs_.span_id.push_back(ReadSpanId(raw.span_id));
    logs_.event_name.push_back(values_.Intern(raw.event_name, &repairs));
    logs_.bodies += values_.AnyText(raw.body, limits.max_body_bytes, &repairs);
    logs_.body_end.push_back(logs_.bodies.size());
    values_.AddRow(pairs_, &logs_.attributes, &repairs);
    pass_.tally.Keep(repairs);
  }

  RawLog Read(ByteView bytes) {
    RawLog raw;
    pairs_.clear();
    protozero::pbf_reader reader = Reader(bytes);
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case Fixed64(1):
          raw.time = reader.get_fixed64();
          break;
        case Varint(2):
          raw.severity = reader.get_enum();
          break;
        case Bytes(3):
          raw.severity_text = View(reader);
          break;
        case Bytes(5):
          raw.body = View(reader);
          break;
        case Bytes(6):
          pairs_.push_back(View(reader));
          break;
        case Bytes(9):
          raw.trace_id = View(reader);
          break;
        case Bytes(10):
          raw.span_id = View(reader);
          break;
        case Fixed64(11):
          raw.observed = reader.get_fixed64();
          break;
        case Bytes(12):
          raw.event_name = View(reader);
          break;
        default:
          reader.skip();
      }
    }
    return raw;
  }

  /// Its own time, else when it was observed, else now (which recordings do not have: 0).
  std::optional<Nanos> Time(const RawLog& raw, Repairs* repairs) const {
    const std::optional<Nanos> own = ReadTime(raw.time);
    if (!own || *own > 0) return own;
    repairs->Note(Reason::kTimeFromObserved);
    const std::optional<Nanos> observed = ReadTime(raw.observed);
    if (observed && *observed > 0) return observed;
    const Nanos now = pass_.context.clock->Now();
    return now > 0 ? std::optional<Nanos>(now) : std::nullopt;
  }

  Pass& pass_;
  Values& values_;
  LogBatch& logs_;
  telemetry::ResourceId resource_ = telemetry::kNoResource;
  std::vector<ByteView> pairs_;
};

}  // namespace

void DecodeLogs(ByteView request, Pass* pass, LogBatch* logs) {
  LogDecoder(pass, logs).Request(request);
}

}  // namespace tomograph::ingest::otlp
