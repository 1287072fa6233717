// Nezha: per case minute-wise metrics of every pod and of the front service, and the time of the
// alert.
//   <case>/alert.json                   inject_unix, the time at which the alert is taken to fire
//   <case>/metrics_pods.csv             TimeStamp, PodName, one column a metric
//   <case>/metrics_front_service.csv    TimeStamp, ServiceName, what users see: the alerting entity
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "evaluate/suites/files.h"
#include "evaluate/suites/suite.h"
#include "normalize/schema/metric_meaning.h"

namespace tomograph::evaluate {
namespace {

using telemetry::EntityId;

constexpr int64_t kStepSeconds = 60;
constexpr int kQuietSteps = 5;  // how much after the pretended alert is shown
constexpr int kQuietBefore = 12;

// "cart-579f59597d-wc2lz" -> "cart": without the hashes of replica set and pod.
std::string ServiceOf(std::string pod) {
  for (int i = 0; i < 2; ++i) {
    if (const size_t dash = pod.rfind('-'); dash != std::string::npos) pod.resize(dash);
  }
  return pod;
}

std::string Lower(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return s;
}

struct SeriesKey {
  std::string service, metric;
  bool operator<(const SeriesKey& o) const {
    return std::tie(service, metric) < std::tie(o.service, o.metric);
  }
};

class Builder {
 public:
  explicit Builder(Nanos alert) : alert_(alert) {}

  Status AddFile(const std::string& path, std::string_view name_column, bool is_front) {
    Result<std::vector<CsvRow>> rows = ReadCsv(path);
    if (!rows.ok()) return rows.status();
    if (rows->empty()) return Status::Corrupt(path + " is empty");
    const CsvRow& header = rows->front();
    const auto column = [&](std::string_view name) {
      return static_cast<size_t>(std::find(header.begin(), header.end(), name) - header.begin());
    };
    const size_t time = column("TimeStamp"), name = column(name_column);
    if (time == header.size() || name == header.size())
      return Status::Corrupt(path + " lacks a column");
    for (size_t i = 1; i < rows->size(); ++i) {
      const CsvRow& row = (*rows)[i];
      if (row.size() <= std::max(time, name)) continue;
      const double at = ToNumber(row[time]);
      if (!std::isfinite(at)) continue;
      const std::string service = is_front ? Lower(row[name]) : ServiceOf(row[name]);
      if (is_front) front_ = service;
      const auto step = static_cast<int64_t>(std::floor((at - ToSeconds(alert_)) / kStepSeconds));
      for (size_t c = 0; c < std::min(row.size(), header.size()); ++c) {
        if (c != time && c != name) Put({service, header[c]}, step, ToNumber(row[c]));
      }
    }
    return Status::Ok();
  }

  SuiteCase Finish() && {
    SuiteCase result;
    diagnose::Case& incident = result.incident;
    incident.step = kStepSeconds * kSecond;
    for (int64_t s = first_; s <= last_; ++s) incident.times.push_back(alert_ + s * incident.step);
    const auto entity = [&](const std::string& service) {
      const EntityId id = telemetry::MakeEntityId(telemetry::EntityKind::kService, "", service);
      result.services[id] = service;
      return id;
    };
    incident.alert.time = alert_;
    if (!front_.empty()) incident.alert.entity = entity(front_);
    for (const SeriesKey& key : order_) {
      const normalize::MetricMeaning meaning =
          normalize::MeaningOf(key.metric, "", telemetry::MetricKind::kGauge);
      diagnose::CaseSeries series;
      series.entity = entity(key.service);
      series.quantity = meaning.quantity;
      series.statistic = meaning.statistic;
      series.metric = key.metric;
      series.values.assign(incident.times.size(), std::nan(""));
      for (const auto& [step, value] : values_[key]) {
        series.values[static_cast<size_t>(step - first_)] = value * meaning.scale;
      }
      incident.series.push_back(std::move(series));
    }
    return result;
  }

 private:
  void Put(SeriesKey key, int64_t step, double value) {
    const auto [it, is_new] = values_.try_emplace(key);
    if (is_new) order_.push_back(std::move(key));
    it->second[step] = value;
    first_ = std::min(first_, step);
    last_ = std::max(last_, step);
  }

  const Nanos alert_;
  std::string front_;
  std::vector<SeriesKey> order_;
  std::map<SeriesKey, std::map<int64_t, double>> values_;
  int64_t first_ = 0, last_ = 0;
};

Result<SuiteCase> ReadCase(const std::string& folder) {
  Result<nlohmann::json> alert = ReadJson(JoinPath(folder, "alert.json"));
  if (!alert.ok()) return alert.status();
  if (!alert->is_object() || !alert->contains("inject_unix") ||
      !(*alert)["inject_unix"].is_number()) {
    return Status::Corrupt(folder + "/alert.json has no time");
  }
  Builder builder(FromSeconds((*alert)["inject_unix"]));
  TG_RETURN_IF_ERROR(
      builder.AddFile(JoinPath(folder, "metrics_front_service.csv"), "ServiceName", true));
  TG_RETURN_IF_ERROR(builder.AddFile(JoinPath(folder, "metrics_pods.csv"), "PodName", false));
  return std::move(builder).Finish();
}

// The stretch before the alert as a case of its own, with the alert in the middle of it. It may
// hold an older incident: the data is what it is, and specificity measured on it is a lower bound.
bool PretendAlertBefore(SuiteCase* c) {
  diagnose::Case& incident = c->incident;
  const auto alert =
      std::lower_bound(incident.times.begin(), incident.times.end(), incident.alert.time) -
      incident.times.begin();
  if (alert < kQuietBefore + kQuietSteps) return false;
  const auto keep = static_cast<size_t>(alert);
  incident.times.resize(keep);
  for (diagnose::CaseSeries& s : incident.series) s.values.resize(keep);
  incident.alert.time = incident.times[keep - kQuietSteps];
  c->name += "/quiet";
  return true;
}

class Nezha : public Suite {
 public:
  std::string_view name() const override { return "nezha"; }

  Status ReadCases(const std::string& data_dir, const CaseSink& sink) const override {
    Result<std::vector<std::string>> cases = FoldersWith(data_dir, "alert.json");
    if (!cases.ok()) return cases.status();
    for (const std::string& name : *cases) {
      Result<SuiteCase> c = ReadCase(JoinPath(data_dir, name));
      if (!c.ok()) return c.status();
      c->name = name;
      sink(*c);
    }
    return Status::Ok();
  }

  Status ReadQuiet(const std::string& data_dir, const CaseSink& sink) const override {
    return ReadCases(data_dir, [&](const SuiteCase& given) {
      SuiteCase quiet = given;
      if (PretendAlertBefore(&quiet)) sink(quiet);
    });
  }
};

}  // namespace

std::unique_ptr<Suite> MakeNezha() { return std::make_unique<Nezha>(); }

}  // namespace tomograph::evaluate
