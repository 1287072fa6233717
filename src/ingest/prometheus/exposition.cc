#include "ingest/prometheus/exposition.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "ingest/line_splitter.h"
#include "ingest/prometheus/classic_histograms.h"
#include "ingest/prometheus/exposition_line.h"
#include "ingest/prometheus/series_labels.h"
#include "ingest/tally.h"

namespace tomograph::ingest::prometheus {
namespace {

using telemetry::Batch;
using telemetry::Fingerprint;
using telemetry::MetricKind;
using telemetry::Reason;
using telemetry::SeriesId;

constexpr double kFirstMillis = 1e11;
constexpr double kMaxSeconds = static_cast<double>(INT64_MAX / kSecond);

std::string_view TakeWord(std::string_view* rest) {
  const size_t begin = std::min(rest->find_first_not_of(" \t"), rest->size());
  const size_t end = std::min(rest->find_first_of(" \t", begin), rest->size());
  const std::string_view word = rest->substr(begin, end - begin);
  rest->remove_prefix(end);
  return word;
}

MetricKind KindOf(std::string_view type) {
  if (type == "counter") return MetricKind::kCounter;
  if (type == "gauge") return MetricKind::kGauge;
  if (type == "histogram") return MetricKind::kHistogram;
  if (type == "summary") return MetricKind::kSummary;
  return MetricKind::kUnknown;
}

/// What the comments said of the metric family that the lines below them belong to.
struct Family {
  std::string name;
  std::string unit;
  MetricKind kind = MetricKind::kUnknown;

  /// "_bucket" for "x_bucket" in family "x"; nothing when it is not of this family.
  bool Owns(std::string_view metric, std::string_view* suffix) const {
    if (name.empty() || !metric.starts_with(name)) return false;
    *suffix = metric.substr(name.size());
    return suffix->empty() || *suffix == "_total" || *suffix == "_bucket" || *suffix == "_sum" ||
           *suffix == "_count" || *suffix == "_created";
  }
};

class ExpositionDecoder : public StreamDecoder {
 public:
  ExpositionDecoder(DecodeContext context, ExpositionOptions options)
      : context_(std::move(context)),
        options_(std::move(options)),
        lines_(context_.limits.max_record_bytes),
        tally_(context_.ledger, options_.format, telemetry::Signal::kSample) {
    for (const auto& [name, value] : options_.target_labels) target_.push_back({name, value});
    target_key_ = LabelsKey(target_);
  }

  Status Push(ByteView chunk, const BatchSink& sink) override {
    lines_.Push(chunk, [&](ByteView line, bool too_long) { OnLine(line, too_long, sink); });
    tally_.Commit();
    return Status::Ok();
  }

  Status Finish(const BatchSink& sink) override {
    lines_.Finish([&](ByteView line, bool too_long) { OnLine(line, too_long, sink); });
    EndFamily();
    HandOut(sink);
    tally_.Commit();
    return Status::Ok();
  }

 private:
  void OnLine(ByteView line, bool too_long, const BatchSink& sink) {
    const size_t first = line.find_first_not_of(" \t");
    if (first == ByteView::npos && !too_long) return;
    if (ended_) return OnLineBehindTheEnd();
    if (too_long) return LoseLine(Reason::kTooLarge);
    if (line[first] == '#') return OnComment(line.substr(first + 1));
    if (batch_.rows() >= context_.limits.rows_per_batch) HandOut(sink);
    if (histograms_.size() >= context_.limits.rows_per_batch) EndFamily();
    if (!ParseSampleLine(line, &line_) || line_.labels.size() > context_.limits.max_attributes)
      return LoseLine(Reason::kMalformed);
    OnSample();
  }

  /// Nobody knows what it held: one record.
  void LoseLine(Reason reason) {
    tally_.Received();
    tally_.Lose(reason);
  }

  /// All of it is one loss: it is no part of this exposition.
  void OnLineBehindTheEnd() {
    if (!std::exchange(more_behind_end_, true))
      CountLostMessage(context_.ledger, options_.format, Reason::kMalformed);
  }

  void OnComment(std::string_view rest) {
    const std::string_view keyword = TakeWord(&rest);
    if (keyword == "EOF" && rest.empty()) ended_ = true;
    if (keyword != "TYPE" && keyword != "UNIT" && keyword != "HELP") return;
    const std::string_view name = TakeWord(&rest);
    if (name != family_.name) {
      EndFamily();
      family_ = Family{std::string(name), "", MetricKind::kUnknown};
    }
    if (keyword == "TYPE") family_.kind = KindOf(TakeWord(&rest));
    if (keyword == "UNIT") {
      family_.unit = TakeWord(&rest);
      open_metrics_ = true;
    }
  }

  void OnSample() {
    std::string_view suffix;
    if (!family_.Owns(line_.name, &suffix)) {
      EndFamily();
      family_ = Family{};
      suffix = {};
    }
    const bool counts = family_.kind == MetricKind::kCounter ||
                        family_.kind == MetricKind::kHistogram ||
                        family_.kind == MetricKind::kSummary;
    const bool created = counts && suffix == "_created";
    Nanos time = options_.default_time;
    if (!line_.timestamp.empty() && !ParseTimestamp(line_.timestamp, &time)) time = 0;
    if (time == 0) {
      if (!created) LoseLine(Reason::kBadTime);
      return;
    }
    if (family_.kind == MetricKind::kHistogram && !suffix.empty() && suffix != "_total")
      return OnHistogramPart(suffix, time);
    if (created) return SetStart();
    OnNumber(suffix, time);
  }

