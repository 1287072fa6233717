#include "ingest/otlp/json_transcriber.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <protozero/pbf_writer.hpp>
#include <span>
#include <string>

#include "ingest/otlp/bad_text.h"
#include "ingest/otlp/base64.h"
#include "telemetry/batch.h"

namespace tomograph::ingest::otlp {

namespace dom = simdjson::dom;
using protozero::pbf_writer;
using telemetry::Signal;

namespace {

// ---------------------------------------------------------------------------------------------------
// The messages, as tables: JSON name (in snake_case), field number, how its value is written.

enum class Kind {
  kMessage,
  kString,
  kTraceId,
  kSpanId,
  kBase64,
  kBool,
  kInt,
  kSint,
  kFixed64,
  kDouble,
  kEnum
};

/// What is lost with a wrong value in it, since it cannot be meant without: the nearest record (a
/// span, a point, a log record), or group of records (with its resource, scope or metric). A part
/// belongs to what holds it.
enum class Role { kPart, kRecord, kGroup };

struct Field;
struct Message {
  std::span<const Field> fields;
  Role role = Role::kPart;
};
struct Field {
  std::string_view name;
  uint32_t number;
  Kind kind;
  const Message* message = nullptr;              // kMessage
  std::span<const std::string_view> words = {};  // kEnum: the names of 0, 1, 2, ...
};

constexpr std::string_view kSpanKinds[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL",
                                           "SPAN_KIND_SERVER",      "SPAN_KIND_CLIENT",
                                           "SPAN_KIND_PRODUCER",    "SPAN_KIND_CONSUMER"};
constexpr std::string_view kStatusCodes[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK",
                                             "STATUS_CODE_ERROR"};
constexpr std::string_view kTemporalities[] = {"AGGREGATION_TEMPORALITY_UNSPECIFIED",
                                               "AGGREGATION_TEMPORALITY_DELTA",
                                               "AGGREGATION_TEMPORALITY_CUMULATIVE"};
constexpr std::string_view kSeverities[] = {
    "SEVERITY_NUMBER_UNSPECIFIED", "SEVERITY_NUMBER_TRACE",  "SEVERITY_NUMBER_TRACE2",
    "SEVERITY_NUMBER_TRACE3",      "SEVERITY_NUMBER_TRACE4", "SEVERITY_NUMBER_DEBUG",
    "SEVERITY_NUMBER_DEBUG2",      "SEVERITY_NUMBER_DEBUG3", "SEVERITY_NUMBER_DEBUG4",
    "SEVERITY_NUMBER_INFO",        "SEVERITY_NUMBER_INFO2",  "SEVERITY_NUMBER_INFO3",
    "SEVERITY_NUMBER_INFO4",       "SEVERITY_NUMBER_WARN",   "SEVERITY_NUMBER_WARN2",
    "SEVERITY_NUMBER_WARN3",       "SEVERITY_NUMBER_WARN4",  "SEVERITY_NUMBER_ERROR",
    "SEVERITY_NUMBER_ERROR2",      "SEVERITY_NUMBER_ERROR3", "SEVERITY_NUMBER_ERROR4",
    "SEVERITY_NUMBER_FATAL",       "SEVERITY_NUMBER_FATAL2", "SEVERITY_NUMBER_FATAL3",
    "SEVERITY_NUMBER_FATAL4"};

extern const Message kAnyValue;

const Field kKeyValueFields[] = {{"key", 1, Kind::kString},
                                 {"value", 2, Kind::kMessage, &kAnyValue}};
const Message kKeyValue{kKeyValueFields};
const Field kArrayFields[] = {{"values", 1, Kind::kMessage, &kAnyValue}};
const Message kArray{kArrayFields};
const Field kMapFields[] = {{"values", 1, Kind::kMessage, &kKeyValue}};
const Message kMap{kMapFields};
const Field kAnyValueFields[] = {{"string_value", 1, Kind::kString},
                                 {"bool_value", 2, Kind::kBool},
                                 {"int_value", 3, Kind::kInt},
                                 {"double_value", 4, Kind::kDouble},
                                 {"array_value", 5, Kind::kMessage, &kArray},
                                 {"kvlist_value", 6, Kind::kMessage, &kMap},
                                 {"bytes_value", 7, Kind::kBase64}};
const Message kAnyValue{kAnyValueFields};

const Field kResourceFields[] = {{"attributes", 1, Kind::kMessage, &kKeyValue}};
const Message kResource{kResourceFields};
const Field kScopeFields[] = {{"name", 1, Kind::kString},
                              {"version", 2, Kind::kString},
                              {"attributes", 3, Kind::kMessage, &kKeyValue}};
const Message kScope{kScopeFields};

const Field kStatusFields[] = {{"message", 2, Kind::kString},
                               {"code", 3, Kind::kEnum, nullptr, kStatusCodes}};
const Message kStatus{kStatusFields};
const Field kEventFields[] = {{"time_unix_nano", 1, Kind::kFixed64},
                              {"name", 2, Kind::kString},
                              {"attributes", 3, Kind::kMessage, &kKeyValue}};
const Message kEvent{kEventFields};
const Field kLinkFields[] = {{"trace_id", 1, Kind::kTraceId},
                             {"span_id", 2, Kind::kSpanId},
                             {"trace_state", 3, Kind::kString},
                             {"attributes", 4, Kind::kMessage, &kKeyValue}};
const Message kLink{kLinkFields};
const Field kSpanFields[] = {{"trace_id", 1, Kind::kTraceId},
                             {"span_id", 2, Kind::kSpanId},
                             {"trace_state", 3, Kind::kString},
                             {"parent_span_id", 4, Kind::kSpanId},
                             {"name", 5, Kind::kString},
                             {"kind", 6, Kind::kEnum, nullptr, kSpanKinds},
                             {"start_time_unix_nano", 7, Kind::kFixed64},
                             {"end_time_unix_nano", 8, Kind::kFixed64},
                             {"attributes", 9, Kind::kMessage, &kKeyValue},
                             {"events", 11, Kind::kMessage, &kEvent},
                             {"links", 13, Kind::kMessage, &kLink},
                             {"status", 15, Kind::kMessage, &kStatus}};
const Message kSpan{kSpanFields, Role::kRecord};
const Field kScopeSpansFields[] = {{"scope", 1, Kind::kMessage, &kScope},
                                   {"spans", 2, Kind::kMessage, &kSpan}};
const Message kScopeSpans{kScopeSpansFields, Role::kGroup};
const Field kResourceSpansFields[] = {{"resource", 1, Kind::kMessage, &kResource},
                                      {"scope_spans", 2, Kind::kMessage, &kScopeSpans}};
const Message kResourceSpans{kResourceSpansFields, Role::kGroup};

const Field kNumberPointFields[] = {{"attributes", 7, Kind::kMessage, &kKeyValue},
                                    {"start_time_unix_nano", 2, Kind::kFixed64},
                                    {"time_unix_nano", 3, Kind::kFixed64},
                                    {"as_double", 4, Kind::kDouble},
                                    {"as_int", 6, Kind::kFixed64},
                                    {"flags", 8, Kind::kInt}};
const Message kNumberPoint{kNumberPointFields, Role::kRecord};
const Field kHistogramPointFields[] = {{"attributes", 9, Kind::kMessage, &kKeyValue},
                                       {"start_time_unix_nano", 2, Kind::kFixed64},
                                       {"time_unix_nano", 3, Kind::kFixed64},
                                       {"count", 4, Kind::kFixed64},
                                       {"sum", 5, Kind::kDouble},
                                       {"bucket_counts", 6, Kind::kFixed64},
                                       {"explicit_bounds", 7, Kind::kDouble},
                                       {"flags", 10, Kind::kInt},
                                       {"min", 11, Kind::kDouble},
                                       {"max", 12, Kind::kDouble}};
const Message kHistogramPoint{kHistogramPointFields, Role::kRecord};
const Field kSideFields[] = {{"offset", 1, Kind::kSint}, {"bucket_counts", 2, Kind::kInt}};
const Message kSide{kSideFields};
const Field kExponentialPointFields[] = {{"attributes", 1, Kind::kMessage, &kKeyValue},
                                         {"start_time_unix_nano", 2, Kind::kFixed64},
                                         {"time_unix_nano", 3, Kind::kFixed64},
                                         {"count", 4, Kind::kFixed64},
                                         {"sum", 5, Kind::kDouble},
                                         {"scale", 6, Kind::kSint},
                                         {"zero_count", 7, Kind::kFixed64},
                                         {"positive", 8, Kind::kMessage, &kSide},
                                         {"negative", 9, Kind::kMessage, &kSide},
                                         {"flags", 10, Kind::kInt},
                                         {"min", 12, Kind::kDouble},
                                         {"max", 13, Kind::kDouble},
                                         {"zero_threshold", 14, Kind::kDouble}};
const Message kExponentialPoint{kExponentialPointFields, Role::kRecord};
const Field kQuantileFields[] = {{"quantile", 1, Kind::kDouble}, {"value", 2, Kind::kDouble}};
const Message kQuantile{kQuantileFields};
const Field kSummaryPointFields[] = {{"attributes", 7, Kind::kMessage, &kKeyValue},
                                     {"start_time_unix_nano", 2, Kind::kFixed64},
                                     {"time_unix_nano", 3, Kind::kFixed64},
                                     {"count", 4, Kind::kFixed64},
                                     {"sum", 5, Kind::kDouble},
                                     {"quantile_values", 6, Kind::kMessage, &kQuantile},
                                     {"flags", 8, Kind::kInt}};
const Message kSummaryPoint{kSummaryPointFields, Role::kRecord};
const Field kGaugeFields[] = {{"data_points", 1, Kind::kMessage, &kNumberPoint}};
const Message kGauge{kGaugeFields};
const Field kSumFields[] = {{"data_points", 1, Kind::kMessage, &kNumberPoint},
                            {"aggregation_temporality", 2, Kind::kEnum, nullptr, kTemporalities},
                            {"is_monotonic", 3, Kind::kBool}};
const Message kSum{kSumFields};
const Field kHistogramFields[] = {
    {"data_points", 1, Kind::kMessage, &kHistogramPoint},
    {"aggregation_temporality", 2, Kind::kEnum, nullptr, kTemporalities}};
const Message kHistogram{kHistogramFields};
const Field kExponentialFields[] = {
    {"data_points", 1, Kind::kMessage, &kExponentialPoint},
    {"aggregation_temporality", 2, Kind::kEnum, nullptr, kTemporalities}};
const Message kExponential{kExponentialFields};
const Field kSummaryFields[] = {{"data_points", 1, Kind::kMessage, &kSummaryPoint}};
const Message kSummary{kSummaryFields};
const Field kMetricFields[] = {{"name", 1, Kind::kString},
                               {"unit", 3, Kind::kString},
                               {"gauge", 5, Kind::kMessage, &kGauge},
                               {"sum", 7, Kind::kMessage, &kSum},
                               {"histogram", 9, Kind::kMessage, &kHistogram},
                               {"exponential_histogram", 10, Kind::kMessage, &kExponential},
                               {"summary", 11, Kind::kMessage, &kSummary}};
const Message kMetric{kMetricFields, Role::kGroup};
const Field kScopeMetricsFields[] = {{"scope", 1, Kind::kMessage, &kScope},
                                     {"metrics", 2, Kind::kMessage, &kMetric}};
const Message kScopeMetrics{kScopeMetricsFields, Role::kGroup};
const Field kResourceMetricsFields[] = {{"resource", 1, Kind::kMessage, &kResource},
                                        {"scope_metrics", 2, Kind::kMessage, &kScopeMetrics}};
const Message kResourceMetrics{kResourceMetricsFields, Role::kGroup};

const Field kLogFields[] = {{"time_unix_nano", 1, Kind::kFixed64},
                            {"severity_number", 2, Kind::kEnum, nullptr, kSeverities},
                            {"severity_text", 3, Kind::kString},
                            {"body", 5, Kind::kMessage, &kAnyValue},
                            {"attributes", 6, Kind::kMessage, &kKeyValue},
                            {"trace_id", 9, Kind::kTraceId},
                            {"span_id", 10, Kind::kSpanId},
                            {"observed_time_unix_nano", 11, Kind::kFixed64},
                            {"event_name", 12, Kind::kString}};
const Message kLog{kLogFields, Role::kRecord};
const Field kScopeLogsFields[] = {{"scope", 1, Kind::kMessage, &kScope},
                                  {"log_records", 2, Kind::kMessage, &kLog}};
const Message kScopeLogs{kScopeLogsFields, Role::kGroup};
const Field kResourceLogsFields[] = {{"resource", 1, Kind::kMessage, &kResource},
                                     {"scope_logs", 2, Kind::kMessage, &kScopeLogs}};
const Message kResourceLogs{kResourceLogsFields, Role::kGroup};

const Field kTracesFields[] = {{"resource_spans", 1, Kind::kMessage, &kResourceSpans}};
const Message kTraces{kTracesFields};
const Field kMetricsFields[] = {{"resource_metrics", 1, Kind::kMessage, &kResourceMetrics}};
const Message kMetrics{kMetricsFields};
const Field kLogsFields[] = {{"resource_logs", 1, Kind::kMessage, &kResourceLogs}};
const Message kLogs{kLogsFields};

struct Request {
  Signal signal;
  const Message* message;
};
const Request kRequests[] = {
    {Signal::kSpan, &kTraces}, {Signal::kSample, &kMetrics}, {Signal::kLog, &kLogs}};

// ---------------------------------------------------------------------------------------------------

/// "startTimeUnixNano" and "start_time_unix_nano" are both the latter.
bool SameName(std::string_view json, std::string_view snake) {
  size_t j = 0;
  for (size_t s = 0; s < snake.size(); ++s, ++j) {
    if (j >= json.size()) return false;
    if (snake[s] == '_' && json[j] != '_') {
      ++s;
      if (json[j] != snake[s] - 'a' + 'A') return false;
    } else if (json[j] != snake[s]) {
      return false;
    }
  }
  return j == json.size();
}

const Field* FindField(const Message& message, std::string_view json_name) {
  for (const Field& field : message.fields) {
    if (SameName(json_name, field.name)) return &field;
  }
  return nullptr;
}

/// The bits of a 64-bit integer, signed or not.
bool ReadInteger(dom::element value, uint64_t* bits) {
  int64_t as_signed;
  if (value.get(as_signed) == simdjson::SUCCESS) {
    *bits = static_cast<uint64_t>(as_signed);
    return true;
  }
  if (value.get(*bits) == simdjson::SUCCESS) return true;
  double real;
  if (value.get(real) == simdjson::SUCCESS) {
    if (real != std::floor(real) || std::abs(real) >= 9.2e18) return false;
    *bits = static_cast<uint64_t>(static_cast<int64_t>(real));
    return true;
  }
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return false;
  const char* end = text.data() + text.size();
  const auto whole = [&](auto result) { return result.ec == std::errc() && result.ptr == end; };
  if (whole(std::from_chars(text.data(), end, *bits))) return true;
  if (!whole(std::from_chars(text.data(), end, as_signed))) return false;
  *bits = static_cast<uint64_t>(as_signed);
  return true;
}

bool ReadDouble(dom::element value, double* real) {
  if (value.get(*real) == simdjson::SUCCESS) return true;  // integers, too
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return false;
  if (text == "NaN")
    *real = std::numeric_limits<double>::quiet_NaN();
  else if (text == "Infinity")
    *real = std::numeric_limits<double>::infinity();
  else if (text == "-Infinity")
    *real = -std::numeric_limits<double>::infinity();
  else {
    const char* end = text.data() + text.size();
    const auto result = std::from_chars(text.data(), end, *real);
    return result.ec == std::errc() && result.ptr == end;
  }
  return true;
}

bool ReadEnum(dom::element value, const Field& field, int32_t* number) {
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) {
    for (size_t i = 0; i < field.words.size(); ++i) {
      if (field.words[i] == text) {
        *number = static_cast<int32_t>(i);
        return true;
      }
    }
  }
  uint64_t bits;
  if (!ReadInteger(value, &bits)) return false;
  *number = static_cast<int32_t>(bits);
  return true;
}

std::string BigEndian(uint64_t word) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(word >> shift));
  return bytes;
}

