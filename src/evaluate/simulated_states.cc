#include "evaluate/simulated_states.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "correlate/correlator.h"
#include "ingest/otlp/otlp_decoder.h"
#include "normalize/normalizer.h"
#include "reconstruct/state_model.h"
#include "simulate/loss/loss.h"
#include "simulate/simulation.h"
#include "simulate/write/otlp_json.h"
#include "simulate/write/truth_file.h"

namespace tomograph::evaluate {
namespace {

using simulate::MemoryTruth;
using simulate::Scenario;
using telemetry::Basis;
using telemetry::Estimate;
using telemetry::kNoEntity;
using telemetry::Quantity;
using telemetry::WindowSet;

constexpr Nanos kWarmUp = 2 * kMinute, kAftermath = 2 * kMinute;
constexpr size_t kInARow = 200;
constexpr int kEceBins = 10;

// Gauges of what is to be reconstructed, and the metrics that count calls, are withheld.
simulate::LossSettings LossOf(TelemetryLoss level, simulate::LossSettings loss) {
  const bool light = level == TelemetryLoss::kLight;
  loss.keep_traces *= light ? 0.5 : 0.1;
  loss.lose_samples = light ? 0.05 : 0.3;
  loss.late = light ? 0.02 : 0.1;
  loss.late_by = 5 * kSecond;
  loss.duplicate = 0.01;
  loss.keep_metric["http.server.*"] = 0;
  loss.keep_metric["postgresql.wal.delay"] = light ? 0.1 : 0.05;
  return loss;
}

/// One run: what the models get, and the truth.
struct Run {
  telemetry::Identities identities;
  std::vector<WindowSet> windows;
  MemoryTruth truth;
  Scenario scenario;

  bool Incident(const WindowSet& set) const {
    for (const simulate::Fault& fault : scenario.faults) {
      const Nanos from = scenario.start + fault.from;
      const Nanos until = scenario.start + fault.until + kAftermath;
      if (set.start < until && set.end() > from) return true;
    }
    return false;
  }
};

/// Reads lines as the engine does, without its store.
class Reader {
 public:
  Reader(Nanos window, telemetry::Identities* identities)
      : normalizer_(identities), correlator_(Options(window), identities, &ledger_) {
    context_.identities = identities;
    context_.ledger = &ledger_;
    context_.clock = &clock_;
    context_.complete_resource = [this](telemetry::Resource* r) {
      normalizer_.CompleteResource(r);
    };
    context_.complete_series = [this](telemetry::Series* s) { normalizer_.CompleteSeries(s); };
    decoder_ = ingest::otlp::NewLinesDecoder(context_);
  }
  Status Read(const std::string& lines) {
    return decoder_->Push(lines, [this](telemetry::Batch&& batch) { Take(std::move(batch)); });
  }
  std::vector<WindowSet> Finish() {
    const Status status =
        decoder_->Finish([this](telemetry::Batch&& batch) { Take(std::move(batch)); });
    static_cast<void>(status);  // whole lines were pushed: nothing is left
    std::vector<WindowSet> sets;
    correlator_.Finish([&](WindowSet&& set) { sets.push_back(std::move(set)); });
    return sets;
  }

 private:
  static correlate::CorrelatorOptions Options(Nanos window) {
    correlate::CorrelatorOptions options;
    options.window_length = window;
    options.lateness = 30 * kSecond;
    return options;
  }
  void Take(telemetry::Batch&& batch) {
    normalizer_.Normalize(&batch);
    correlator_.Add(batch);
  }

