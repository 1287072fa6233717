// RootCauseBench: per case one alert, metrics in long form, and what was deployed.
//   <case>/alert.json              service, metric, fired_at
//   <case>/metrics.csv             timestamp, service, metric, value
//   <case>/context/deploys.json    [{timestamp, service, commit_sha, version}]
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "evaluate/suites/files.h"
#include "evaluate/suites/suite.h"
#include "normalize/schema/metric_meaning.h"

namespace tomograph::evaluate {
namespace {

using telemetry::EntityId;

std::string Text(const nlohmann::json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

EntityId Entity(const std::string& service, SuiteCase* c) {
  const EntityId id = telemetry::MakeEntityId(telemetry::EntityKind::kService, "", service);
  c->services[id] = service;
  return id;
}

Status AddMetrics(const std::string& path, SuiteCase* c) {
  Result<std::vector<CsvRow>> rows = ReadCsv(path);
  if (!rows.ok()) return rows.status();
  std::map<std::pair<std::string, std::string>, std::map<Nanos, double>> values;
  std::set<Nanos> times;
  for (size_t i = 1; i < rows->size(); ++i) {
    const CsvRow& row = (*rows)[i];
    if (row.size() < 4) continue;
    const Result<Nanos> time = ParseTime(row[0]);
    if (!time.ok()) continue;
    values[{row[1], row[2]}][*time] = ToNumber(row[3]);
    times.insert(*time);
  }
  diagnose::Case& incident = c->incident;
  incident.times.assign(times.begin(), times.end());
  incident.step = kMinute;
  if (incident.times.size() > 1) incident.step = incident.times[1] - incident.times[0];
  for (const auto& [key, points] : values) {
    const normalize::MetricMeaning meaning =
        normalize::MeaningOf(key.second, "", telemetry::MetricKind::kGauge);
    diagnose::CaseSeries series;
    series.entity = Entity(key.first, c);
    series.quantity = meaning.quantity;
    series.statistic = meaning.statistic;
    series.metric = key.second;
    for (const Nanos t : incident.times) {
      const auto it = points.find(t);
      series.values.push_back(it == points.end() ? std::nan("") : it->second * meaning.scale);
    }
    incident.series.push_back(std::move(series));
  }
  return Status::Ok();
}

Status AddDeploys(const std::string& path, SuiteCase* c) {
  Result<nlohmann::json> deploys = ReadJson(path);
  if (!deploys.ok()) return deploys.status();
  if (!deploys->is_array()) return Status::Corrupt(path + " is no list");
  for (const nlohmann::json& d : *deploys) {
    if (!d.is_object()) continue;
    const Result<Nanos> time = ParseTime(Text(d, "timestamp"));
    if (!time.ok()) continue;
    telemetry::ChangeEvent change;
    change.time = *time;
    change.kind = "deploy";
    change.id = Text(d, "commit_sha");
    change.source = "deploys";
    change.service = Text(d, "service");
    change.version = Text(d, "version");
    change.entity = Entity(change.service, c);
    c->incident.changes.push_back(std::move(change));
  }
  return Status::Ok();
}

Result<SuiteCase> ReadCase(const std::string& folder) {
  SuiteCase c;
  Result<nlohmann::json> alert = ReadJson(JoinPath(folder, "alert.json"));
  if (!alert.ok()) return alert.status();
  if (!alert->is_object()) return Status::Corrupt(folder + "/alert.json is no object");
  const Result<Nanos> fired = ParseTime(Text(*alert, "fired_at"));
  if (!fired.ok()) return fired.status();
  c.incident.alert.time = *fired;
  c.incident.alert.entity = Entity(Text(*alert, "service"), &c);
  c.incident.alert.text = Text(*alert, "metric");
  c.incident.alert.quantity =
      normalize::MeaningOf(c.incident.alert.text, "", telemetry::MetricKind::kGauge).quantity;
  TG_RETURN_IF_ERROR(AddMetrics(JoinPath(folder, "metrics.csv"), &c));
  TG_RETURN_IF_ERROR(AddDeploys(JoinPath(JoinPath(folder, "context"), "deploys.json"), &c));
  return c;
}

class RootCauseBench : public Suite {
 public:
  std::string_view name() const override { return "rootcausebench"; }
  bool names_commits() const override { return true; }

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

  // Its normal stretches are too short and too smooth to say anything of false alarms.
  Status ReadQuiet(const std::string&, const CaseSink&) const override { return Status::Ok(); }
};

}  // namespace

std::unique_ptr<Suite> MakeRootCauseBench() { return std::make_unique<RootCauseBench>(); }

}  // namespace tomograph::evaluate
