#include "ingest/csv/csv_decoder.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>

#include "ingest/attribute_writer.h"
#include "ingest/csv/csv_rows.h"
#include "ingest/csv/csv_values.h"
#include "ingest/tally.h"

namespace tomograph::ingest::csv {
namespace {

using telemetry::Batch;
using telemetry::Fingerprint;
using telemetry::Format;
using telemetry::Reason;
using telemetry::ResourceId;
using telemetry::SeriesId;
using telemetry::Signal;

using Row = std::vector<std::string_view>;
constexpr int kAbsent = -1;
constexpr size_t kMaxAddress = 256;

/// The fields that name who sent a row, and the attribute that each becomes.
struct ResourceField {
  std::string_view field;
  std::string_view attribute;
};
constexpr ResourceField kResourceFields[] = {
    {"service", "service.name"},
    {"namespace", "service.namespace"},
    {"instance", "service.instance.id"},
    {"pod", "k8s.pod.name"},
    {"host", "host.name"},
    {"version", "service.version"},
    {"environment", "deployment.environment.name"},
};
constexpr std::string_view kResourcePrefix = "resource.";

class CsvDecoder : public StreamDecoder {
 public:
  CsvDecoder(DecodeContext context, Mapping mapping)
      : context_(std::move(context)),
        mapping_(std::move(mapping)),
        strings_(context_.identities->strings),
        rows_(context_.limits.max_record_bytes, context_.limits.max_body_bytes),
        tally_(context_.ledger, Format::kCsv, mapping_.signal) {}

  Status Push(ByteView chunk, const BatchSink& sink) override {
    rows_.Push(chunk, [&](CsvRows::Found found, const Row& row) { OnRow(found, row, sink); });
    tally_.Commit();
    return broken_;
  }

  Status Finish(const BatchSink& sink) override {
    rows_.Finish([&](CsvRows::Found found, const Row& row) { OnRow(found, row, sink); });
    HandOut(sink);
    tally_.Commit();
    return broken_;
  }

 private:
  /// A field's place in a row: a column, a constant, or nowhere.
  struct Place {
    int column = kAbsent;
    std::string_view constant;
    bool present() const { return column != kAbsent || !constant.empty(); }
    std::string_view In(const Row& row) const {
      return column != kAbsent ? row[static_cast<size_t>(column)] : constant;
    }
  };

  void OnRow(CsvRows::Found found, const Row& row, const BatchSink& sink) {
    if (!broken_.ok()) return;
    if (found == CsvRows::Found::kTooLarge) return LoseRow(Reason::kTooLarge);
    if (found == CsvRows::Found::kMalformed) return LoseRow(Reason::kMalformed);
    if (header_.empty()) return OnHeader(row);
    if (row.size() != header_.size()) return LoseRow(Reason::kMalformed);
    if (batch_.rows() >= context_.limits.rows_per_batch) HandOut(sink);
    Nanos time = 0;
    const bool timed = ParseTimeIn(row[static_cast<size_t>(time_)], mapping_.time_unit, &time);
    switch (mapping_.signal) {
      case Signal::kSpan:
        return OnSpan(row, timed, time);
      case Signal::kLog:
        return OnLog(row, timed, time);
      case Signal::kFlow:
        return OnFlow(row, timed, time);
      default:
        return mapping_.wide ? OnWideRow(row, timed, time) : OnSample(row, timed, time);
    }
  }

  /// Nobody knows what it held: one record.
  void LoseRow(Reason reason) {
    tally_.Received();
    tally_.Lose(reason);
  }

