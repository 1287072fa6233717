#include "simulate/show/samples.h"

namespace tomograph::simulate {

SampleRecord Export::Make(std::string_view metric, std::string_view unit, SampleKind kind,
                          Labels labels) const {
  SampleRecord record;
  record.sender = sender_;
  record.metric = metric;
  record.unit = unit;
  record.kind = kind;
  record.labels = std::move(labels);
  record.start = since_;
  record.time = now_;
  return record;
}

void Export::Gauge(std::string_view metric, std::string_view unit, double value, Labels labels) {
  SampleRecord record = Make(metric, unit, SampleKind::kGauge, std::move(labels));
  record.value = value;
  audience_->See(record);
}

void Export::Counter(std::string_view metric, std::string_view unit, double value, Labels labels) {
  SampleRecord record = Make(metric, unit, SampleKind::kCounter, std::move(labels));
  record.value = value;
  audience_->See(record);
}

void Export::Histogram(std::string_view metric, const DurationHistogram& durations, Labels labels) {
  SampleRecord record = Make(metric, "s", SampleKind::kHistogram, std::move(labels));
  record.bounds.assign(DurationHistogram::kBounds.begin(), DurationHistogram::kBounds.end());
  record.counts.assign(durations.counts().begin(), durations.counts().end());
  record.sum = durations.sum();
  audience_->See(record);
}

}  // namespace tomograph::simulate