/// What is no id stays away, which the decoder counts as the record's missing id.
std::string IdBytes(Kind kind, std::string_view hex) {
  telemetry::TraceId trace;
  uint64_t span = 0;
  if (kind == Kind::kTraceId && telemetry::ParseTraceId(hex, &trace)) {
    return BigEndian(trace.hi) + BigEndian(trace.lo);
  }
  if (kind == Kind::kSpanId && telemetry::ParseSpanId(hex, &span)) return BigEndian(span);
  return {};
}

/// The records in a message, whatever else is wrong with it.
uint64_t CountRecords(dom::element json, const Message& message) {
  if (message.role == Role::kRecord) return 1;
  dom::object object;
  if (json.get(object) != simdjson::SUCCESS) return 0;
  uint64_t count = 0;
  for (const dom::key_value_pair& pair : object) {
    const Field* field = FindField(message, pair.key);
    if (field == nullptr || field->kind != Kind::kMessage) continue;
    dom::array array;
    if (pair.value.get(array) != simdjson::SUCCESS) {
      count += CountRecords(pair.value, *field->message);
      continue;
    }
    for (const dom::element element : array) count += CountRecords(element, *field->message);
  }
  return count;
}

bool WriteNumber(dom::element value, const Field& field, pbf_writer* out) {
  uint64_t bits = 0;
  double real = 0;
  int32_t number = 0;
  bool truth = false;
  switch (field.kind) {
    case Kind::kBool:
      if (value.get(truth) != simdjson::SUCCESS) return false;
      out->add_bool(field.number, truth);
      return true;
    case Kind::kInt:
      if (!ReadInteger(value, &bits)) return false;
      out->add_uint64(field.number, bits);
      return true;
    case Kind::kSint:
      if (!ReadInteger(value, &bits)) return false;
      if (static_cast<int64_t>(bits) != static_cast<int32_t>(bits)) return false;
      out->add_sint32(field.number, static_cast<int32_t>(bits));
      return true;
    case Kind::kFixed64:
      if (!ReadInteger(value, &bits)) return false;
      out->add_fixed64(field.number, bits);
      return true;
    case Kind::kDouble:
      if (!ReadDouble(value, &real)) return false;
      out->add_double(field.number, real);
      return true;
    case Kind::kEnum:
      if (!ReadEnum(value, field, &number)) return false;
      out->add_enum(field.number, number);
      return true;
    default:
      return false;
  }
}