  void OnHeader(const Row& row) {
    header_.assign(row.begin(), row.end());
    if (header_[0].starts_with("\xEF\xBB\xBF")) header_[0].erase(0, 3);
    time_ = ColumnNamed(mapping_.time_column);
    std::vector<bool> used(header_.size(), false);
    if (time_ != kAbsent) used[static_cast<size_t>(time_)] = true;
    for (const auto& [field, column] : mapping_.columns) {
      const int at = ColumnNamed(column);
      if (at == kAbsent) {
        broken_ = Status::InvalidArgument("CSV has no column '" + column + "' for " + field);
        return;
      }
      used[static_cast<size_t>(at)] = true;
    }
    if (time_ == kAbsent) {
      broken_ = Status::InvalidArgument("CSV has no time column '" + mapping_.time_column + "'");
      return;
    }
    for (size_t i = 0; i < header_.size(); ++i) {
      if (used[i]) continue;
      const bool label = !mapping_.wide || std::find(mapping_.labels.begin(), mapping_.labels.end(),
                                                     header_[i]) != mapping_.labels.end();
      (label ? label_columns_ : metric_columns_).push_back(i);
    }
    FindPlaces();
  }

  int ColumnNamed(const std::string& name) const {
    const auto it = std::find(header_.begin(), header_.end(), name);
    return it == header_.end() ? kAbsent : static_cast<int>(it - header_.begin());
  }

  Place PlaceOf(const std::string& field) const {
    Place place;
    if (const auto it = mapping_.columns.find(field); it != mapping_.columns.end())
      place.column = ColumnNamed(it->second);
    if (const auto it = mapping_.constants.find(field); it != mapping_.constants.end())
      place.constant = it->second;
    return place;
  }

  void FindPlaces() {
    for (const ResourceField& r : kResourceFields) {
      const Place place = PlaceOf(std::string(r.field));
      if (place.present()) resource_places_.emplace_back(r.attribute, place);
    }
    const auto add_free = [&](const std::string& field) {
      if (field.starts_with(kResourcePrefix))
        resource_places_.emplace_back(std::string_view(field).substr(kResourcePrefix.size()),
                                      PlaceOf(field));
    };
    for (const auto& entry : mapping_.columns) add_free(entry.first);
    for (const auto& entry : mapping_.constants) {
      if (mapping_.columns.count(entry.first) == 0) add_free(entry.first);
    }
    at_.metric = PlaceOf("metric");
    at_.value = PlaceOf("value");
    at_.unit = PlaceOf("unit");
    at_.name = PlaceOf("name");
    at_.trace_id = PlaceOf("trace_id");
    at_.span_id = PlaceOf("span_id");
    at_.parent = PlaceOf("parent_span_id");
    at_.end = PlaceOf("end");
    at_.duration = PlaceOf("duration");
    at_.kind = PlaceOf("kind");
    at_.status = PlaceOf("status");
    at_.severity = PlaceOf("severity");
    at_.body = PlaceOf("body");
    at_.client_address = PlaceOf("client_address");
    at_.source_address = PlaceOf("source_address");
    at_.source_port = PlaceOf("source_port");
    at_.destination_address = PlaceOf("destination_address");
    at_.destination_port = PlaceOf("destination_port");
    at_.protocol = PlaceOf("protocol");
    at_.bytes = PlaceOf("bytes");
    at_.packets = PlaceOf("packets");
    at_.sampling = PlaceOf("sampling");
  }

  ResourceId FindResource(const Row& row) {
    key_.assign("csv");
    for (const auto& [attribute, place] : resource_places_)
      key_.append(1, '\0').append(attribute).append(1, '\0').append(place.In(row));
    return context_.identities->resources.FindOrAdd(telemetry::FingerprintOf(key_), [&] {
      telemetry::Resource resource;
      telemetry::Share sender = telemetry::ShareOf({});
      for (const auto& [attribute, place] : resource_places_)
        if (attribute == "service.name") sender = telemetry::ShareOf(place.In(row));
      for (const auto& [attribute, place] : resource_places_) {
        if (!place.In(row).empty())
          resource.attributes.emplace_back(strings_.Intern(attribute),
                                           strings_.Intern(place.In(row), sender));
      }
      if (context_.complete_resource) context_.complete_resource(&resource);
      return resource;
    });
  }

