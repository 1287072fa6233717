#include "ingest/prometheus/remote_write.h"

#include <snappy.h>

#include <cmath>
#include <cstring>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "ingest/prometheus/series_labels.h"
#include "ingest/tally.h"

namespace tomograph::ingest::prometheus {
namespace {

using protozero::pbf_reader;
using telemetry::Format;
using telemetry::MetricKind;
using telemetry::Reason;
using telemetry::SampleBatch;
using telemetry::SeriesId;

constexpr uint64_t kMaxSamples = 1'000'000;
constexpr size_t kMaxFamilies = 100'000;
constexpr int64_t kMaxMillis = INT64_MAX / kMillisecond;

// Field numbers of prompb's messages.
enum WriteRequest : uint32_t { kTimeSeries = 1, kMetadata = 3 };
enum TimeSeries : uint32_t { kLabels = 1, kSamples = 2, kNativeHistograms = 4 };
enum Pair : uint32_t { kName = 1, kValue = 2 };
enum Sample : uint32_t { kSampleValue = 1, kTimestamp = 2 };
enum Metadata : uint32_t { kType = 1, kFamily = 2, kUnit = 5 };

std::string_view View(protozero::data_view v) { return {v.data(), v.size()}; }

MetricKind KindOf(int32_t type) {
  switch (type) {
    case 1:
      return MetricKind::kCounter;
    case 2:
      return MetricKind::kGauge;
    case 3:
      return MetricKind::kHistogram;
    case 5:
      return MetricKind::kSummary;
    default:
      return MetricKind::kUnknown;
  }
}

using MetadataByFamily = std::unordered_map<std::string_view, MetricFacts>;

MetadataByFamily ReadMetadata(ByteView message) {
  MetadataByFamily found;
  pbf_reader request(message.data(), message.size());
  while (found.size() < kMaxFamilies &&
         request.next(kMetadata, protozero::pbf_wire_type::length_delimited)) {
    pbf_reader metadata = request.get_message();
    std::string_view family;
    MetricFacts facts;
    while (metadata.next()) {
      switch (metadata.tag_and_type()) {
        case protozero::tag_and_type(kType, protozero::pbf_wire_type::varint):
          facts.kind = KindOf(metadata.get_enum());
          break;
        case protozero::tag_and_type(kFamily, protozero::pbf_wire_type::length_delimited):
          family = View(metadata.get_view());
          break;
        case protozero::tag_and_type(kUnit, protozero::pbf_wire_type::length_delimited):
          facts.unit = View(metadata.get_view());
          break;
        default:
          metadata.skip();
      }
    }
    found.emplace(family, facts);
  }
  return found;
}

/// The family's metadata speaks of `x`; its parts are `x_total`, `x_bucket`, `x_sum` and `x_count`,
/// which are counters each, whatever the family is.
MetricFacts FactsOf(std::string_view metric, const MetadataByFamily& metadata) {
  if (const auto it = metadata.find(metric); it != metadata.end()) return it->second;
  MetricFacts facts{KindBySuffix(metric), {}};
  if (facts.kind == MetricKind::kUnknown) return facts;
  const auto family = metadata.find(metric.substr(0, metric.rfind('_')));
  if (family != metadata.end() && !metric.ends_with("_count")) facts.unit = family->second.unit;
  return facts;
}

/// Walks the series of one request into a SampleBatch.
class RequestReader {
 public:
  RequestReader(ByteView message, const DecodeContext& context, SampleBatch* out, Tally* tally)
      : message_(message), context_(context), out_(out), tally_(tally) {}

  /// False, and the rest is not read, when there are too many samples.
  bool Read() {
    metadata_ = ReadMetadata(message_);
    pbf_reader request(message_.data(), message_.size());
    while (!too_many() && request.next()) {
      if (request.tag_and_type() ==
          protozero::tag_and_type(kTimeSeries, protozero::pbf_wire_type::length_delimited)) {
        ReadSeries(request.get_message());
      } else {
        request.skip();
      }
    }
    return !too_many();
  }

 private:
  bool too_many() const { return tally_->received() > kMaxSamples; }

