#include <charconv>
#include <cmath>
#include <string>
#include <vector>

#include "ingest/otlp/histogram.h"
#include "ingest/otlp/signals.h"
#include "ingest/otlp/wire.h"

namespace tomograph::ingest::otlp {

using telemetry::MetricKind;
using telemetry::Reason;
using telemetry::SampleBatch;
using telemetry::SeriesId;
using telemetry::Temporality;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// What the points of one metric share.
struct Metric {
  ByteView name, unit;
  MetricKind kind = MetricKind::kUnknown;
  Temporality temporality = Temporality::kUnspecified;
};

/// What all kinds of point have.
struct PointFrame {
  std::vector<ByteView> attributes;
  uint64_t start = 0, time = 0, flags = 0;
  void Clear() {
    attributes.clear();
    start = time = flags = 0;
  }
  bool no_value() const { return (flags & 1) != 0; }
};

struct PointTime {
  Nanos start, time;
};

/// Packed or one by one: both are allowed for a repeated number.
void AppendFixed64(protozero::pbf_reader& reader, std::vector<uint64_t>* out) {
  if (reader.wire_type() == protozero::pbf_wire_type::fixed64)
    return out->push_back(reader.get_fixed64());
  for (const uint64_t v : reader.get_packed_fixed64()) out->push_back(v);
}
void AppendDoubles(protozero::pbf_reader& reader, std::vector<double>* out) {
  if (reader.wire_type() == protozero::pbf_wire_type::fixed64)
    return out->push_back(reader.get_double());
  for (const double v : reader.get_packed_double()) out->push_back(v);
}
void AppendVarints(protozero::pbf_reader& reader, std::vector<uint64_t>* out) {
  if (reader.wire_type() == protozero::pbf_wire_type::varint)
    return out->push_back(reader.get_uint64());
  for (const uint64_t v : reader.get_packed_uint64()) out->push_back(v);
}

class MetricDecoder {
 public:
  MetricDecoder(Pass* pass, SampleBatch* samples)
      : pass_(*pass),
        values_(pass->values),
        samples_(*samples),
        scope_key_(pass->context.identities->strings.Intern("otel.scope.name")),
        quantile_key_(pass->context.identities->strings.Intern("quantile")) {}

  void Request(ByteView request) {
    protozero::pbf_reader reader = Reader(request);
    while (reader.next(1, protozero::pbf_wire_type::length_delimited)) {
      const ByteView block = View(reader);
      resource_ = FindResource(block, &pass_);
      protozero::pbf_reader scopes = Reader(block);
      while (scopes.next(2, protozero::pbf_wire_type::length_delimited)) Scope(View(scopes));
    }
  }

 private:
  void Scope(ByteView bytes) {
    scope_ = {};
    scope_name_ = {};
    protozero::pbf_reader first = Reader(bytes);
    while (first.next(1, protozero::pbf_wire_type::length_delimited)) scope_ = View(first);
    protozero::pbf_reader names = Reader(scope_);
    while (names.next(1, protozero::pbf_wire_type::length_delimited)) scope_name_ = View(names);
    protozero::pbf_reader reader = Reader(bytes);
    while (reader.next(2, protozero::pbf_wire_type::length_delimited)) ReadMetric(View(reader));
  }

  // -------------------------------------------------------------------------------------------------
  // Metric -> points

