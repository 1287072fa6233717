#include "evaluate/states.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/random.h"
#include "correlate/correlator.h"
#include "evaluate/gauge_reading.h"
#include "evaluate/resample.h"
#include "reconstruct/state_model.h"

namespace tomograph::evaluate {
namespace {

using telemetry::Basis;
using telemetry::Batch;
using telemetry::EntityId;
using telemetry::Estimate;
using telemetry::kNoEntity;
using telemetry::Quantity;
using telemetry::WindowKey;
using telemetry::WindowSet;

constexpr int kWarmUpWindows = 12;  // in which rates are learned

std::vector<WindowSet> Correlate(const std::vector<Batch>& batches, telemetry::Identities* ids,
                                 Nanos window_length) {
  correlate::CorrelatorOptions options;
  options.window_length = window_length;
  correlate::Correlator correlator(options, ids);
  for (const Batch& batch : batches) correlator.Add(batch);
  std::vector<WindowSet> sets;
  correlator.Finish([&](WindowSet&& set) { sets.push_back(std::move(set)); });
  return sets;
}

std::vector<Estimate> Reconstruct(const std::vector<WindowSet>& sets) {
  std::vector<Estimate> estimates;
  for (const auto& model : reconstruct::AllModels())
    for (const WindowSet& set : sets) model->Update(set, &estimates);
  return estimates;
}

using StateKey = std::tuple<std::string, EntityId, EntityId, std::string, Nanos>;
StateKey KeyOf(const Estimate& e) { return {e.state, e.entity, e.caller, e.detail, e.start}; }

/// What no span counts: the truth is what the model says when it has them all.
bool IsSaidByTheModel(std::string_view state) {
  return state == "queue_depth" || state.starts_with("step_");
}

/// All that is known of a recording when nothing is left out.
struct Truth {
  std::map<StateKey, double> spans;
  struct Reading {
    telemetry::GaugeStats stats;
    double looks = 1;  // independent ones
  };
  std::map<StateKey, Reading> gauges;
};

void AddGauges(const WindowSet& set, const std::map<EntityId, double>& seconds_per_call,
               Truth* truth) {
  for (const telemetry::Window& w : set.windows) {
    if (w.key.caller != kNoEntity) continue;
    for (const auto& [quantity, stats] : w.gauges) {
      const bool waiting =
          quantity == Quantity::kQueueDepth || quantity == Quantity::kConnectionsPending;
      if ((!waiting && quantity != Quantity::kInFlight) || stats.samples == 0) continue;
      const auto seconds = seconds_per_call.find(w.key.entity);
      if (seconds == seconds_per_call.end()) continue;
      const double lives = ToSeconds(set.length) / std::max(seconds->second, 1e-3) + 1;
      truth->gauges[{waiting ? "queue_depth" : "in_flight", w.key.entity, kNoEntity, "",
                     set.start}] = {stats, std::min<double>(stats.samples, lives)};
    }
  }
}

void AddSpans(const std::vector<WindowSet>& sets, Truth* truth) {
  for (const WindowSet& set : sets) {
    for (const telemetry::Window& w : set.windows) {
      const auto put = [&](const char* state, double value) {
        truth->spans[{state, w.key.entity, w.key.caller, "", set.start}] = value;
      };
      put("call_volume", static_cast<double>(w.spans.seen));
      put("failed_calls", static_cast<double>(w.spans.failed_seen));
      put("in_flight", w.spans.busy_s / ToSeconds(set.length));
    }
  }
  for (const Estimate& e : Reconstruct(sets))
    if (IsSaidByTheModel(e.state) && e.basis != Basis::kMissing) truth->spans[KeyOf(e)] = e.value;
}

Truth TruthOf(const std::vector<WindowSet>& span_sets, const std::vector<Batch>& full,
              telemetry::Identities* ids, Nanos window_length) {
  Truth truth;
  AddSpans(span_sets, &truth);
  std::map<Nanos, std::map<EntityId, double>> seconds_per_call;
  for (const WindowSet& set : span_sets)
    for (const telemetry::Window& w : set.windows)
      if (w.key.caller == kNoEntity && w.spans.seen > 0)
        seconds_per_call[set.start][w.key.entity] = w.spans.latency.mean();
  for (const WindowSet& set : Correlate(full, ids, window_length))
    AddGauges(set, seconds_per_call[set.start], &truth);
  return truth;
}

/// Scores one run of the models against the truth.
class Scorer {
 public:
  Scorer(const SamplingOptions& options, const Truth& truth, Knowledge knowledge, double p)
      : options_(options), truth_(truth), knowledge_(knowledge), p_(p) {}