  void OnSample(const Row& row, bool timed, Nanos time) {
    const std::string_view metric = at_.metric.In(row);
    const std::string_view value = at_.value.In(row);
    if (value.empty()) return;  // a cell without a value is no record
    tally_.Received();
    if (metric.empty()) return tally_.Lose(Reason::kMalformed);
    if (!timed) return tally_.Lose(Reason::kBadTime);
    AddSample(row, SenderOf(row), metric, at_.unit.In(row), value, time);
  }

  void OnWideRow(const Row& row, bool timed, Nanos time) {
    const Sender sender = SenderOf(row);
    for (const size_t column : metric_columns_) {
      if (row[column].empty()) continue;
      tally_.Received();
      if (timed) {
        AddSample(row, sender, header_[column], at_.unit.In(row), row[column], time);
      } else {
        tally_.Lose(Reason::kBadTime);
      }
    }
  }

  /// What all samples of a row share.
  struct Sender {
    ResourceId resource;
    Fingerprint labels;
  };
  Sender SenderOf(const Row& row) {
    Sender sender;
    sender.resource = FindResource(row);  // leaves its key in key_
    for (const size_t column : label_columns_) key_.append(1, '\0').append(row[column]);
    key_.append(1, '\0').append(at_.unit.In(row));
    sender.labels = telemetry::FingerprintOf(key_);
    return sender;
  }

  void AddSample(const Row& row, const Sender& sender, std::string_view metric,
                 std::string_view unit, std::string_view text, Nanos time) {
    double value = 0;
    if (!ParseDouble(text, &value)) return tally_.Lose(Reason::kMalformed);
    if (!std::isfinite(value)) return tally_.Lose(Reason::kNonFinite);
    if (sender.resource == telemetry::kNoResource) return tally_.Lose(Reason::kResourceLimit);
    const Fingerprint name = telemetry::FingerprintOf(metric, sender.labels.lo);
    const Fingerprint both{name.hi ^ sender.labels.hi, name.lo};
    std::optional<Reason> repaired;
    const SeriesId id = context_.identities->series.FindOrAdd(both, [&] {
      telemetry::Series series;
      series.resource = sender.resource;
      series.share = context_.identities->resources.Get(sender.resource).share;
      series.metric = strings_.Intern(metric, series.share);
      series.unit = strings_.Intern(unit, series.share);
      series.kind = telemetry::MetricKind::kGauge;
      for (const size_t column : label_columns_) {
        if (!row[column].empty())
          series.labels.emplace_back(strings_.Intern(header_[column]),
                                     strings_.Intern(row[column], series.share));
      }
      if (context_.complete_series) context_.complete_series(&series);
      if (telemetry::HasOverflow(series)) repaired = Reason::kNameLimit;
      return series;
    });
    if (id == telemetry::kNoSeries) return tally_.Lose(Reason::kSeriesLimit);
    batch_.samples.series.push_back(id);
    batch_.samples.time_ns.push_back(time);
    batch_.samples.start_ns.push_back(0);
    batch_.samples.value.push_back(value);
    CountKept(repaired);
  }

