#include "evaluate/incidents.h"

#include <sys/resource.h>
#include <cmath>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "diagnose/change_point.h"
#include "diagnose/diagnoser.h"
#include "diagnose/ranker.h"
#include "evaluate/suites/labels.h"
#include "evaluate/suites/suite.h"

namespace tomograph::evaluate {
namespace {

using nlohmann::ordered_json;

void MoveAlert(ChangePoint change_point, diagnose::Case* incident) {
  switch (change_point) {
    case ChangePoint::kGiven:
      return;
    case ChangePoint::kGivenPlus60s:
      incident->alert.time += std::max(kMinute, incident->step);
      return;
    case ChangePoint::kInferred:
      incident->alert.time = diagnose::InferOnset(*incident).time;
  }
}

Prediction Predict(const SuiteCase& c, bool names_commits) {
  Prediction prediction;
  prediction.name = c.name;
  const telemetry::Diagnosis diagnosis =
      diagnose::Rank(c.incident, [&](telemetry::EntityId id) { return c.NameOf(id); });
  std::map<telemetry::EntityId, double> mass;  // over kinds
  for (const telemetry::Hypothesis& h : diagnosis.hypotheses) mass[h.entity] += h.posterior;
  for (const auto& [entity, p] : mass) prediction.ranking.push_back({c.NameOf(entity), p});
  std::stable_sort(prediction.ranking.begin(), prediction.ranking.end(),
                   [](const auto& a, const auto& b) {
                     return a.second != b.second ? a.second > b.second : a.first < b.first;
                   });
  prediction.unknown = diagnosis.unknown;
  if (!diagnosis.hypotheses.empty()) prediction.paging = diagnosis.hypotheses.front().posterior;
  if (names_commits) {
    const diagnose::Onset onset = diagnose::InferOnset(c.incident);
    const telemetry::ChangeEvent* change = diagnose::SuspectChange(
        c.incident.changes, c.incident.alert.entity, onset.time, onset.error);
    if (change != nullptr) prediction.commit = change->id;
  }
  return prediction;
}

std::string ToLine(const Prediction& p, bool names_commits) {
  ordered_json line;
  line["case"] = p.name;
  line["ranking"] = ordered_json::array();
  for (const auto& [service, posterior] : p.ranking) {
    line["ranking"].push_back({{"service", service}, {"posterior", posterior}});
  }
  line["unknown"] = p.unknown;
  if (names_commits)
    line["commit"] = p.commit.empty() ? ordered_json(nullptr) : ordered_json(p.commit);
  return line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

int64_t PeakRssBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Result<std::optional<double>> Specificity(const Suite& suite, const std::string& data_dir,
                                          double threshold) {
  int windows = 0, silent = 0;
  const Status read = suite.ReadQuiet(data_dir, [&](const SuiteCase& c) {
    const Prediction p = Predict(c, false);
    ++windows;
    silent += p.paging < threshold ? 1 : 0;
  });
  if (!read.ok()) return read;
  if (windows == 0) return std::optional<double>();
  return std::optional<double>(static_cast<double>(silent) / windows);
}

ordered_json OrNull(const std::optional<double>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

}  // namespace

Result<ChangePoint> ParseChangePoint(std::string_view text) {
  if (text == "given") return ChangePoint::kGiven;
  if (text == "given+60s") return ChangePoint::kGivenPlus60s;
  if (text == "inferred") return ChangePoint::kInferred;
  return Status::InvalidArgument("change point must be given, given+60s or inferred");
}

Result<IncidentsResult> RunIncidents(const std::string& suite_name, const std::string& data_dir,
                                     const std::string& predictions_path,
                                     ChangePoint change_point) {
  const std::unique_ptr<Suite> suite = MakeSuite(suite_name);
  if (suite == nullptr) return Status::InvalidArgument("no suite is called " + suite_name);

  IncidentsResult result;
  result.paging_threshold = diagnose::DiagnoserOptions().paging_threshold;
  std::vector<Prediction> predictions;
  const auto start = std::chrono::steady_clock::now();
  TG_RETURN_IF_ERROR(suite->ReadCases(data_dir, [&](const SuiteCase& given) {
    SuiteCase c = given;
    MoveAlert(change_point, &c.incident);
    predictions.push_back(Predict(c, suite->names_commits()));
    result.predictions += ToLine(predictions.back(), suite->names_commits());
  }));
  result.predicted = static_cast<int>(predictions.size());
  if (predictions.empty()) return Status::NotFound("no case of " + suite_name + " in " + data_dir);
  result.seconds_per_case = SecondsSince(start) / result.predicted;
  if (!predictions_path.empty()) {
    std::ofstream out(predictions_path, std::ios::binary);
    out << result.predictions;
    if (!out.flush()) return Status::Io("cannot write " + predictions_path);
  }

  // Labels may be opened from here on.
  Result<std::map<std::string, Label>> labels = ReadLabels(suite_name, data_dir);
  if (!labels.ok()) return labels.status();
  if (!labels->empty()) {
    result.scores = suite->names_commits()
                        ? ScoreCommits(predictions, *labels)
                        : ScoreServices(predictions, *labels, result.paging_threshold);
  }
  Result<std::optional<double>> specificity =
      Specificity(*suite, data_dir, result.paging_threshold);
  if (!specificity.ok()) return specificity.status();
  result.specificity = *specificity;
  result.peak_rss_bytes = PeakRssBytes();
  return result;
}

std::string IncidentsJson(const IncidentsResult& result) {
  ordered_json json;
  json["cases"] = result.predicted;
  const auto score = [&](const char* key, double IncidentScores::*member) {
    const double value = result.scores ? (*result.scores).*member : std::nan("");
    json[key] = std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
  };
  score("ac1", &IncidentScores::ac1);
  score("ac3", &IncidentScores::ac3);
  score("ac5", &IncidentScores::ac5);
  score("avg5", &IncidentScores::avg5);
  score("mrr", &IncidentScores::mrr);
  score("brier", &IncidentScores::brier);
  score("ece", &IncidentScores::ece);
  score("credible90_coverage", &IncidentScores::credible90_coverage);
  json["specificity"] = OrNull(result.specificity);
  score("recall", &IncidentScores::recall);
  json["paging_threshold"] = result.paging_threshold;
  json["seconds_per_case"] = result.seconds_per_case;
  json["peak_rss_bytes"] = result.peak_rss_bytes;
  json["by_fault"] = ordered_json::object();
  if (result.scores) {
    for (const auto& [fault, sum] : result.scores->by_fault) {
      json["by_fault"][fault] = {{"cases", sum.second}, {"ac1", sum.first / sum.second}};
    }
  }
  return json.dump(1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string IncidentsText(const IncidentsResult& result) {
  std::ostringstream text;
  text.precision(3);
  text << result.predicted << " cases, " << result.seconds_per_case * 1e3 << " ms a case\n";
  if (!result.scores) {
    text << "No labels beside the data: predictions were made, nothing was scored.\n";
    return text.str();
  }
  const IncidentScores& s = *result.scores;
  text << "AC@1 " << s.ac1 << "  AC@3 " << s.ac3 << "  AC@5 " << s.ac5 << "  Avg@5 " << s.avg5
       << "  MRR " << s.mrr << "\n";
  if (std::isfinite(s.brier)) {
    text << "Brier " << s.brier << "  ECE " << s.ece << "  90 % credible set covers "
         << s.credible90_coverage << "\n";
  }
  if (result.specificity) {
    text << "Paged at " << result.paging_threshold << ": recall " << s.recall << ", specificity "
         << *result.specificity << "\n";
  }
  for (const auto& [fault, sum] : s.by_fault) {
    text << "  " << fault << ": " << sum.first << " of " << sum.second << "\n";
  }
  return text.str();
}

}  // namespace tomograph::evaluate