  void Score(const Estimate& e, std::map<SamplingCell, SamplingScore>* scores) const {
    if (e.state.starts_with("missing_")) return;  // what is lost beside sampling: spans.h
    SamplingCell cell;
    cell.knowledge = knowledge_;
    cell.p = p_;
    cell.state = e.state;
    cell.incident = options_.incident.Contains(e.start);
    if (p_ < 1) AgainstSpans(e, &At(scores, cell));
    cell.gauge = true;
    AgainstGauge(e, cell, scores);
  }

 private:
  static SamplingScore& At(std::map<SamplingCell, SamplingScore>* scores,
                           const SamplingCell& cell) {
    SamplingScore& score = (*scores)[cell];
    score.cell = cell;
    return score;
  }

  void AgainstSpans(const Estimate& e, SamplingScore* score) const {
    const auto at = truth_.spans.find(KeyOf(e));
    const bool told = at != truth_.spans.end();
    if (e.basis == Basis::kMissing) {
      score->missing += told;
      return;
    }
    if (e.basis != Basis::kInferred && knowledge_ != Knowledge::kMetrics) return;
    // What even all spans do not tell is no truth; but no call at all is.
    if (!told && (IsSaidByTheModel(e.state) || knowledge_ == Knowledge::kMetrics)) return;
    const double x = told ? at->second : 0;
    if (e.i90.lower == e.i90.upper) {
      ++score->certain;
      score->certain_right += std::fabs(x - e.value) < 1e-9;
      return;
    }
    ++score->n;
    score->in50 += e.i50.Contains(x);
    score->in90 += e.i90.Contains(x);
    AddWidth(e, x, e.i90.Contains(x), score);
  }

  static void AddWidth(const Estimate& e, double x, bool held, SamplingScore* score) {
    const double width = e.i90.upper - e.i90.lower;
    score->width += width;
    score->truth += x;
    if (!(x > 0)) return;
    score->relative_widths.push_back(width / x);
    score->in90_above_zero += held;
  }

  void AgainstGauge(const Estimate& e, const SamplingCell& cell,
                    std::map<SamplingCell, SamplingScore>* scores) const {
    const auto at = truth_.gauges.find(KeyOf(e));
    if (at == truth_.gauges.end()) return;
    SamplingScore& score = At(scores, cell);
    if (e.basis == Basis::kMissing) {
      ++score.missing;
      return;
    }
    Random coin(MixBits(static_cast<uint64_t>(e.entity) + options_.seed) ^
                static_cast<uint64_t>(e.start));
    const auto& [stats, looks] = at->second;
    const double below = PredictedBelow(e, stats, looks, coin.Uniform());
    ++score.n;
    score.in50 += below >= 0.25 && below <= 0.75;
    score.in90 += below >= 0.05 && below <= 0.95;
    AddWidth(e, stats.mean(), below >= 0.05 && below <= 0.95, &score);
  }