  void ReadSeries(pbf_reader series) {
    const size_t first_row = out_->rows();
    Collected labels;
    size_t label_count = 0;
    const char* field_start = series.data().data();
    while (!too_many() && series.next()) {
      switch (series.tag_and_type()) {
        case protozero::tag_and_type(kLabels, protozero::pbf_wire_type::length_delimited):
          series.skip();
          Collect(&labels, field_start, series.data().data());
          ++label_count;
          break;
        case protozero::tag_and_type(kSamples, protozero::pbf_wire_type::length_delimited):
          ReadSample(series.get_message());
          break;
        case protozero::tag_and_type(kNativeHistograms, protozero::pbf_wire_type::length_delimited):
          series.skip();
          tally_->Received();
          tally_->Lose(Reason::kUnsupported);
          break;
        default:
          series.skip();
      }
      field_start = series.data().data();
    }
    const size_t samples = out_->time_ns.size() - first_row;
    if (samples == 0) return;
    const Limits& limits = context_.limits;
    const bool too_large =
        label_count > limits.max_attributes || labels.bytes.size() > limits.max_text_bytes;
    if (too_large) return Drop(first_row, Reason::kTooLarge);
    const SeriesId id = FindSeries(labels.bytes);
    if (id == telemetry::kNoSeries) return Drop(first_row, Reason::kSeriesLimit);
    const telemetry::Series& known = context_.identities->series.Get(id);
    if (known.metric == telemetry::kEmptyString) return Drop(first_row, Reason::kMalformed);
    if (known.resource == telemetry::kNoResource) return Drop(first_row, Reason::kResourceLimit);
    out_->series.resize(first_row + samples, id);
    out_->start_ns.resize(first_row + samples, 0);
    if (names_lost_) {
      tally_->Lose(Reason::kNameLimit, samples);
    } else {
      tally_->Keep(samples);
    }
  }

  /// The bytes of the label fields, tags included: one stretch of the message as all senders write
  /// it, put together only when other fields lie between.
  struct Collected {
    std::string_view bytes;
    std::string copy;
  };
  static void Collect(Collected* labels, const char* from, const char* to) {
    std::string_view& bytes = labels->bytes;
    if (bytes.empty()) {
      bytes = {from, static_cast<size_t>(to - from)};
    } else if (labels->copy.empty() && bytes.data() + bytes.size() == from) {
      bytes = {bytes.data(), static_cast<size_t>(to - bytes.data())};
    } else {
      if (labels->copy.empty()) labels->copy.assign(bytes);
      labels->copy.append(from, to);
      bytes = labels->copy;
    }
  }

  void ReadSample(pbf_reader sample) {
    tally_->Received();
    double value = 0;
    int64_t millis = 0;
    while (sample.next()) {
      switch (sample.tag_and_type()) {
        case protozero::tag_and_type(kSampleValue, protozero::pbf_wire_type::fixed64):
          value = sample.get_double();
          break;
        case protozero::tag_and_type(kTimestamp, protozero::pbf_wire_type::varint):
          millis = sample.get_int64();
          break;
        default:
          sample.skip();
      }
    }
    if (millis == 0 || millis > kMaxMillis || millis < -kMaxMillis)
      return tally_->Lose(Reason::kBadTime);
    if (!std::isfinite(value)) {
      uint64_t bits;
      std::memcpy(&bits, &value, sizeof bits);
      if (bits != kStaleMarkerBits) return tally_->Lose(Reason::kNonFinite);
    }
    out_->time_ns.push_back(millis * kMillisecond);
    out_->value.push_back(value);
  }

  SeriesId FindSeries(std::string_view label_bytes) {
    names_lost_ = false;
    struct {
      RequestReader* self;
      std::string_view bytes;
    } make{this, label_bytes};
    return context_.identities->series.FindOrAdd(
        telemetry::FingerprintOf(label_bytes, static_cast<uint64_t>(Format::kRemoteWrite)),
        [&make] {
          telemetry::Series made = make.self->ParseSeries(make.bytes);
          make.self->names_lost_ = telemetry::HasOverflow(made);
          return made;
        });
  }