  void ReadMetric(ByteView bytes) {
    metric_ = {};
    protozero::pbf_reader reader = Reader(bytes);
    ByteView data;
    uint32_t which = 0;
    bool strange = false;  // something that a metric does not have
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case Bytes(1):
          metric_.name = View(reader);
          break;
        case Bytes(3):
          metric_.unit = View(reader);
          break;
        case Bytes(5):
        case Bytes(7):
        case Bytes(9):
        case Bytes(10):
        case Bytes(11):
          which = reader.tag();
          data = View(reader);
          break;
        case Bytes(2):   // description
        case Bytes(12):  // metadata
          reader.skip();
          break;
        default:
          strange = true;
          reader.skip();
      }
    }
    strange = !ReadKind(which, data) || strange;
    // One layout for the fingerprint, whatever the order of fields on the wire.
    identity_.clear();
    AppendIdentity(ByteView(reinterpret_cast<const char*>(&resource_.fingerprint),
                            sizeof resource_.fingerprint));
    AppendIdentity(scope_);
    AppendIdentity(metric_.name);
    AppendIdentity(metric_.unit);
    identity_.push_back(static_cast<char>(metric_.kind));
    identity_.push_back(static_cast<char>(metric_.temporality));
    const size_t shared = identity_.size();
    protozero::pbf_reader points = Reader(data);
    bool any = false;
    while (points.next(1, protozero::pbf_wire_type::length_delimited)) {
      any = true;
      identity_.resize(shared);
      Point(which, View(points));
    }
    // A metric may have no points; what is none at all (spans, sent here) must not vanish.
    if (any || !strange) return;
    pass_.tally.Received();
    pass_.tally.Drop(which == 0 ? Reason::kUnsupported : Reason::kMalformed);
  }

  /// False when `data` has fields, and none that data of a metric has.
  bool ReadKind(uint32_t which, ByteView data) {
    bool monotonic = false, known = data.empty();
    int32_t temporality = 0;
    protozero::pbf_reader reader = Reader(data);
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case Bytes(1):  // a point
          known = true;
          reader.skip();
          break;
        case Varint(2):
          known = true;
          temporality = reader.get_enum();
          break;
        case Varint(3):
          known = true;
          monotonic = reader.get_uint64() != 0;
          break;
        default:
          reader.skip();
      }
    }
    static constexpr Temporality kKnown[] = {Temporality::kUnspecified, Temporality::kDelta,
                                             Temporality::kCumulative};
    if (temporality >= 0 && temporality <= 2) metric_.temporality = kKnown[temporality];
    switch (which) {
      case 5:
        metric_.kind = MetricKind::kGauge;
        break;
      case 7:
        metric_.kind = monotonic ? MetricKind::kCounter : MetricKind::kUpDownCounter;
        break;
      case 9:
      case 10:
        metric_.kind = MetricKind::kHistogram;
        break;
      case 11:
        metric_.kind = MetricKind::kSummary;
        break;
      default:
        break;
    }
    return known;
  }

  void Point(uint32_t which, ByteView bytes) {
    frame_.Clear();
    if (pass_.TooLarge(bytes)) {
      pass_.tally.Received();
      return pass_.tally.Drop(Reason::kTooLarge);
    }
    if (which == 11) return SummaryPoint(bytes);
    pass_.tally.Received();
    switch (which) {
      case 9:
        return HistogramPoint(bytes);
      case 10:
        return ExponentialHistogramPoint(bytes);
      default:
        return NumberPoint(bytes);
    }
  }

  void NumberPoint(ByteView bytes) {
    std::optional<double> value;
    protozero::pbf_reader reader = Reader(bytes);
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case Fixed64(2):
          frame_.start = reader.get_fixed64();
          break;
        case Fixed64(3):
          frame_.time = reader.get_fixed64();
          break;
        case Fixed64(4):
          value = reader.get_double();
          break;
        case Fixed64(6):
          value = static_cast<double>(reader.get_sfixed64());
          break;
        case Bytes(7):
          frame_.attributes.push_back(View(reader));
          break;
        case Varint(8):
          frame_.flags = reader.get_uint64();
          break;
        default:
          reader.skip();  // exemplars, too
      }
    }
    Repairs repairs;
    const std::optional<PointTime> time = Admit();
    if (!time) return;
    if (frame_.no_value()) return Stale(*time);
    if (!value) return pass_.tally.Drop(Reason::kMalformed);
    if (!std::isfinite(*value)) return pass_.tally.Drop(Reason::kNonFinite);
    const SeriesId series = FindSeries({}, {}, &repairs);
    if (series == telemetry::kNoSeries) return pass_.tally.Drop(Reason::kSeriesLimit);
    AddSample(series, *time, *value);
    pass_.tally.Keep(repairs);
  }

  void HistogramPoint(ByteView bytes) {
    uint64_t count = 0;
    double sum = kNaN, min = kNaN, max = kNaN;
    counts_.clear();
    bounds_.clear();
    protozero::pbf_reader reader = Reader(bytes);
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case Fixed64(2):
          frame_.start = reader.get_fixed64();
          break;
        case Fixed64(3):
          frame_.time = reader.get_fixed64();
          break;
        case Fixed64(4):
          count = reader.get_fixed64();
          break;
        case Fixed64(5):
          sum = reader.get_double();
          break;
        case Fixed64(6):
        case Bytes(6):
          AppendFixed64(reader, &counts_);
          break;
        case Fixed64(7):
        case Bytes(7):
          AppendDoubles(reader, &bounds_);
          break;
        case Bytes(9):
          frame_.attributes.push_back(View(reader));
          break;
        case Varint(10):
          frame_.flags = reader.get_uint64();
          break;
        case Fixed64(11):
          min = reader.get_double();
          break;
        case Fixed64(12):
          max = reader.get_double();
          break;
        default:
          reader.skip();
      }
    }
    Repairs repairs;
    const std::optional<PointTime> time = Admit(counts_.size());
    if (!time) return;
    if (frame_.no_value()) return Stale(*time);
    if (!ExplicitBuckets(&bounds_, &counts_, &count, &buckets_, &repairs)) {
      return pass_.tally.Drop(Reason::kMalformed);
    }
    AddHistogram(*time, count, sum, min, max, &repairs);
  }

  void ExponentialHistogramPoint(ByteView bytes) {
    uint64_t count = 0;
    double sum = kNaN, min = kNaN, max = kNaN;
    exponential_ = {};
    protozero::pbf_reader reader = Reader(bytes);
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case Bytes(1):
          frame_.attributes.push_back(View(reader));
          break;
        case Fixed64(2):
          frame_.start = reader.get_fixed64();
          break;
        case Fixed64(3):
          frame_.time = reader.get_fixed64();
          break;
        case Fixed64(4):
          count = reader.get_fixed64();
          break;
        case Fixed64(5):
          sum = reader.get_double();
          break;
        case Varint(6):
          exponential_.scale = reader.get_sint32();
          break;
        case Fixed64(7):
          exponential_.zero_count = reader.get_fixed64();
          break;
        case Bytes(8):
          ReadSide(View(reader), &exponential_.positive);
          break;
        case Bytes(9):
          ReadSide(View(reader), &exponential_.negative);
          break;
        case Varint(10):
          frame_.flags = reader.get_uint64();
          break;
        case Fixed64(12):
          min = reader.get_double();
          break;
        case Fixed64(13):
          max = reader.get_double();
          break;
        case Fixed64(14):
          exponential_.zero_threshold = reader.get_double();
          break;
        default:
          reader.skip();
      }
    }
    Repairs repairs;
    const std::optional<PointTime> time =
        Admit(exponential_.positive.counts.size() + exponential_.negative.counts.size());
    if (!time) return;
    if (frame_.no_value()) return Stale(*time);
    if (!ExponentialBuckets(exponential_, &count, &buckets_, &repairs)) {
      return pass_.tally.Drop(Reason::kMalformed);
    }
    AddHistogram(*time, count, sum, min, max, &repairs);
  }

  static void ReadSide(ByteView bytes, ExponentialSide* side) {
    protozero::pbf_reader reader = Reader(bytes);
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case Varint(1):
          side->offset = reader.get_sint32();
          break;
        case Varint(2):
        case Bytes(2):
          AppendVarints(reader, &side->counts);
          break;
        default:
          reader.skip();
      }
    }
  }

  /// A summary is read as the series that Prometheus makes of it: quantiles, _sum and _count. Each
  /// of them is a record.
  void SummaryPoint(ByteView bytes) {
    uint64_t count = 0;
    double sum = 0;
    quantiles_.clear();
    protozero::pbf_reader reader = Reader(bytes);
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case Fixed64(2):
          frame_.start = reader.get_fixed64();
          break;
        case Fixed64(3):
          frame_.time = reader.get_fixed64();
          break;
        case Fixed64(4):
          count = reader.get_fixed64();
          break;
        case Fixed64(5):
          sum = reader.get_double();
          break;
        case Bytes(6):
          // NaN: no observation lately. That is nothing missing and nothing to keep.
          if (const Quantile q = ReadQuantile(View(reader)); !std::isnan(q.value))
            quantiles_.push_back(q);
          break;
        case Bytes(7):
          frame_.attributes.push_back(View(reader));
          break;
        case Varint(8):
          frame_.flags = reader.get_uint64();
          break;
        default:
          reader.skip();
      }
    }
    const size_t parts = quantiles_.size() + 2;
    pass_.tally.Received(parts);
    const std::optional<PointTime> time = Admit(0, parts);
    if (!time) return;
    const bool stale = frame_.no_value();
    for (const Quantile& q : quantiles_) {
      char text[32];
      const char* end = std::to_chars(text, text + sizeof text, q.quantile).ptr;
      AddSummaryPart({}, {text, static_cast<size_t>(end - text)}, *time, q.value);
    }
    AddSummaryPart("_count", {}, *time, stale ? kNaN : static_cast<double>(count));
    AddSummaryPart("_sum", {}, *time, stale ? kNaN : sum);
  }

  struct Quantile {
    double quantile = 0, value = 0;
  };
  static Quantile ReadQuantile(ByteView bytes) {
    Quantile q;
    protozero::pbf_reader reader = Reader(bytes);
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case Fixed64(1):
          q.quantile = reader.get_double();
          break;
        case Fixed64(2):
          q.value = reader.get_double();
          break;
        default:
          reader.skip();
      }
    }
    return q;
  }

  void AddSummaryPart(std::string_view suffix, std::string_view quantile, PointTime time,
                      double value) {
    if (std::isinf(value)) return pass_.tally.Drop(Reason::kNonFinite);
    const size_t shared = identity_.size();
    Repairs repairs;
    const SeriesId series = FindSeries(suffix, quantile, &repairs);
    identity_.resize(shared);
    if (series == telemetry::kNoSeries) return pass_.tally.Drop(Reason::kSeriesLimit);
    AddSample(series, time, value);
    pass_.tally.Keep(repairs);
  }

  // -------------------------------------------------------------------------------------------------
  // Points -> rows

  /// What every point must have; nothing (and its records counted as dropped) when it lacks it.
  std::optional<PointTime> Admit(size_t buckets = 0, size_t records = 1) {
    const auto refuse = [&](Reason reason) {
      pass_.tally.Drop(reason, records);
      return std::nullopt;
    };
    if (!pass_.Take(frame_.attributes.size() + buckets + records)) return refuse(Reason::kTooLarge);
    if (resource_.resource == telemetry::kNoResource) return refuse(Reason::kResourceLimit);
    const std::optional<Nanos> time = ReadTime(frame_.time);
    if (!time || *time == 0) return refuse(Reason::kBadTime);
    return PointTime{ReadTime(frame_.start).value_or(0), *time};
  }

  void Stale(PointTime time) {
    Repairs repairs;
    const SeriesId series = FindSeries({}, {}, &repairs);
    if (series == telemetry::kNoSeries) return pass_.tally.Drop(Reason::kSeriesLimit);
    AddSample(series, time, kNaN);
    pass_.tally.Keep(repairs);
  }

  void AddSample(SeriesId series, PointTime time, double value) {
    samples_.series.push_back(series);
    samples_.time_ns.push_back(time.time);
    samples_.start_ns.push_back(time.start);
    samples_.value.push_back(value);
  }

  void AddHistogram(PointTime time, uint64_t count, double sum, double min, double max,
                    Repairs* repairs) {
    const SeriesId series = FindSeries({}, {}, repairs);
    if (series == telemetry::kNoSeries) return pass_.tally.Drop(Reason::kSeriesLimit);
    const auto finite = [](double v) { return std::isfinite(v) ? v : kNaN; };
    auto& h = samples_.histograms;
    h.series.push_back(series);
    h.time_ns.push_back(time.time);
    h.start_ns.push_back(time.start);
    h.count.push_back(count);
    h.sum.push_back(finite(sum));
    h.min.push_back(finite(min));
    h.max.push_back(finite(max));
    h.upper_bound.insert(h.upper_bound.end(), buckets_.upper_bound.begin(),
                         buckets_.upper_bound.end());
    h.bucket_count.insert(h.bucket_count.end(), buckets_.count.begin(), buckets_.count.end());
    h.bucket_end.push_back(static_cast<uint32_t>(h.upper_bound.size()));
    pass_.tally.Keep(*repairs);
  }

  void AppendIdentity(ByteView part) {
    const uint32_t size = static_cast<uint32_t>(part.size());
    identity_.append(reinterpret_cast<const char*>(&size), sizeof size);
    identity_.append(part);
  }

  /// `suffix` and `quantile` tell the parts of a summary apart.
  SeriesId FindSeries(std::string_view suffix, std::string_view quantile, Repairs* repairs) {
    for (const ByteView attribute : frame_.attributes) AppendIdentity(attribute);
    AppendIdentity(suffix);
    AppendIdentity(quantile);
    return pass_.context.identities->series.FindOrAdd(
        telemetry::FingerprintOf(identity_), [&] { return MakeSeries(suffix, quantile, repairs); });
  }

  telemetry::Series MakeSeries(std::string_view suffix, std::string_view quantile,
                               Repairs* repairs) {
    telemetry::Series series;
    series.resource = resource_.resource;
    series.share = pass_.context.identities->resources.Get(resource_.resource).share;
    series.metric = values_.Intern(std::string(metric_.name) + std::string(suffix), repairs);
    series.unit = values_.Intern(suffix == "_count" ? ByteView() : metric_.unit, repairs);
    series.kind = suffix.empty() ? metric_.kind : MetricKind::kCounter;
    series.temporality = suffix.empty() ? metric_.temporality : Temporality::kCumulative;
    const size_t limit = pass_.context.limits.max_attributes;
    if (frame_.attributes.size() > limit) repairs->Note(Reason::kTooManyAttributes);
    for (size_t i = 0; i < std::min(limit, frame_.attributes.size()); ++i) {
      series.labels.push_back(values_.Label(frame_.attributes[i], repairs));
    }
    if (!quantile.empty())
      series.labels.emplace_back(quantile_key_, values_.Intern(quantile, repairs));
    if (!scope_name_.empty())
      series.labels.emplace_back(scope_key_, values_.Intern(scope_name_, repairs));
    if (pass_.context.complete_series) pass_.context.complete_series(&series);
    return series;
  }

  Pass& pass_;
  Values& values_;
  SampleBatch& samples_;
  const telemetry::StringId scope_key_, quantile_key_;
  ResourceBlock resource_;
  ByteView scope_, scope_name_;
  Metric metric_;
  std::string identity_;
  PointFrame frame_;
  std::vector<uint64_t> counts_;
  std::vector<double> bounds_;
  std::vector<Quantile> quantiles_;
  ExponentialPoint exponential_;
  Buckets buckets_;
};

}  // namespace

void DecodeMetrics(ByteView request, Pass* pass, SampleBatch* samples) {
  MetricDecoder(pass, samples).Request(request);
}

}  // namespace tomograph::ingest::otlp