  VirtualClock clock_{0};
  telemetry::LossLedger ledger_;
  normalize::Normalizer normalizer_;
  correlate::Correlator correlator_;
  ingest::DecodeContext context_;
  std::unique_ptr<ingest::StreamDecoder> decoder_;
};

Status Simulate(std::string_view yaml, const StatesOptions& options, Run* run) {
  auto scenario = simulate::ReadScenario(yaml);
  if (!scenario.ok()) return scenario.status();
  scenario->seed += options.seed;
  run->scenario = *scenario;
  simulate::OtlpJson writer;
  simulate::Loss loss(LossOf(options.loss, scenario->loss), scenario->seed, scenario->start,
                      &writer);
  auto simulation = simulate::Simulation::Make(*scenario, &loss, &run->truth);
  if (!simulation.ok()) return simulation.status();
  Reader reader(options.window, &run->identities);
  const auto hand_on = [&] {
    const simulate::OtlpJson::Lines lines = writer.Take();
    TG_RETURN_IF_ERROR(reader.Read(lines.traces));
    TG_RETURN_IF_ERROR(reader.Read(lines.metrics));
    return reader.Read(lines.logs);
  };
  while ((*simulation)->RunSecond()) {
    loss.Pass((*simulation)->now());
    TG_RETURN_IF_ERROR(hand_on());
  }
  loss.Pass(INT64_MAX);
  TG_RETURN_IF_ERROR(hand_on());
  run->windows = reader.Finish();
  return Status::Ok();
}

bool IsVolume(std::string_view state) { return state == "call_volume" || state == "failed_calls"; }

/// Of the window that the estimate is of: the sum of volumes, the mean of levels; whether a replica
/// has diverged follows from its lag at the end.
std::optional<double> TruthOf(const Estimate& e, const Run& run) {
  const std::string entity = run.identities.entities.Name(e.entity);
  const std::string caller = e.caller == kNoEntity ? "" : run.identities.entities.Name(e.caller);
  const bool diverged = e.state == "replica_diverged";
  const auto* series = run.truth.Find(diverged ? "replica_lag" : e.state, entity, caller);
  if (series == nullptr) return std::nullopt;
  double sum = 0, last = 0;
  int seconds = 0;
  for (Nanos at = e.start + kSecond; at <= e.start + e.length; at += kSecond) {
    const std::optional<double> value = MemoryTruth::At(*series, at);
    if (!value) return std::nullopt;
    sum += *value;
    last = *value;
    ++seconds;
  }
  if (seconds == 0) return std::nullopt;
  if (diverged) return last > std::stod(e.detail) ? 1 : 0;
  return IsVolume(e.state) ? sum : sum / seconds;
}

/// At face value; readings stay until the next one.
class Naive {
 public:
  std::optional<double> Of(const Estimate& e, const WindowSet& set) {
    const telemetry::Window* w = set.Find({e.entity, e.caller});
    if (e.state == "replica_lag") return LastReading(e, w);
    const telemetry::CallStats none;
    const telemetry::CallStats& spans = w == nullptr ? none : w->spans;
    if (e.state == "call_volume") return spans.calls;
    if (e.state == "failed_calls") return spans.failed;
    if (e.state == "in_flight") return spans.busy_s / ToSeconds(set.length);
    if (e.state == "queue_depth" && e.caller != kNoEntity)
      return std::max(0.0, spans.wait_s / ToSeconds(set.length));
    return std::nullopt;
  }

 private:
  std::optional<double> LastReading(const Estimate& e, const telemetry::Window* w) {
    if (w != nullptr) {
      const auto at = w->gauges.find(Quantity::kReplicaLag);
      if (at != w->gauges.end() && at->second.samples > 0) last_[e.entity] = at->second.last;
    }
    const auto last = last_.find(e.entity);
    return last == last_.end() ? std::nullopt : std::optional(last->second);
  }
  std::map<telemetry::EntityId, double> last_;
};

/// The quantile between those that an estimate tells, by straight lines over normal quantiles.
double QuantileAt(const Estimate& e, double z) {
  const double zs[] = {-1.6449, -0.6745, 0, 0.6745, 1.6449};
  const double xs[] = {e.i90.lower, e.i50.lower, e.value, e.i50.upper, e.i90.upper};
  int i = 0;
  while (i < 3 && z > zs[i + 1]) ++i;
  return xs[i] + (z - zs[i]) / (zs[i + 1] - zs[i]) * (xs[i + 1] - xs[i]);
}

/// The quantile score at nine levels, twice: about the continuous ranked probability score.
double Crps(const Estimate& e, double truth) {
  const double zs[] = {-1.6449, -1.0364, -0.6745, -0.3853, 0, 0.3853, 0.6745, 1.0364, 1.6449};
  const double qs[] = {.05, .15, .25, .35, .5, .65, .75, .85, .95};
  double sum = 0;
  for (int i = 0; i < 9; ++i) {
    const double at = QuantileAt(e, zs[i]);
    sum += (truth - at) * (qs[i] - (truth < at ? 1 : 0));
  }
  return 2 * sum / 9;
}

/// Adds up what makes a StateScore.
struct Tally {
  StateScore score;
  std::vector<double> widths;
  std::vector<bool> held;
  double naive_n = 0;
  double of_bin[kEceBins] = {}, said[kEceBins] = {}, was[kEceBins] = {};