  void OnNumber(std::string_view suffix, Nanos time) {
    tally_.Received();
    if (!std::isfinite(line_.value)) return tally_.Lose(Reason::kNonFinite);
    MetricFacts facts{family_.kind, family_.unit};
    if (family_.name.empty() || suffix == "_sum" || suffix == "_count")
      facts.kind = KindBySuffix(line_.name);
    if (suffix == "_count") facts.unit = {};
    const SeriesId id = FindSeries(line_.name, facts);
    if (id == telemetry::kNoSeries) return;
    batch_.samples.series.push_back(id);
    batch_.samples.time_ns.push_back(time);
    batch_.samples.start_ns.push_back(0);
    batch_.samples.value.push_back(line_.value);
    last_labels_ = labels_;
    if (names_lost_) {
      tally_.Lose(Reason::kNameLimit);
    } else {
      tally_.Keep();
    }
  }

  /// x_created speaks of the line just before it in every exposition that is written today; if it
  /// doesn't, the start stays unknown.
  void SetStart() {
    const bool fits = batch_.samples.rows() > 0 && std::isfinite(line_.value) &&
                      last_labels_ == telemetry::FingerprintOf(LabelsKey(line_.labels));
    if (fits) batch_.samples.start_ns.back() = FromSeconds(line_.value);
  }

  void OnHistogramPart(std::string_view suffix, Nanos time) {
    using Part = ClassicHistograms::Part;
    const Part part = suffix == "_bucket"  ? Part::kBucket
                      : suffix == "_sum"   ? Part::kSum
                      : suffix == "_count" ? Part::kCount
                                           : Part::kCreated;
    double bound = 0;
    if (part == Part::kBucket) {
      const auto le = std::find_if(line_.labels.begin(), line_.labels.end(),
                                   [](const Label& l) { return l.name == "le"; });
      if (le == line_.labels.end() || !ParseNumber(le->value, &bound))
        return LoseLine(Reason::kMalformed);
      line_.labels.erase(le);
    }
    const SeriesId id = FindSeries(family_.name, {MetricKind::kHistogram, family_.unit});
    if (id == telemetry::kNoSeries) return tally_.Received();  // and lost, line by line
    histograms_.Add(id, time, part, bound, line_.value, &tally_);
  }

  /// kNoSeries when a table is full; the loss is then counted.
  SeriesId FindSeries(std::string_view metric, const MetricFacts& facts) {
    const std::string labels = LabelsKey(line_.labels);
    key_.assign("exposition").append(1, static_cast<char>(facts.kind)).append(target_key_);
    key_.append(1, '\0').append(metric).append(labels);
    labels_ = telemetry::FingerprintOf(labels);
    names_lost_ = false;
    const SeriesId id = context_.identities->series.FindOrAdd(telemetry::FingerprintOf(key_), [&] {
      telemetry::Series made = MakeSeries(metric, WithTarget(line_.labels), facts, context_);
      names_lost_ = telemetry::HasOverflow(made);
      return made;
    });
    if (id == telemetry::kNoSeries) {
      tally_.Lose(Reason::kSeriesLimit);
    } else if (context_.identities->series.Get(id).resource == telemetry::kNoResource) {
      tally_.Lose(Reason::kResourceLimit);
      return telemetry::kNoSeries;
    }
    return id;
  }

  static std::string LabelsKey(const std::vector<Label>& labels) {
    std::string key;
    for (const Label& label : labels)
      key.append(1, '\0').append(label.name).append(1, '\0').append(label.value);
    return key;
  }
  /// A sample's own label goes before the target's.
  std::vector<Label> WithTarget(std::vector<Label> labels) const {
    for (const Label& label : target_) {
      const bool there = std::any_of(labels.begin(), labels.end(),
                                     [&](const Label& l) { return l.name == label.name; });
      if (!there) labels.push_back(label);
    }
    return labels;
  }

  bool ParseTimestamp(std::string_view text, Nanos* time) const {
    double number;
    if (!ParseNumber(text, &number) || !std::isfinite(number)) return false;
    const bool seconds = open_metrics_ || text.find_first_of(".eE") != std::string_view::npos ||
                         std::abs(number) < kFirstMillis;
    if (std::abs(number) >= (seconds ? kMaxSeconds : kMaxSeconds * 1e3)) return false;
    // A double holds milliseconds and microseconds of our century exactly enough to round to.
    *time =
        seconds ? std::llround(number * 1e6) * kMicrosecond : std::llround(number) * kMillisecond;
    return true;
  }

  void EndFamily() { histograms_.Flush(&batch_.samples.histograms, &tally_); }

  void HandOut(const BatchSink& sink) {
    if (batch_.rows() == 0) return;
    batch_.origin.format = options_.format;
    batch_.origin.received_ns = context_.clock->Now();
    tally_.Commit();
    sink(std::move(batch_));
    batch_ = Batch();
  }

  const DecodeContext context_;
  const ExpositionOptions options_;
  LineSplitter lines_;
  Tally tally_;
  std::vector<Label> target_;
  Batch batch_;
  ClassicHistograms histograms_;
  Family family_;
  bool open_metrics_ = false;
  bool ended_ = false;  // by "# EOF"
  bool more_behind_end_ = false;
  SampleLine line_;
  std::string target_key_;
  std::string key_;
  bool names_lost_ = false;  // of the line at hand, which is the first of its series
  Fingerprint labels_;       // of the line at hand
  Fingerprint last_labels_;  // of the last row of batch_.samples
};

}  // namespace

std::unique_ptr<StreamDecoder> NewExpositionDecoder(DecodeContext context,
                                                    ExpositionOptions options) {
  return std::make_unique<ExpositionDecoder>(std::move(context), std::move(options));
}

}  // namespace tomograph::ingest::prometheus