  void OnSpan(const Row& row, bool timed, Nanos start) {
    telemetry::TraceId trace_id;
    uint64_t span_id = 0;
    tally_.Received();
    ++spans_read_;
    const bool without_ids = at_.trace_id.In(row).empty() && at_.span_id.In(row).empty();
    if (!without_ids && (!ParseTraceHex(at_.trace_id.In(row), &trace_id) ||
                         !ParseSpanHex(at_.span_id.In(row), &span_id)))
      return tally_.Lose(Reason::kMissingId);
    Nanos end = 0;
    if (!timed || !EndOf(row, start, &end)) return tally_.Lose(Reason::kBadTime);
    const ResourceId resource = FindResource(row);
    if (resource == telemetry::kNoResource) return tally_.Lose(Reason::kResourceLimit);
    if (without_ids) MakeIds(row, &trace_id, &span_id);
    uint64_t parent = 0;
    if (!without_ids) (void)ParseSpanHex(at_.parent.In(row), &parent);

    telemetry::SpanBatch& out = batch_.spans;
    out.trace_id.push_back(trace_id);
    out.span_id.push_back(span_id);
    out.parent_span_id.push_back(parent);
    out.start_ns.push_back(start);
    out.end_ns.push_back(std::max(start, end));
    out.kind.push_back(ParseSpanKind(at_.kind.In(row)));
    out.status.push_back(ParseSpanStatus(at_.status.In(row)));
    out.resource.push_back(resource);
    out.name.push_back(
        strings_.Intern(telemetry::CutText(at_.name.In(row), context_.limits.max_text_bytes),
                        context_.identities->resources.Get(resource).share));
    out.trace_state.push_back(telemetry::kEmptyString);
    std::optional<Reason> repaired = WriteLabels(row, &out.attributes, at_.client_address.In(row));
    if (out.name.back() == telemetry::kOverflow) repaired = Reason::kNameLimit;
    if (without_ids && at_.trace_id.present()) repaired = Reason::kNoIds;
    if (end < start) repaired = Reason::kNegativeDuration;
    CountKept(repaired);
  }

  /// The same for the same file, and others for equal rows of it or of another sender.
  void MakeIds(const Row& row, telemetry::TraceId* trace_id, uint64_t* span_id) {
    for (const std::string_view field : row)
      key_.append(1, '\0').append(field);  // after the sender
    const Fingerprint made = telemetry::FingerprintOf(key_, spans_read_);
    *trace_id = {made.hi, made.lo | 1};
    *span_id = made.lo | 1;
  }

  void OnFlow(const Row& row, bool timed, Nanos start) {
    tally_.Received();
    Nanos end = start;
    const bool ends = at_.end.present() || at_.duration.present();
    if (!timed || (ends && !EndOf(row, start, &end))) return tally_.Lose(Reason::kBadTime);
    const std::string_view source = at_.source_address.In(row);
    const std::string_view destination = at_.destination_address.In(row);
    uint16_t source_port = 0, destination_port = 0;
    double sampling = 1;
    if (source.empty() || destination.empty() || source.size() > kMaxAddress ||
        destination.size() > kMaxAddress || !ParseWhole(at_.source_port.In(row), &source_port) ||
        !ParseWhole(at_.destination_port.In(row), &destination_port) ||
        (!at_.sampling.In(row).empty() &&
         (!ParseDouble(at_.sampling.In(row), &sampling) || !(sampling > 0 && sampling <= 1))))
      return tally_.Lose(Reason::kMalformed);
    const ResourceId resource = FindResource(row);
    if (resource == telemetry::kNoResource) return tally_.Lose(Reason::kResourceLimit);
    const telemetry::Share share = context_.identities->resources.Get(resource).share;

    telemetry::FlowBatch& out = batch_.flows;
    out.start_ns.push_back(start);
    out.end_ns.push_back(std::max(start, end));
    out.resource.push_back(resource);
    out.source_address.push_back(strings_.Intern(source, share));
    out.destination_address.push_back(strings_.Intern(destination, share));
    out.source_port.push_back(source_port);
    out.destination_port.push_back(destination_port);
    out.protocol.push_back(ParseProtocol(at_.protocol.In(row)));
    uint64_t bytes = 0, packets = 0;
    (void)ParseWhole(at_.bytes.In(row), &bytes);
    (void)ParseWhole(at_.packets.In(row), &packets);
    out.bytes.push_back(bytes);
    out.packets.push_back(packets);
    out.weight.push_back(static_cast<float>(1 / sampling));
    std::optional<Reason> repaired;
    if (out.source_address.back() == telemetry::kOverflow ||
        out.destination_address.back() == telemetry::kOverflow)
      repaired = Reason::kNameLimit;
    if (end < start) repaired = Reason::kNegativeDuration;
    CountKept(repaired);
  }