  telemetry::Series ParseSeries(std::string_view label_bytes) {
    std::vector<Label> labels;
    std::string_view metric;
    try {
      pbf_reader fields(label_bytes.data(), label_bytes.size());
      while (fields.next()) {
        const Label label = ParseLabel(fields.get_message());
        if (label.name == "__name__") {
          metric = label.value;
        } else if (!label.value.empty()) {  // an empty label is an absent one
          labels.push_back(label);
        }
      }
    } catch (const protozero::exception&) {
      return {};  // under a table's lock: an empty series says that its labels are damaged
    }
    if (metric.empty()) return {};
    return MakeSeries(metric, labels, FactsOf(metric, metadata_), context_);
  }

  static Label ParseLabel(pbf_reader pair) {
    Label label;
    while (pair.next()) {
      switch (pair.tag_and_type()) {
        case protozero::tag_and_type(kName, protozero::pbf_wire_type::length_delimited):
          label.name = View(pair.get_view());
          break;
        case protozero::tag_and_type(kValue, protozero::pbf_wire_type::length_delimited):
          label.value = View(pair.get_view());
          break;
        default:
          pair.skip();
      }
    }
    return label;
  }

  void Drop(size_t first_row, Reason reason) {
    tally_->Lose(reason, out_->time_ns.size() - first_row);
    out_->time_ns.resize(first_row);
    out_->value.resize(first_row);
  }

  ByteView message_;
  const DecodeContext& context_;
  SampleBatch* out_;
  Tally* tally_;
  MetadataByFamily metadata_;
  bool names_lost_ = false;  // of the series at hand, which is seen for the first time
};

void Truncate(SampleBatch* samples, size_t rows) {
  samples->series.resize(rows);
  samples->time_ns.resize(rows);
  samples->start_ns.resize(rows);
  samples->value.resize(rows);
}

Status Refuse(const DecodeContext& context, Reason reason, Status status) {
  CountLostMessage(context.ledger, Format::kRemoteWrite, reason);
  return status;
}

}  // namespace

Status DecodeRemoteWrite(ByteView body, const DecodeContext& context, net::BodyShare* share,
                         telemetry::Batch* batch) {
  size_t plain_bytes = 0;
  if (!snappy::GetUncompressedLength(body.data(), body.size(), &plain_bytes))
    return Refuse(context, Reason::kMalformed, Status::InvalidArgument("not a snappy block"));
  const size_t max_plain_bytes = context.limits.max_plain_bytes;
  if (plain_bytes > max_plain_bytes)
    return Refuse(context, Reason::kTooLarge,
                  Status::ResourceExhausted("uncompresses to " + std::to_string(plain_bytes) +
                                            " bytes, over " + std::to_string(max_plain_bytes)));
  // A block can't grow more than 64 bytes for each 2: a larger claim is a lie not worth the memory.
  const bool can_be = plain_bytes / 32 <= body.size();
  if (can_be && !share->GrowTo(share->bytes() + plain_bytes))
    return Refuse(context, Reason::kBackPressure,
                  Status::Unavailable("no room for this request now"));
  std::string plain;
  if (!can_be || !snappy::Uncompress(body.data(), body.size(), &plain))
    return Refuse(context, Reason::kMalformed, Status::InvalidArgument("damaged snappy block"));

  const size_t rows_before = batch->samples.rows();
  Tally tally(context.ledger, Format::kRemoteWrite, telemetry::Signal::kSample);
  try {
    if (!RequestReader(plain, context, &batch->samples, &tally).Read()) {
      Truncate(&batch->samples, rows_before);
      return Refuse(
          context, Reason::kTooLarge,
          Status::ResourceExhausted("holds more than " + std::to_string(kMaxSamples) + " samples"));
    }
  } catch (const protozero::exception&) {
    Truncate(&batch->samples, rows_before);
    return Refuse(context, Reason::kMalformed, Status::InvalidArgument("damaged WriteRequest"));
  }
  const Losses lost = tally.lost();
  tally.Commit();
  const bool faulty = DroppedOf(lost) > lost[static_cast<size_t>(Reason::kNonFinite)];
  if (faulty && batch->samples.rows() == rows_before)
    return Status::InvalidArgument("nothing of it can be kept: " + ExplainDrops(lost));
  return Status::Ok();
}

}  // namespace tomograph::ingest::prometheus