/// What could not be read is written as what it was, no UTF-8: so the decoder repairs and counts
/// it.
void WriteUnreadable(std::string_view text, uint32_t number, pbf_writer* out) {
  std::string bytes(text);
  for (size_t at = 0; (at = bytes.find(kUnreadable, at)) != std::string::npos; ++at)
    bytes.replace(at, kUnreadable.size(), 1, '\xFF');
  out->add_string(number, bytes);
}

/// `marked`: some of the texts hold kUnreadable.
bool WriteText(dom::element value, const Field& field, bool marked, pbf_writer* out) {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return false;
  if (field.kind == Kind::kString) {
    if (marked)
      WriteUnreadable(text, field.number, out);
    else
      out->add_string(field.number, text.data(), text.size());
    return true;
  }
  std::string bytes;
  if (field.kind == Kind::kBase64) {
    if (!DecodeBase64(text, &bytes)) return false;
  } else {
    bytes = IdBytes(field.kind, text);
  }
  out->add_bytes(field.number, bytes);
  return true;
}

/// Writes messages, leaving out the records that have a wrong value.
class Writer {
 public:
  Writer(Transcript* transcript, const std::string* written, bool marked)
      : transcript_(transcript), written_(*written), marked_(marked) {}

  Status WriteMessage(dom::element json, const Message& message, pbf_writer* out) {
    dom::object object;
    if (json.get(object) != simdjson::SUCCESS)
      return Status::InvalidArgument("not an object where one must be");
    for (const dom::key_value_pair& pair : object) {
      const Field* field = FindField(message, pair.key);
      if (field == nullptr || pair.value.is_null()) continue;
      dom::array array;
      if (pair.value.get(array) != simdjson::SUCCESS) {
        TG_RETURN_IF_ERROR(WriteValue(pair.value, *field, out));
        continue;
      }
      for (const dom::element element : array) TG_RETURN_IF_ERROR(WriteValue(element, *field, out));
    }
    return Status::Ok();
  }