  bool EndOf(const Row& row, Nanos start, Nanos* end) const {
    if (at_.end.present()) return ParseTimeIn(at_.end.In(row), mapping_.time_unit, end);
    Nanos duration = 0;
    return ParseLengthIn(at_.duration.In(row), mapping_.duration_unit, &duration) &&
           !__builtin_add_overflow(start, duration, end);
  }

  void OnLog(const Row& row, bool timed, Nanos time) {
    tally_.Received();
    const ResourceId resource = FindResource(row);
    if (!timed) return tally_.Lose(Reason::kBadTime);
    if (resource == telemetry::kNoResource) return tally_.Lose(Reason::kResourceLimit);
    telemetry::TraceId trace_id;
    uint64_t span_id = 0;
    (void)ParseTraceHex(at_.trace_id.In(row), &trace_id);
    (void)ParseSpanHex(at_.span_id.In(row), &span_id);

    telemetry::LogBatch& out = batch_.logs;
    out.time_ns.push_back(time);
    out.observed_ns.push_back(time);
    out.severity.push_back(ParseSeverity(at_.severity.In(row)));
    out.resource.push_back(resource);
    out.trace_id.push_back(trace_id);
    out.span_id.push_back(span_id);
    out.event_name.push_back(telemetry::kEmptyString);
    const std::string_view body =
        telemetry::CutText(at_.body.In(row), context_.limits.max_body_bytes);
    out.bodies.append(body);
    out.body_end.push_back(out.bodies.size());
    std::optional<Reason> repaired = WriteLabels(row, &out.attributes, {});
    if (body.size() < at_.body.In(row).size()) repaired = Reason::kTruncatedValue;
    CountKept(repaired);
  }

  std::optional<Reason> WriteLabels(const Row& row, telemetry::AttributeTable* table,
                                    std::string_view client_address) {
    AttributeWriter attributes(table, &strings_, context_.limits);
    if (!client_address.empty()) attributes.Text("client.address", client_address);
    for (const size_t column : label_columns_) {
      if (!row[column].empty()) attributes.Text(header_[column], row[column]);
    }
    return attributes.EndRow();
  }

  void CountKept(std::optional<Reason> repaired) {
    if (repaired) {
      tally_.Lose(*repaired);
    } else {
      tally_.Keep();
    }
  }

  void HandOut(const BatchSink& sink) {
    if (batch_.rows() == 0) return;
    batch_.origin.format = Format::kCsv;
    batch_.origin.received_ns = context_.clock->Now();
    tally_.Commit();
    sink(std::move(batch_));
    batch_ = Batch();
  }

  const DecodeContext context_;
  const Mapping mapping_;
  telemetry::Interner& strings_;
  CsvRows rows_;
  Tally tally_;
  Status broken_;  // a header that doesn't fit the mapping: nothing can be read
  Batch batch_;
  std::string key_;

  std::vector<std::string> header_;
  int time_ = kAbsent;
  std::vector<size_t> label_columns_;   // labels or attributes
  std::vector<size_t> metric_columns_;  // wide form
  std::vector<std::pair<std::string_view, Place>> resource_places_;
  struct {
    Place metric, value, unit, name, trace_id, span_id, parent, end, duration, kind, status,
        severity, body, client_address, source_address, source_port, destination_address,
        destination_port, protocol, bytes, packets, sampling;
  } at_;
  uint64_t spans_read_ = 0;
};

}  // namespace

std::unique_ptr<StreamDecoder> NewCsvDecoder(DecodeContext context, Mapping mapping) {
  return std::make_unique<CsvDecoder>(std::move(context), std::move(mapping));
}

}  // namespace tomograph::ingest::csv
