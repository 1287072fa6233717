#include "store/duckdb/row_reader.h"

#include <optional>
#include <tuple>
#include <utility>

#include "store/duckdb/row_json.h"

namespace tomograph::store {
namespace {

using telemetry::Batch;
using telemetry::EntityId;
using telemetry::TraceId;

/// What all readers share: texts to ids, stored numbers to ids, and the row before.
class ReaderBase : public RowReader {
 public:
  explicit ReaderBase(const ScanContext& context)
      : context_(context), json_(&context.identities.strings) {}

 protected:
  telemetry::StringId Intern(std::string_view text) {
    return context_.identities.strings.Intern(text);
  }
  Result<telemetry::ResourceId> Resource(uint32_t stored) {
    return context_.dictionaries.ResourceOf(stored, context_.lookups);
  }
  Result<telemetry::SeriesId> Series(uint32_t stored) {
    return context_.dictionaries.SeriesOf(stored, context_.lookups);
  }

  ScanContext context_;
  RowJsonReader json_;
};

class SpanReader : public ReaderBase {
 public:
  using ReaderBase::ReaderBase;
  const char* columns() const override {
    return "trace_id, span_id, parent_span_id, start_time, end_time, corrected_start, "
           "clock_bound_ns, name, operation, enum_code(kind::span_kind), "
           "enum_code(status::span_status), failed, weight, weight_known, service_id, peer_id, "
           "resource, trace_state, attributes, events, links, received_time";
  }

  Result<bool> Add(const Rows& in, size_t i, Batch* batch) override {
    const std::tuple key(in.Get<int64_t>(5, i), in.Uuid(0, i), in.Get<uint64_t>(1, i));
    if (last_ == key) return false;
    last_ = key;
    Result<telemetry::ResourceId> resource = Resource(in.Get<uint32_t>(16, i));
    if (!resource.ok()) return resource.status();
    telemetry::SpanBatch& s = batch->spans;
    const auto row = static_cast<uint32_t>(s.rows());
    s.trace_id.push_back(std::get<1>(key));
    s.span_id.push_back(std::get<2>(key));
    s.parent_span_id.push_back(in.Get<uint64_t>(2, i));
    s.start_ns.push_back(in.Get<int64_t>(3, i));
    s.end_ns.push_back(in.Get<int64_t>(4, i));
    s.corrected_start_ns.push_back(std::get<0>(key));
    s.clock_bound_ns.push_back(in.Get<int64_t>(6, i, telemetry::kUnknownBound));
    s.name.push_back(Intern(in.Text(7, i)));
    s.operation.push_back(Intern(in.Text(8, i)));
    s.kind.push_back(static_cast<telemetry::SpanKind>(in.Get<uint8_t>(9, i)));
    s.status.push_back(static_cast<telemetry::SpanStatus>(in.Get<uint8_t>(10, i)));
    s.failed.push_back(in.Get<bool>(11, i));
    s.weight.push_back(in.Get<float>(12, i));
    s.weight_known.push_back(in.Get<bool>(13, i));
    s.service.push_back(EntityId{in.Get<uint64_t>(14, i)});
    s.peer.push_back(EntityId{in.Get<uint64_t>(15, i)});
    s.resource.push_back(*resource);
    s.trace_state.push_back(Intern(in.Text(17, i)));
    json_.Attributes(in.Text(18, i), &s.attributes);
    json_.SpanEvents(in.Text(19, i), row, &s.events);
    json_.SpanLinks(in.Text(20, i), row, &s.links);
    batch->origin.received_ns = std::max(batch->origin.received_ns, in.Get<int64_t>(21, i));
    return true;
  }

 private:
  std::optional<std::tuple<Nanos, TraceId, uint64_t>> last_;
};

/// Number samples and histogram points in one stream; a point has a count.
class SampleReader : public ReaderBase {
 public:
  using ReaderBase::ReaderBase;
  const char* columns() const override {
    return "time, start_time, series, value, count, sum, min, max, upper_bounds, bucket_counts, "
           "received_time";
  }

  Result<bool> Add(const Rows& in, size_t i, Batch* batch) override {
    const bool is_point = !in.IsNull(4, i);
    const std::tuple key(in.Get<int64_t>(0, i), in.Get<uint32_t>(2, i), is_point);
    if (last_ == key) return false;
    last_ = key;
    Result<telemetry::SeriesId> series = Series(std::get<1>(key));
    if (!series.ok()) return series.status();
    batch->origin.received_ns = std::max(batch->origin.received_ns, in.Get<int64_t>(10, i));
    if (is_point) {
      AddPoint(in, i, *series, &batch->samples.histograms);
    } else {
      batch->samples.series.push_back(*series);
      batch->samples.time_ns.push_back(std::get<0>(key));
      batch->samples.start_ns.push_back(in.Get<int64_t>(1, i));
      batch->samples.value.push_back(in.Get<double>(3, i));
    }
    return true;
  }

 private:
  static void AddPoint(const Rows& in, size_t i, telemetry::SeriesId series,
                       telemetry::SampleBatch::Histograms* h) {
    const auto [bounds, bound_count] = in.List<double>(8, i);
    const auto [counts, count_count] = in.List<uint64_t>(9, i);
    h->series.push_back(series);
    h->time_ns.push_back(in.Get<int64_t>(0, i));
    h->start_ns.push_back(in.Get<int64_t>(1, i));
    h->count.push_back(in.Get<uint64_t>(4, i));
    h->sum.push_back(in.Get<double>(5, i));
    h->min.push_back(in.Get<double>(6, i));
    h->max.push_back(in.Get<double>(7, i));
    h->upper_bound.insert(h->upper_bound.end(), bounds, bounds + bound_count);
    h->bucket_count.insert(h->bucket_count.end(), counts, counts + count_count);
    h->bucket_end.push_back(static_cast<uint32_t>(h->upper_bound.size()));
  }

