#include "simulate/write/otlp_json.h"

#include <utility>
#include <vector>

#include "base/check.h"
#include "simulate/write/cd_events.h"
#include "simulate/write/json_text.h"
#include "simulate/write/span_attributes.h"
#include "telemetry/attributes.h"

namespace tomograph::simulate {
namespace {

using telemetry::AppendJsonString;
using telemetry::Severity;

/// {"attributes":[...]} of a sender.
std::string ResourceOf(const Sender& sender) {
  std::string json = "{";
  {
    AttributeList list(&json);
    const auto add = [&](std::string_view key, std::string_view value) {
      if (!value.empty()) list.Text(key, value);
    };
    add("service.name", sender.service);
    add("service.instance.id", sender.instance);
    add("service.version", sender.version);
    add("host.name", sender.host);
    for (const auto& [key, value] : sender.more) list.Text(key, value);
  }
  if (json.back() == ',') json.pop_back();
  return json.append("}");
}

/// The records of one signal as lines: each sender's JSON grows beside the others' until the line
/// is full or taken.
class SignalLines {
 public:
  /// E.g. "resourceSpans", "scopeSpans", "spans". `resources` by sender.
  SignalLines(const std::vector<std::string>& resources, std::string_view of_resource,
              std::string_view of_scope, std::string_view list)
      : resources_(resources),
        head_("{\"" + std::string(of_resource) + "\":["),
        between_(",\"" + std::string(of_scope) + "\":[{\"" + std::string(list) + "\":[") {}

  /// The sender's records of this line so far.
  std::string* Open(SenderId sender) {
    const auto index = static_cast<size_t>(sender);
    if (by_sender_.size() <= index) by_sender_.resize(index + 1);
    Pending& pending = by_sender_[index];
    if (!std::exchange(pending.open, true)) {
      open_.push_back(index);
      line_bytes_ += resources_[index].size();
    }
    return &pending.json;
  }
  /// After each record: `bytes` of it were appended. True when the line is full.
  bool Grew(size_t bytes) { return (line_bytes_ += bytes) >= OtlpJson::kLineBytes; }

  void EndLine() {
    if (open_.empty()) return;
    lines_ += head_;
    for (const size_t sender : open_) {
      if (sender != open_.front()) lines_.push_back(',');
      lines_.append("{\"resource\":").append(resources_[sender]).append(between_);
      lines_.append(by_sender_[sender].json).append("]}]}");
      by_sender_[sender].json.clear();
      by_sender_[sender].open = false;
    }
    lines_ += "]}\n";
    open_.clear();
    line_bytes_ = 0;
  }
  std::string Take() { return std::exchange(lines_, std::string()); }

 private:
  struct Pending {
    std::string json;
    bool open = false;
  };
  const std::vector<std::string>& resources_;
  const std::string head_, between_;
  std::vector<Pending> by_sender_;
  std::vector<size_t> open_;  // in the order of their first record
  size_t line_bytes_ = 0;
  std::string lines_;
};

void AppendIds(telemetry::TraceId trace, uint64_t span, std::string* out) {
  out->append("\"traceId\":\"");
  AppendHex(trace.hi, out);
  AppendHex(trace.lo, out);
  out->append("\",\"spanId\":\"");
  AppendHex(span, out);
  out->append("\",");
}

void AppendSpan(const SpanRecord& span, std::string* out) {
  out->push_back('{');
  AppendIds(span.trace, span.span, out);
  if (span.parent != 0) {
    out->append("\"parentSpanId\":\"");
    AppendHex(span.parent, out);
    out->append("\",");
  }
  if (!span.trace_state.empty()) {
    out->append("\"traceState\":");
    AppendJsonString(span.trace_state, out);
    out->push_back(',');
  }
  out->append("\"name\":");
  AppendJsonString(span.name, out);
  out->append(",\"kind\":");
  AppendUnsigned(static_cast<uint64_t>(span.kind), out);  // numbered as OTLP numbers them
  out->append(",\"startTimeUnixNano\":");
  AppendQuotedTime(span.start, out);
  out->append(",\"endTimeUnixNano\":");
  AppendQuotedTime(span.end, out);
  out->push_back(',');
  {
    AttributeList list(out);
    AddSpanAttributes(span, &list);
  }
  out->append(span.failed ? "\"status\":{\"code\":2}}" : "\"status\":{}}");
}

void AppendLabels(const Labels& labels, std::string* out) {
  AttributeList list(out);
  for (const auto& [key, value] : labels) list.Text(key, value);
}

template <typename Values, typename Append>
void AppendArray(std::string_view key, const Values& values, const Append& append,
                 std::string* out) {
  out->append(",\"").append(key).append("\":[");
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out->push_back(',');
    append(values[i], out);
  }
  out->push_back(']');
}

void AppendHistogramValue(const SampleRecord& sample, std::string* out) {
  TG_CHECK(sample.counts.size() == sample.bounds.size() + 1);
  uint64_t count = 0;
  for (const uint64_t n : sample.counts) count += n;
  out->append(",\"count\":");
  AppendQuoted(count, out);
  out->append(",\"sum\":");
  AppendDouble(sample.sum, out);
  AppendArray("bucketCounts", sample.counts, AppendQuoted, out);
  AppendArray("explicitBounds", sample.bounds, AppendDouble, out);
}

void AppendPoint(const SampleRecord& sample, std::string* out) {
  out->push_back('{');
  AppendLabels(sample.labels, out);
  if (sample.start != 0) {
    out->append("\"startTimeUnixNano\":");
    AppendQuotedTime(sample.start, out);
    out->push_back(',');
  }
  out->append("\"timeUnixNano\":");
  AppendQuotedTime(sample.time, out);
  if (sample.kind == SampleKind::kHistogram) {
    AppendHistogramValue(sample, out);
  } else {
    out->append(",\"asDouble\":");
    AppendDouble(sample.value, out);
  }
  out->push_back('}');
}

void AppendMetricHead(const SampleRecord& sample, std::string* out) {
  out->append("{\"name\":");
  AppendJsonString(sample.metric, out);
  out->append(",\"unit\":");
  AppendJsonString(sample.unit, out);
  switch (sample.kind) {
    case SampleKind::kGauge:
      out->append(",\"gauge\":{");
      break;
    case SampleKind::kCounter:
      out->append(",\"sum\":{\"aggregationTemporality\":2,\"isMonotonic\":true,");
      break;
    case SampleKind::kHistogram:
      out->append(",\"histogram\":{\"aggregationTemporality\":2,");
  }
  out->append("\"dataPoints\":[");
}
constexpr std::string_view kMetricTail = "]}}";

std::string_view SeverityText(Severity severity) {
  switch (severity) {
    case Severity::kUnknown:
      return "";
    case Severity::kTrace:
      return "TRACE";
    case Severity::kDebug:
      return "DEBUG";
    case Severity::kInfo:
      return "INFO";
    case Severity::kWarn:
      return "WARN";
    case Severity::kError:
      return "ERROR";
    case Severity::kFatal:
      return "FATAL";
  }
  return "";
}

void AppendLog(const LogRecord& log, std::string* out) {
  out->append("{\"timeUnixNano\":");
  AppendQuotedTime(log.time, out);
  out->append(",\"observedTimeUnixNano\":");
  AppendQuotedTime(log.time, out);
  out->append(",\"severityNumber\":");
  AppendUnsigned(static_cast<uint64_t>(log.severity), out);
  out->append(",\"severityText\":\"").append(SeverityText(log.severity)).append("\",");
  if (!log.trace.empty()) AppendIds(log.trace, log.span, out);
  if (!log.event_name.empty()) {
    out->append("\"eventName\":");
    AppendJsonString(log.event_name, out);
    out->push_back(',');
  }
  AppendLabels(log.more, out);
  out->append("\"body\":{\"stringValue\":");
  AppendJsonString(log.body, out);
  out->append("}}");
}

}  // namespace