 private:
  Status WriteValue(dom::element value, const Field& field, pbf_writer* out) {
    bool good = false;
    switch (field.kind) {
      case Kind::kMessage:
        return WriteInner(value, field, out);
      case Kind::kString:
      case Kind::kTraceId:
      case Kind::kSpanId:
      case Kind::kBase64:
        good = WriteText(value, field, marked_, out);
        break;
      default:
        good = WriteNumber(value, field, out);
    }
    if (good) return Status::Ok();
    return Status::InvalidArgument("\"" + std::string(field.name) +
                                   "\" has a value of the wrong type");
  }

  Status WriteInner(dom::element value, const Field& field, pbf_writer* out) {
    const uint64_t lost_before = transcript_->wrong_type;
    const size_t size_before = written_.size();
    const Status status = [&] {
      pbf_writer inner(*out, field.number);
      const Status written = WriteMessage(value, *field.message, &inner);
      if (!written.ok()) inner.rollback();
      return written;
    }();
    if (status.ok()) {
      // protozero leaves out an empty message, but an empty record is a record.
      if (written_.size() == size_before) out->add_message(field.number, std::string());
      return status;
    }
    if (field.message->role == Role::kPart) return status;
    // With what was lost in it already; a group that is no object at all counts as one.
    transcript_->wrong_type =
        lost_before + std::max<uint64_t>(1, CountRecords(value, *field.message));
    if (transcript_->first_wrong.empty()) transcript_->first_wrong = status.message();
    return Status::Ok();
  }

