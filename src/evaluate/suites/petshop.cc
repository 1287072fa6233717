// PetShop: per scenario a call graph and a normal period, per case a few 5-minute rows around the
// alert.
//   <scenario>/graph.csv                  adjacency, row calls column
//   <scenario>/noissue_metrics.csv        three header rows (service, metric, statistic), then time
//   and values <scenario>/<case>/metrics.csv         the same layout <scenario>/<case>/target.json
//   of which `target` alone is read: the alert
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "evaluate/suites/files.h"
#include "evaluate/suites/suite.h"
#include "normalize/schema/metric_meaning.h"

namespace tomograph::evaluate {
namespace {

using telemetry::EntityId;
using telemetry::EntityKind;

constexpr size_t kHeaderRows = 3;
constexpr size_t kQuietRows = 5, kQuietAlertRow = 2, kQuietStride = 7;

struct Column {
  std::string service, metric, statistic;
  EntityId entity = telemetry::kNoEntity;
  bool operator<(const Column& o) const {
    return std::tie(service, metric, statistic) < std::tie(o.service, o.metric, o.statistic);
  }
};

struct Table {
  std::vector<Nanos> times;
  std::vector<Column> columns;
  std::vector<std::vector<double>> values;  // by column
};

struct Scenario {
  Table normal;
  std::vector<telemetry::Edge> edges;
};

struct Target {
  std::string service, metric;
  Nanos time = 0;
};

EntityId Entity(const std::string& service) {
  return telemetry::MakeEntityId(EntityKind::kService, "", service);
}

Result<Table> ReadTable(const std::string& path) {
  Result<std::vector<CsvRow>> rows = ReadCsv(path);
  if (!rows.ok()) return rows.status();
  if (rows->size() < kHeaderRows) return Status::Corrupt(path + " has no header");
  Table table;
  const std::vector<CsvRow>& r = *rows;
  const size_t width = std::min({r[0].size(), r[1].size(), r[2].size()});
  for (size_t c = 1; c < width; ++c)
    table.columns.push_back({r[0][c], r[1][c], r[2][c], Entity(r[0][c])});
  table.values.resize(table.columns.size());
  for (size_t i = kHeaderRows; i < r.size(); ++i) {
    const double time = r[i].empty() ? std::nan("") : ToNumber(r[i][0]);
    if (!std::isfinite(time) || r[i].size() < width) continue;
    table.times.push_back(FromSeconds(time));
    for (size_t c = 1; c < width; ++c) table.values[c - 1].push_back(ToNumber(r[i][c]));
  }
  if (table.times.empty()) return Status::Corrupt(path + " has no rows");
  return table;
}

Result<std::vector<telemetry::Edge>> ReadGraph(const std::string& path) {
  Result<std::vector<CsvRow>> rows = ReadCsv(path);
  if (!rows.ok()) return rows.status();
  std::vector<telemetry::Edge> edges;
  for (size_t i = 1; i < rows->size(); ++i) {
    const CsvRow& row = (*rows)[i];
    for (size_t c = 1; c < std::min(row.size(), rows->front().size()); ++c) {
      if (!(ToNumber(row[c]) > 0)) continue;
      telemetry::Edge edge;
      edge.caller = Entity(row[0]);
      edge.callee = Entity(rows->front()[c]);
      edge.confidence = 1;
      edge.basis = "given";
      edges.push_back(edge);
    }
  }
  return edges;
}

Result<Scenario> ReadScenario(const std::string& folder) {
  Result<Table> normal = ReadTable(JoinPath(folder, "noissue_metrics.csv"));
  if (!normal.ok()) return normal.status();
  Result<std::vector<telemetry::Edge>> edges = ReadGraph(JoinPath(folder, "graph.csv"));
  if (!edges.ok()) return edges.status();
  return Scenario{std::move(*normal), std::move(*edges)};
}

Result<Target> ReadTarget(const std::string& path) {
  Result<nlohmann::json> json = ReadJson(path);
  if (!json.ok()) return json.status();
  const auto target = json->find("target");
  if (target == json->end() || !target->is_object() || !target->contains("node") ||
      !target->contains("metric") || !target->contains("timestamp") ||
      !(*target)["node"].is_string() || !(*target)["metric"].is_string() ||
      !(*target)["timestamp"].is_number()) {
    return Status::Corrupt(path + " names no target");
  }
  return Target{(*target)["node"], (*target)["metric"], FromSeconds((*target)["timestamp"])};
}

// Availability is in percent here, which its column does not say.
normalize::MetricMeaning Meaning(const Column& column) {
  const std::string_view unit = column.metric == "availability" ? "%" : "";
  return normalize::MeaningOf(column.metric + " " + column.statistic, unit,
                              telemetry::MetricKind::kGauge);
}

// `reference` may be null. Rows [skip_from, skip_to) of it are left out: the window itself.
SuiteCase MakeCase(const Table& window, const Scenario& scenario, const Target& target,
                   size_t skip_from, size_t skip_to) {
  SuiteCase result;
  diagnose::Case& incident = result.incident;
  incident.times = window.times;
  incident.step = window.times.size() > 1 ? window.times[1] - window.times[0] : 5 * kMinute;
  incident.edges = scenario.edges;
  incident.alert.entity = Entity(target.service);
  incident.alert.time = target.time;
  incident.alert.quantity =
      normalize::MeaningOf(target.metric, "", telemetry::MetricKind::kGauge).quantity;

  std::map<Column, size_t> normal;
  for (size_t c = 0; c < scenario.normal.columns.size(); ++c)
    normal[scenario.normal.columns[c]] = c;
  for (size_t c = 0; c < window.columns.size(); ++c) {
    const Column& column = window.columns[c];
    const normalize::MetricMeaning meaning = Meaning(column);
    result.services[column.entity] = column.service;
    diagnose::CaseSeries series;
    series.entity = column.entity;
    series.quantity = meaning.quantity;
    series.statistic = meaning.statistic;
    series.metric = column.metric + " " + column.statistic;
    for (const double v : window.values[c]) series.values.push_back(v * meaning.scale);
    if (const auto it = normal.find(column); it != normal.end()) {
      const std::vector<double>& values = scenario.normal.values[it->second];
      for (size_t i = 0; i < values.size(); ++i) {
        if (i < skip_from || i >= skip_to) series.reference.push_back(values[i] * meaning.scale);
      }
    }
    incident.series.push_back(std::move(series));
  }
  return result;
}

Table Slice(const Table& table, size_t from, size_t count) {
  Table slice;
  slice.columns = table.columns;
  const auto cut = [&](const auto& v) {
    return std::decay_t<decltype(v)>(v.begin() + static_cast<ptrdiff_t>(from),
                                     v.begin() + static_cast<ptrdiff_t>(from + count));
  };
  slice.times = cut(table.times);
  for (const auto& column : table.values) slice.values.push_back(cut(column));
  return slice;
}

std::string ScenarioOf(const std::string& case_name) {
  const size_t slash = case_name.rfind('/');
  return slash == std::string::npos ? "." : case_name.substr(0, slash);
}

class PetShop : public Suite {
 public:
  std::string_view name() const override { return "petshop"; }

