#include <algorithm>

#include "store/duckdb/append.h"

namespace tomograph::store {
namespace {

using telemetry::AttributeTable;
using telemetry::Batch;

class ShapeCheck {
 public:
  ShapeCheck(const char* table, size_t rows) : table_(table), rows_(rows) {}

  template <typename Column>
  ShapeCheck& Has(const char* name, const Column& column) {
    return Require(name, column.size() == rows_);
  }
  /// A column that normalize/ fills.
  template <typename Column>
  ShapeCheck& MayHave(const char* name, const Column& column) {
    return Require(name, column.empty() || column.size() == rows_);
  }
  ShapeCheck& Has(const char* name, const AttributeTable& attributes) {
    return Require(name, attributes.rows() == rows_);
  }
  /// Ends of slices: they never fall, and the last is `total`.
  template <typename Ends>
  ShapeCheck& Slices(const char* name, const Ends& ends, size_t total) {
    Has(name, ends);
    return Require(name, std::is_sorted(ends.begin(), ends.end()) &&
                             (ends.empty() ? 0 : ends.back()) == total);
  }
  ShapeCheck& Require(const char* name, bool good) {
    if (!good && status_.ok()) {
      status_ = Status::InvalidArgument(std::string("a batch's column ") + table_ + "." + name +
                                        " does not fit its " + std::to_string(rows_) + " rows");
    }
    return *this;
  }
  const Status& status() const { return status_; }

 private:
  const char* table_;
  size_t rows_;
  Status status_;
};

bool Below(const std::vector<uint32_t>& indices, size_t limit) {
  return std::is_sorted(indices.begin(), indices.end()) &&
         (indices.empty() || indices.back() < limit);
}

Status CheckSpans(const telemetry::SpanBatch& s) {
  ShapeCheck check("spans", s.rows());
  check.Has("trace_id", s.trace_id).Has("parent_span_id", s.parent_span_id);
  check.Has("start_ns", s.start_ns).Has("end_ns", s.end_ns).Has("kind", s.kind);
  check.Has("status", s.status).Has("resource", s.resource).Has("name", s.name);
  check.Has("trace_state", s.trace_state).Has("attributes", s.attributes);
  check.MayHave("corrected_start_ns", s.corrected_start_ns);
  check.MayHave("clock_bound_ns", s.clock_bound_ns).MayHave("operation", s.operation);
  check.MayHave("service", s.service).MayHave("peer", s.peer).MayHave("failed", s.failed);
  check.MayHave("weight", s.weight).MayHave("weight_known", s.weight_known);
  check.Require("events.span", Below(s.events.span, s.rows()));
  check.Require("links.span", Below(s.links.span, s.rows()));
  TG_RETURN_IF_ERROR(check.status());

  ShapeCheck events("span events", s.events.span.size());
  events.Has("time_ns", s.events.time_ns).Has("name", s.events.name);
  events.Has("attributes", s.events.attributes);
  TG_RETURN_IF_ERROR(events.status());

  ShapeCheck links("span links", s.links.span.size());
  return links.Has("trace_id", s.links.trace_id).Has("span_id", s.links.span_id).status();
}

Status CheckSamples(const telemetry::SampleBatch& s) {
  ShapeCheck check("samples", s.rows());
  check.Has("time_ns", s.time_ns).Has("start_ns", s.start_ns).Has("value", s.value);
  TG_RETURN_IF_ERROR(check.status());

  const auto& h = s.histograms;
  ShapeCheck points("histograms", h.rows());
  points.Has("time_ns", h.time_ns).Has("start_ns", h.start_ns).Has("count", h.count);
  points.Has("sum", h.sum).Has("min", h.min).Has("max", h.max);
  points.Slices("upper_bound", h.bucket_end, h.upper_bound.size());
  points.Slices("bucket_count", h.bucket_end, h.bucket_count.size());
  return points.status();
}

Status CheckLogs(const telemetry::LogBatch& l) {
  ShapeCheck check("logs", l.rows());
  check.Has("observed_ns", l.observed_ns).Has("severity", l.severity);
  check.Has("resource", l.resource).Has("trace_id", l.trace_id).Has("span_id", l.span_id);
  check.Has("event_name", l.event_name).Has("attributes", l.attributes);
  check.Slices("body_end", l.body_end, l.bodies.size());
  check.MayHave("corrected_ns", l.corrected_ns).MayHave("clock_bound_ns", l.clock_bound_ns);
  return check.status();
}

Status CheckFlows(const telemetry::FlowBatch& f) {
  ShapeCheck check("flows", f.rows());
  check.Has("end_ns", f.end_ns).Has("resource", f.resource).Has("weight", f.weight);
  check.Has("source_address", f.source_address).Has("source_port", f.source_port);
  check.Has("destination_address", f.destination_address);
  check.Has("destination_port", f.destination_port).Has("protocol", f.protocol);
  return check.Has("bytes", f.bytes).Has("packets", f.packets).status();
}

Status CheckEvents(const telemetry::EventBatch& e) {
  ShapeCheck check("events", e.rows());
  check.Has("kind", e.kind).Has("id", e.id).Has("source", e.source).Has("service", e.service);
  check.Has("environment", e.environment).Has("version", e.version);
  return check.Has("attributes", e.attributes).MayHave("entity", e.entity).status();
}

Nanos Oldest(const std::vector<Nanos>& corrected, const std::vector<Nanos>& raw) {
  const std::vector<Nanos>& times = corrected.empty() ? raw : corrected;
  const auto oldest = std::min_element(times.begin(), times.end());
  return oldest == times.end() ? INT64_MAX : *oldest;
}

}  // namespace

Status CheckShape(const Batch& batch) {
  TG_RETURN_IF_ERROR(CheckSpans(batch.spans));
  TG_RETURN_IF_ERROR(CheckSamples(batch.samples));
  TG_RETURN_IF_ERROR(CheckLogs(batch.logs));
  TG_RETURN_IF_ERROR(CheckFlows(batch.flows));
  return CheckEvents(batch.events);
}

Nanos OldestOf(const Batch& b) {
  const Nanos spans = Oldest(b.spans.corrected_start_ns, b.spans.start_ns);
  const Nanos samples =
      std::min(Oldest({}, b.samples.time_ns), Oldest({}, b.samples.histograms.time_ns));
  const Nanos logs = Oldest(b.logs.corrected_ns, b.logs.time_ns);
  const Nanos others = std::min(Oldest({}, b.flows.start_ns), Oldest({}, b.events.time_ns));
  return std::min(std::min(spans, samples), std::min(logs, others));
}

}  // namespace tomograph::store