  Transcript* const transcript_;
  const std::string& written_;  // what all writers write to
  const bool marked_;           // some of the texts hold kUnreadable
};

}  // namespace

struct JsonTranscriber::Impl {
  dom::parser parser;
  std::string protobuf;
  bool marked = false;  // what was parsed last holds kUnreadable

  Result<dom::element> Parse(ByteView json) {
    dom::element root;
    auto error = parser.parse(json.data(), json.size()).get(root);
    marked = error == simdjson::STRING_ERROR || error == simdjson::UTF8_ERROR;
    if (marked) error = parser.parse(MarkUnreadable(json)).get(root);
    if (error == simdjson::DEPTH_ERROR) return Status::ResourceExhausted("JSON nested too deeply");
    if (error)
      return Status::InvalidArgument(std::string("not JSON: ") + simdjson::error_message(error));
    if (!root.is_object()) return Status::InvalidArgument("JSON, but not an object");
    return root;
  }
  Result<Transcript> Write(dom::element root, const Message& message) {
    TG_RETURN_IF_ERROR(CheckShape(root, message));
    protobuf.clear();
    Transcript transcript;
    pbf_writer writer(protobuf);
    TG_RETURN_IF_ERROR(Writer(&transcript, &protobuf, marked).WriteMessage(root, message, &writer));
    transcript.protobuf = protobuf;
    return transcript;
  }
  /// A request whose only field is neither a list nor an object is not one.
  static Status CheckShape(dom::element root, const Message& message) {
    for (const dom::key_value_pair& pair : dom::object(root)) {
      const dom::element& value = pair.value;
      if (FindField(message, pair.key) == nullptr) continue;
      if (value.is_array() || value.is_object() || value.is_null()) continue;
      return Status::InvalidArgument("\"" + std::string(pair.key) + "\" must be a list");
    }
    return Status::Ok();
  }
};