  Status ReadCases(const std::string& data_dir, const CaseSink& sink) const override {
    return ForEach(
        data_dir, [&](const Scenario& scenario, const Target& target, const std::string& name) {
          Result<Table> window = ReadTable(JoinPath(JoinPath(data_dir, name), "metrics.csv"));
          if (!window.ok()) return window.status();
          SuiteCase c = MakeCase(*window, scenario, target, 0, 0);
          c.name = name;
          sink(c);
          return Status::Ok();
        });
  }

  // Every seventh window of the normal periods, the alert in its third row, for either harm.
  Status ReadQuiet(const std::string& data_dir, const CaseSink& sink) const override {
    std::string done;
    return ForEach(data_dir, [&](const Scenario& scenario, Target target, const std::string& name) {
      const std::string folder = ScenarioOf(name);
      if (folder == done) return Status::Ok();
      done = folder;
      const Table& normal = scenario.normal;
      for (size_t i = 0; i + kQuietRows < normal.times.size(); i += kQuietStride) {
        const Table window = Slice(normal, i, kQuietRows);
        for (const char* metric : {"latency", "availability"}) {
          target.metric = metric;
          target.time = normal.times[i + kQuietAlertRow];
          SuiteCase c = MakeCase(window, scenario, target, i, i + kQuietRows);
          c.name = folder + "/quiet_" + std::to_string(i) + "_" + metric;
          sink(c);
        }
      }
      return Status::Ok();
    });
  }

 private:
  template <typename Visit>
  static Status ForEach(const std::string& data_dir, const Visit& visit) {
    Result<std::vector<std::string>> cases = FoldersWith(data_dir, "target.json");
    if (!cases.ok()) return cases.status();
    std::string loaded;
    std::optional<Scenario> scenario;
    for (const std::string& name : *cases) {
      if (const std::string folder = ScenarioOf(name); !scenario || folder != loaded) {
        Result<Scenario> read = ReadScenario(JoinPath(data_dir, folder));
        if (!read.ok()) return read.status();
        scenario = std::move(*read);
        loaded = folder;
      }
      Result<Target> target = ReadTarget(JoinPath(JoinPath(data_dir, name), "target.json"));
      if (!target.ok()) return target.status();
      TG_RETURN_IF_ERROR(visit(*scenario, *target, name));
    }
    return Status::Ok();
  }
};

}  // namespace

std::unique_ptr<Suite> MakePetShop() { return std::make_unique<PetShop>(); }

}  // namespace tomograph::evaluate