  std::optional<std::tuple<Nanos, uint32_t, bool>> last_;
};

class LogReader : public ReaderBase {
 public:
  using ReaderBase::ReaderBase;
  const char* columns() const override {
    return "time, observed_time, corrected_time, clock_bound_ns, severity, resource, trace_id, "
           "span_id, event_name, body, attributes, received_time";
  }

  Result<bool> Add(const Rows& in, size_t i, Batch* batch) override {
    Result<telemetry::ResourceId> resource = Resource(in.Get<uint32_t>(5, i));
    if (!resource.ok()) return resource.status();
    telemetry::LogBatch& l = batch->logs;
    l.time_ns.push_back(in.Get<int64_t>(0, i));
    l.observed_ns.push_back(in.Get<int64_t>(1, i));
    l.corrected_ns.push_back(in.Get<int64_t>(2, i));
    l.clock_bound_ns.push_back(in.Get<int64_t>(3, i, telemetry::kUnknownBound));
    l.severity.push_back(static_cast<telemetry::Severity>(in.Get<uint8_t>(4, i)));
    l.resource.push_back(*resource);
    l.trace_id.push_back(in.Uuid(6, i));
    l.span_id.push_back(in.Get<uint64_t>(7, i));
    l.event_name.push_back(Intern(in.Text(8, i)));
    l.bodies += in.Text(9, i);
    l.body_end.push_back(l.bodies.size());
    json_.Attributes(in.Text(10, i), &l.attributes);
    batch->origin.received_ns = std::max(batch->origin.received_ns, in.Get<int64_t>(11, i));
    return true;
  }
};

class FlowReader : public ReaderBase {
 public:
  using ReaderBase::ReaderBase;
  const char* columns() const override {
    return "start_time, end_time, resource, source_address, source_port, destination_address, "
           "destination_port, protocol, bytes, packets, weight, received_time";
  }

  Result<bool> Add(const Rows& in, size_t i, Batch* batch) override {
    Result<telemetry::ResourceId> resource = Resource(in.Get<uint32_t>(2, i));
    if (!resource.ok()) return resource.status();
    telemetry::FlowBatch& f = batch->flows;
    f.start_ns.push_back(in.Get<int64_t>(0, i));
    f.end_ns.push_back(in.Get<int64_t>(1, i));
    f.resource.push_back(*resource);
    f.source_address.push_back(Intern(in.Text(3, i)));
    f.source_port.push_back(in.Get<uint16_t>(4, i));
    f.destination_address.push_back(Intern(in.Text(5, i)));
    f.destination_port.push_back(in.Get<uint16_t>(6, i));
    f.protocol.push_back(in.Get<uint8_t>(7, i));
    f.bytes.push_back(in.Get<uint64_t>(8, i));
    f.packets.push_back(in.Get<uint64_t>(9, i));
    f.weight.push_back(in.Get<float>(10, i));
    batch->origin.received_ns = std::max(batch->origin.received_ns, in.Get<int64_t>(11, i));
    return true;
  }
};

class EventReader : public ReaderBase {
 public:
  using ReaderBase::ReaderBase;
  const char* columns() const override {
    return "time, enum_code(kind::change_kind), id, source, service, environment, version, "
           "entity_id, attributes";
  }

  Result<bool> Add(const Rows& in, size_t i, Batch* batch) override {
    telemetry::EventBatch& e = batch->events;
    e.time_ns.push_back(in.Get<int64_t>(0, i));
    e.kind.push_back(static_cast<telemetry::ChangeKind>(in.Get<uint8_t>(1, i)));
    e.id.push_back(Intern(in.Text(2, i)));
    e.source.push_back(Intern(in.Text(3, i)));
    e.service.push_back(Intern(in.Text(4, i)));
    e.environment.push_back(Intern(in.Text(5, i)));
    e.version.push_back(Intern(in.Text(6, i)));
    e.entity.push_back(EntityId{in.Get<uint64_t>(7, i)});
    json_.Attributes(in.Text(8, i), &e.attributes);
    return true;
  }
};

}  // namespace

Result<std::unique_ptr<RowReader>> MakeRowReader(telemetry::Signal signal,
                                                 const ScanContext& context) {
  std::unique_ptr<RowReader> reader;
  switch (signal) {
    case telemetry::Signal::kSpan:
      reader = std::make_unique<SpanReader>(context);
      break;
    case telemetry::Signal::kSample:
      reader = std::make_unique<SampleReader>(context);
      break;
    case telemetry::Signal::kLog:
      reader = std::make_unique<LogReader>(context);
      break;
    case telemetry::Signal::kFlow:
      reader = std::make_unique<FlowReader>(context);
      break;
    case telemetry::Signal::kEvent:
      reader = std::make_unique<EventReader>(context);
      break;
    case telemetry::Signal::kMessage:
      return Status::InvalidArgument("unreadable messages are counted, not stored");
  }
  return reader;
}

}  // namespace tomograph::store