struct OtlpJson::Impl {
  std::vector<std::string> resources;  // by sender
  SignalLines traces{resources, "resourceSpans", "scopeSpans", "spans"};
  SignalLines metrics{resources, "resourceMetrics", "scopeMetrics", "metrics"};
  SignalLines logs{resources, "resourceLogs", "scopeLogs", "logRecords"};
  std::string changes;
  std::vector<std::string> metric;  // by sender: the head of the metric that is open, else empty
  Written written;
  std::string head;

  template <typename Append>
  void Add(SenderId sender, SignalLines* lines, const Append& append) {
    std::string* out = lines->Open(sender);
    const size_t before = out->size();
    if (before > 0) out->push_back(',');
    append(out);
    if (lines->Grew(out->size() - before)) lines->EndLine();
  }

  /// Points of one metric that come one after the other are one metric.
  void AddSample(const SampleRecord& sample) {
    head.clear();
    AppendMetricHead(sample, &head);
    std::string& open = metric[static_cast<size_t>(sample.sender)];
    std::string* out = metrics.Open(sample.sender);
    const size_t before = out->size();
    if (open != head) {
      if (!open.empty()) out->append(kMetricTail).append(",");
      out->append(head);
      open = head;
    } else {
      out->push_back(',');
    }
    AppendPoint(sample, out);
    if (metrics.Grew(out->size() - before)) EndMetrics();
  }

  void EndMetrics() {
    for (size_t sender = 0; sender < metric.size(); ++sender) {
      if (metric[sender].empty()) continue;
      metrics.Open(static_cast<SenderId>(sender))->append(kMetricTail);
      metric[sender].clear();
    }
    metrics.EndLine();
  }
};

OtlpJson::OtlpJson() : impl_(std::make_unique<Impl>()) {}
OtlpJson::~OtlpJson() = default;

SenderId OtlpJson::Enter(const Sender& sender) {
  impl_->resources.push_back(ResourceOf(sender));
  impl_->metric.emplace_back();
  return static_cast<SenderId>(impl_->resources.size() - 1);
}

void OtlpJson::See(const SpanRecord& span) {
  ++impl_->written.spans;
  impl_->Add(span.sender, &impl_->traces, [&](std::string* out) { AppendSpan(span, out); });
}

void OtlpJson::See(const SampleRecord& sample) {
  ++impl_->written.samples;
  impl_->AddSample(sample);
}

void OtlpJson::See(const LogRecord& log) {
  ++impl_->written.logs;
  impl_->Add(log.sender, &impl_->logs, [&](std::string* out) { AppendLog(log, out); });
}

void OtlpJson::See(const ChangeRecord& change) {
  AppendCdEvent(change, impl_->written.changes++, &impl_->changes);
}

OtlpJson::Lines OtlpJson::Take() {
  impl_->traces.EndLine();
  impl_->EndMetrics();
  impl_->logs.EndLine();
  return {impl_->traces.Take(), impl_->metrics.Take(), impl_->logs.Take(),
          std::exchange(impl_->changes, std::string())};
}

const OtlpJson::Written& OtlpJson::written() const { return impl_->written; }

}  // namespace tomograph::simulate