  const SamplingOptions& options_;
  const Truth& truth_;
  const Knowledge knowledge_;
  const double p_;
};

std::vector<SamplingScore> InOrder(const std::map<SamplingCell, SamplingScore>& scores) {
  std::vector<SamplingScore> ordered;
  for (const auto& [cell, score] : scores) ordered.push_back(score);
  return ordered;
}

double Share(size_t part, size_t whole, double otherwise) {
  return whole == 0 ? otherwise : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

const char* KnowledgeName(Knowledge k) {
  switch (k) {
    case Knowledge::kWeights:
      return "weights";
    case Knowledge::kCounters:
      return "counters";
    case Knowledge::kHistograms:
      return "histograms";
    case Knowledge::kMetrics:
      return "metrics";
  }
  return "";
}

double SamplingScore::coverage50() const { return Share(in50, n, 0); }
double SamplingScore::coverage90() const { return Share(in90, n, 0); }
double SamplingScore::width90() const {
  const double of = static_cast<double>(std::max<size_t>(n, 1));
  return width / of / std::max(truth / of, 0.01);
}

double SamplingScore::coverage90_above_zero() const {
  return Share(in90_above_zero, relative_widths.size(), 0);
}
double SamplingScore::median_width90() const {
  if (relative_widths.empty()) return 0;
  std::vector<double> widths = relative_widths;
  const auto middle = widths.begin() + static_cast<std::ptrdiff_t>(widths.size() / 2);
  std::nth_element(widths.begin(), middle, widths.end());
  return *middle;
}

void SamplingScore::Merge(const SamplingScore& o) {
  n += o.n;
  in50 += o.in50;
  in90 += o.in90;
  width += o.width;
  truth += o.truth;
  relative_widths.insert(relative_widths.end(), o.relative_widths.begin(), o.relative_widths.end());
  in90_above_zero += o.in90_above_zero;
  certain += o.certain;
  certain_right += o.certain_right;
  missing += o.missing;
}

std::vector<SamplingScore> EvaluateSampling(const std::vector<Batch>& full,
                                            telemetry::Identities* ids,
                                            const SamplingOptions& options) {
  const std::vector<WindowSet> all =
      Correlate(SampleTraces(full, 1, true, 0), ids, options.window_length);
  if (all.empty()) return {};
  const Truth truth = TruthOf(all, full, ids, options.window_length);
  const MadeUpMetrics metrics(full, ids);
  const Nanos scored_from = all.front().start + kWarmUpWindows * options.window_length;
  const Nanos scored_to = all.back().start;  // the last window is cut
  std::map<SamplingCell, SamplingScore> scores;
  const auto run = [&](Knowledge knowledge, double p, const std::vector<Batch>& batches) {
    const Scorer scorer(options, truth, knowledge, p);
    for (const Estimate& e : Reconstruct(Correlate(batches, ids, options.window_length)))
      if (e.start >= scored_from && e.start < scored_to) scorer.Score(e, &scores);
  };
  for (const Knowledge knowledge : options.knowledge) {
    if (knowledge == Knowledge::kMetrics) {
      run(knowledge, 0, MetricsWithoutGauges(full, *ids));
      continue;
    }
    const bool tell = knowledge == Knowledge::kWeights;
    if (tell && !truth.gauges.empty()) run(knowledge, 1, SampleTraces(full, 1, true, 0));
    for (const double p : options.probabilities) {
      std::vector<Batch> batches = SampleTraces(full, p, tell, options.seed);
      if (!tell) batches.push_back(metrics.Export(knowledge == Knowledge::kHistograms));
      run(knowledge, p, batches);
    }
  }
  return InOrder(scores);
}

std::vector<SamplingScore> Pool(const std::vector<std::vector<SamplingScore>>& parts) {
  std::map<SamplingCell, SamplingScore> pooled;
  for (const auto& part : parts) {
    for (const SamplingScore& score : part) {
      SamplingScore& all = pooled[score.cell];
      all.cell = score.cell;
      all.Merge(score);
    }
  }
  return InOrder(pooled);
}

std::string ToTable(const std::vector<SamplingScore>& scores) {
  std::string table =
      "known: what the models got besides spans kept with probability p; truth: all spans, or "
      "gauges "
      "that were withheld; n: intervals with room, of which in50 and in90 hold the truth (should "
      "be "
      ".5 and .9); width90: mean 90 % width / mean truth; n>0, in90>0, median: where the truth is "
      "above zero, how many, in90, and median of width / truth; certain: intervals of one number, "
      "right: share of them; missing: no answer\n\n"
      "known       p     state         truth  phase         n   in50   in90  width90     n>0  "
      "in90>0  "
      "median  certain  right  missing\n";
  for (const SamplingScore& s : scores) {
    char line[240];
    std::snprintf(line, sizeof(line),
                  "%-11s %-5g %-13s %-6s %-8s %6zu  %5.3f  %5.3f  %7.2f  %6zu  %6.3f  %6.2f  %7zu  "
                  "%5.3f  %7zu\n",
                  KnowledgeName(s.cell.knowledge), s.cell.p, s.cell.state.c_str(),
                  s.cell.gauge ? "gauge" : "spans", s.cell.incident ? "incident" : "steady", s.n,
                  s.coverage50(), s.coverage90(), s.width90(), s.relative_widths.size(),
                  s.coverage90_above_zero(), s.median_width90(), s.certain,
                  Share(s.certain_right, s.certain, 1), s.missing);
    table += line;
  }
  return table;
}

std::string ToJson(const std::vector<SamplingScore>& scores) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const SamplingScore& s : scores) {
    rows.push_back({{"known", KnowledgeName(s.cell.knowledge)},
                    {"p", s.cell.p},
                    {"state", s.cell.state},
                    {"truth", s.cell.gauge ? "gauge" : "spans"},
                    {"phase", s.cell.incident ? "incident" : "steady"},
                    {"n", s.n},
                    {"coverage50", s.coverage50()},
                    {"coverage90", s.coverage90()},
                    {"width90", s.width90()},
                    {"n_above_zero", s.relative_widths.size()},
                    {"coverage90_above_zero", s.coverage90_above_zero()},
                    {"median_width90", s.median_width90()},
                    {"certain", s.certain},
                    {"certain_right", Share(s.certain_right, s.certain, 1)},
                    {"missing", s.missing}});
  }
  return rows.dump(1);
}

}  // namespace tomograph::evaluate