JsonTranscriber::JsonTranscriber() : impl_(std::make_unique<Impl>()) {}
JsonTranscriber::~JsonTranscriber() = default;

Result<Transcript> JsonTranscriber::Transcribe(ByteView json, Signal signal) {
  const Result<dom::element> root = impl_->Parse(json);
  if (!root.ok()) return root.status();
  const auto asks = [&](const Request& request) -> std::string_view {
    for (const dom::key_value_pair& pair : dom::object(*root)) {
      const Field* field = FindField(*request.message, pair.key);
      if (field != nullptr) return field->name;
    }
    return {};
  };
  for (const Request& request : kRequests) {
    if (request.signal != signal) continue;
    // Sent to another signal's address, all of it would be a field that is not known.
    for (const Request& other : kRequests) {
      const std::string_view field = asks(other);
      if (asks(request).empty() && !field.empty())
        return Status::InvalidArgument(std::string(field) + ": another signal's request");
    }
    return impl_->Write(*root, *request.message);
  }
  return Status::InvalidArgument("OTLP has no such signal");
}

Result<Transcript> JsonTranscriber::TranscribeAny(ByteView json, Signal* signal) {
  const Result<dom::element> root = impl_->Parse(json);
  if (!root.ok()) return root.status();
  for (const dom::key_value_pair& pair : dom::object(*root)) {
    for (const Request& request : kRequests) {
      if (FindField(*request.message, pair.key) == nullptr) continue;
      *signal = request.signal;
      return impl_->Write(*root, *request.message);
    }
  }
  return Status::InvalidArgument("neither resourceSpans, resourceMetrics nor resourceLogs");
}

}  // namespace tomograph::ingest::otlp