  void Add(const Estimate& e, double truth, std::optional<double> naive) {
    ++score.n;
    if (score.binary) return AddProbability(e.value, truth);
    score.in50 += e.i50.Contains(truth);
    score.in80 += truth >= QuantileAt(e, -1.2816) && truth <= QuantileAt(e, 1.2816);
    score.in95 += truth >= QuantileAt(e, -1.96) && truth <= QuantileAt(e, 1.96);
    held.push_back(e.i90.Contains(truth));
    score.in90 += held.back();
    widths.push_back((e.i90.upper - e.i90.lower) / std::max(truth, 0.01));
    score.crps += Crps(e, truth);
    if (!naive) return;
    naive_n += 1;
    score.naive_crps += std::fabs(*naive - truth);
  }
  void AddProbability(double p, double truth) {
    score.brier += (p - truth) * (p - truth);
    const int bin = std::clamp(static_cast<int>(p * kEceBins), 0, kEceBins - 1);
    of_bin[bin] += 1;
    said[bin] += p;
    was[bin] += truth;
  }
  StateScore Close() {
    const double n = std::max<double>(1, static_cast<double>(score.n));
    score.crps /= n;
    score.brier /= n;
    score.naive_crps = naive_n > 0 ? score.naive_crps / naive_n : std::nan("");
    for (int bin = 0; bin < kEceBins; ++bin) score.ece += std::fabs(said[bin] - was[bin]) / n;
    if (!widths.empty()) {
      const auto middle = widths.begin() + static_cast<std::ptrdiff_t>(widths.size() / 2);
      std::nth_element(widths.begin(), middle, widths.end());
      score.median_width = *middle;
    }
    size_t in_row = 0;
    for (size_t i = 0; i < held.size(); ++i) {
      in_row += held[i];
      if (i >= kInARow) in_row -= held[i - kInARow];
      if (i + 1 >= kInARow)
        score.worst_window = std::min(score.worst_window, static_cast<double>(in_row) / kInARow);
    }
    return score;
  }
};

using TallyKey = std::tuple<std::string, std::string, bool, bool>;  // model, state, phase, apart

void ScoreRun(const std::string& name, const Run& run, std::map<TallyKey, Tally>* tallies) {
  for (const auto& model : reconstruct::AllModels()) {
    if (name != "all" && name != model->name()) continue;
    Naive naive;
    for (const WindowSet& set : run.windows) {
      std::vector<Estimate> estimates;
      model->Update(set, &estimates);
      const bool cut = set.end() > run.scenario.start + run.scenario.length;
      for (const Estimate& e : estimates) {
        const std::optional<double> face_value = naive.Of(e, set);
        if (set.start < run.scenario.start + kWarmUp || cut) continue;
        const std::optional<double> truth = TruthOf(e, run);
        if (!truth) continue;
        const bool incident = run.Incident(set);
        Tally& tally =
            (*tallies)[{std::string(model->name()), e.state, incident, run.scenario.kept_apart}];
        tally.score.model = model->name();
        tally.score.state = e.state;
        tally.score.incident = incident;
        tally.score.kept_apart = run.scenario.kept_apart;
        tally.score.binary = e.state == "replica_diverged";
        if (e.basis == Basis::kMissing) {
          ++tally.score.missing;
        } else if (e.basis == Basis::kInferred) {
          tally.Add(e, *truth, face_value);
        }
      }
    }
  }
}

double Share(size_t part, size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::vector<ShippedScenario> ShippedScenarios() {
  return {
#include "scenario_list.inc"
  };
}

Result<std::vector<StateScore>> EvaluateStates(const StatesOptions& options) {
  const auto models = reconstruct::AllModels();
  const bool known = std::any_of(models.begin(), models.end(),
                                 [&](const auto& m) { return m->name() == options.model; });
  if (options.model != "all" && !known)
    return Status::InvalidArgument("there is no model '" + options.model + "'");
  std::map<TallyKey, Tally> tallies;
  bool found = false;
  for (const ShippedScenario& shipped : ShippedScenarios()) {
    if (options.scenario != "all" && options.scenario != shipped.name) continue;
    found = true;
    Run run;
    const Status status = Simulate(shipped.yaml, options, &run);
    if (!status.ok())
      return Status::InvalidArgument(std::string(shipped.name) + ": " + status.message());
    ScoreRun(options.model, run, &tallies);
  }
  if (!found) {
    std::string names;
    for (const ShippedScenario& shipped : ShippedScenarios())
      names.append(" ").append(shipped.name);
    return Status::InvalidArgument("there is no scenario '" + options.scenario + "':" + names +
                                   " all");
  }
  std::vector<StateScore> scores;
  for (auto& [key, tally] : tallies) scores.push_back(tally.Close());
  return scores;
}

std::string StatesText(const std::vector<StateScore>& scores) {
  std::string text =
      "n: inferred estimates, of which the 50, 80, 90 and 95 % intervals hold the truth (80 and 95 "
      "are\ninterpolated); worst: lowest share in the 90 % interval of 200 in a row; width: median "
      "of the 90 %\ninterval / truth; CRPS beside that of what the telemetry says at face value. "
      "apart: scenarios that\nno tuning saw\n\n"
      "model        state             phase           n missing    50    80    90    95  worst   "
      "width     CRPS    naive  Brier    ECE\n";
  for (const StateScore& s : scores) {
    char line[240];
    std::snprintf(line, sizeof line, "%-12s %-17s %-8s%-5s %5zu %7zu ", s.model.c_str(),
                  s.state.c_str(), s.incident ? "incident" : "steady", s.kept_apart ? "apart" : "",
                  s.n, s.missing);
    text += line;
    if (s.binary) {
      std::snprintf(line, sizeof line, "%59s %6.3f %6.3f\n", "", s.brier, s.ece);
    } else {
      std::snprintf(line, sizeof line, "%5.3f %5.3f %5.3f %5.3f  %5.3f %7.2f %8.3f %8.3f\n",
                    Share(s.in50, s.n), Share(s.in80, s.n), Share(s.in90, s.n), Share(s.in95, s.n),
                    s.worst_window, s.median_width, s.crps, s.naive_crps);
    }
    text += line;
  }
  return text;
}

std::string StatesJson(const std::vector<StateScore>& scores) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const StateScore& s : scores) {
    nlohmann::ordered_json row = {{"model", s.model},
                                  {"state", s.state},
                                  {"phase", s.incident ? "incident" : "steady"},
                                  {"kept_apart", s.kept_apart},
                                  {"n", s.n},
                                  {"missing", s.missing}};
    if (s.binary) {
      row["brier"] = s.brier;
      row["ece"] = s.ece;
    } else {
      row["coverage50"] = Share(s.in50, s.n);
      row["coverage80"] = Share(s.in80, s.n);
      row["coverage90"] = Share(s.in90, s.n);
      row["coverage95"] = Share(s.in95, s.n);
      row["worst_window"] = s.worst_window;
      row["width"] = s.median_width;
      row["crps"] = s.crps;
      row["naive_crps"] = s.naive_crps;  // null where there is none
    }
    rows.push_back(std::move(row));
  }
  return rows.dump(1);
}

}  // namespace tomograph::evaluate
