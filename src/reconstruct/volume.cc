#include "reconstruct/volume.h"

#include <algorithm>
#include <cmath>

#include "reconstruct/estimates.h"
#include "reconstruct/posterior.h"
#include "reconstruct/unseen_failures.h"

namespace tomograph::reconstruct {
namespace {

using telemetry::Basis;
using telemetry::Estimate;
using telemetry::Window;
using telemetry::WindowKey;

constexpr double kLearn = 0.1;  // of the usual number of failures in one trace, a window
constexpr double kKeep = 0.95;  // of how often calls fail at all, a window
constexpr double kFewFailed = 0.1, kFewCalls = 1;  // before any is seen
constexpr double kExactVariance = 1e-6;
constexpr const char* kAssumedNote =
    "nothing says whether these traces are sampled; if they are, this is a lower bound";

double Square(double x) { return x * x; }

/// A whole number, roughly normal, of which `seen` are there for sure: what a split says is cut off
/// below that (the moments of a truncated normal distribution).
Moments AtLeast(double seen, double total, double variance) {
  if (!(variance > 0) || seen <= 0) return {seen, std::max(0.0, total - seen), variance};
  const double sd = std::sqrt(variance);
  const double z = std::max(-5.0, (total - seen + 0.5) / sd);
  const double above = 0.5 * std::erfc(-z / std::sqrt(2.0));
  const double pull = std::exp(-z * z / 2) / std::sqrt(2 * M_PI) / above;
  return {seen, std::max(0.0, (z + pull) * sd - 0.5), variance * (1 - pull * (pull + z))};
}

/// Unseen part of a total under sampling, when the seen traces come at this rate: w - 1 for each.
Moments Unseen(double seen, const CallHistory::Rate& rate, const SpanEvidence& e, double cluster) {
  const double unseen = e.weight - 1;
  Moments m;
  m.floor = seen;
  m.mean = cluster * unseen * rate.mean();
  m.variance = Square(cluster) * (unseen * rate.mean() + Square(unseen) * rate.variance());
  m.variance += Square(cluster * rate.mean() * e.weight) * e.log_variance;
  return m;
}

}  // namespace

/// Calls that a sampler keeps together, from many windows: one trace or two say little of it.
double VolumeModel::UsualCluster(const SpanEvidence& e, const Known& known) {
  return e.sampling == Sampling::kWeights ? known.usual.cluster : e.cluster;
}

struct VolumeModel::Answer {
  Moments moments;
  Spread spread;
  Basis basis = Basis::kMissing;
  double confidence = 0;
  const char* method = "";
  const char* note = "";
};

VolumeModel::Answer VolumeModel::Calls(const Window& w, const SpanEvidence& e, Known* known,
                                       uint64_t seed) const {
  Answer a;
  const double seen = static_cast<double>(w.spans.seen);
  const bool metrics = MetricsCounted(w);
  const bool exact_metrics = metrics && w.metrics.calls_variance < kExactVariance;
  if (metrics) known->calls_scatter.Learn(w.metrics.calls, w.metrics.calls_variance);
  const double split_variance = w.metrics.calls_variance * known->calls_scatter.index();
  if (seen > 0 && e.sampling == Sampling::kAll) {
    a.moments = {seen, 0, 0};
    a.basis = Basis::kObserved;
    a.confidence = 0.99;
    a.method = "spans";
  } else if (metrics &&
             (exact_metrics || seen == 0 || split_variance < e.calls_variance || e.complete())) {
    a.moments = exact_metrics ? Moments{w.metrics.calls, 0, 0}
                              : AtLeast(seen, w.metrics.calls, split_variance);
    a.basis = exact_metrics ? Basis::kObserved : Basis::kInferred;
    a.confidence = exact_metrics ? 0.99 : 0.95;
    a.method = exact_metrics ? "metrics" : "metrics_split";
    if (!exact_metrics) a.note = "counters are exported at other times than the window's borders";
  } else if (seen > 0 && e.sampling == Sampling::kAssumed) {
    a.moments = {seen, 0, 0};
    a.basis = Basis::kObserved;
    a.confidence = 0.8;
    a.method = "spans";
    a.note = kAssumedNote;
  } else if (seen > 0) {
    const double cluster = UsualCluster(e, *known);
    const CallHistory::Rates rates = known->calls.After(seen / cluster);
    const Moments before = Unseen(seen, rates.as_before, e, cluster);
    const Moments afresh = Unseen(seen, rates.afresh, e, cluster);
    a.moments = Mixed(before, afresh, rates.as_before_probability);
    a.spread = CountSpread(before, afresh, rates.as_before_probability, seed);
    a.basis = Basis::kInferred;
    a.confidence = e.sampling == Sampling::kWeights ? 0.95 : 0.9;
    a.method = e.sampling == Sampling::kWeights ? "horvitz_thompson" : "learned_sampling_rate";
    return a;
  }
  a.spread = CountSpread(a.moments, seed);
  return a;
}

VolumeModel::Answer VolumeModel::Failed(const Window& w, const SpanEvidence& e, const Answer& calls,
                                        Known* known, uint64_t seed) {
  Answer a = calls;
  const double seen = static_cast<double>(w.spans.seen);
  const double failed = static_cast<double>(w.spans.failed_seen);
  if (seen > 0 && e.complete() && calls.moments.mean == 0 && !MetricsTellFailures(w)) {
    a.moments = {failed, 0, 0};
  } else if (MetricsTellFailures(w)) {
    known->failed_scatter.Learn(w.metrics.failed, w.metrics.failed_variance);
    const bool exact = w.metrics.failed_variance < kExactVariance;
    a.moments = exact ? Moments{w.metrics.failed, 0, 0}
                      : Moments{0, w.metrics.failed,
                                w.metrics.failed_variance * known->failed_scatter.index()};
    a.basis = exact ? Basis::kObserved : Basis::kInferred;
    a.method = exact ? "metrics" : "metrics_split";
  } else if (seen > 0) {
    if (failed > 0 && e.sampling == Sampling::kWeights && w.spans.failed_variance > 0)
      known->failed_cluster +=
          kLearn * (std::max(1.0, w.spans.failed_variance / (e.unit_variance() * failed)) -
                    known->failed_cluster);
    const double rest = std::max(0.0, calls.moments.floor + calls.moments.mean - seen);
    const double common = (all_failed_ + kFewFailed) / (all_calls_ + kFewCalls);
    // f failures that come clustered are f / cluster independent pieces of news.
    const double cluster = known->failed_cluster;
    const FailureHistory::Regimes now =
        known->failures.Next(common).After(failed / cluster, (seen - failed) / cluster);
    a.spread = UnseenFailures(failed, rest, calls.moments.variance, cluster, now, seed);
    known->failures.Learn(seen, failed, cluster, now.ill_probability);
    all_calls_ += (1 - now.ill_probability) * seen;
    all_failed_ += (1 - now.ill_probability) * failed;
    a.basis = Basis::kInferred;
    return a;
  } else {
    a.basis = Basis::kMissing;
    a.note = calls.basis == Basis::kMissing
                 ? ""
                 : "metrics count calls but not failures, and no span came";
  }
  a.spread = CountSpread(a.moments, seed);
  return a;
}

void VolumeModel::Update(const telemetry::WindowSet& windows, std::vector<Estimate>* estimates) {
  LearnRates(windows, &rates_);
  const auto emit = [&](std::string_view state, WindowKey key, const Answer& a) {
    Estimate e = EstimateOf(state, key, windows, "calls");
    e.method = a.method;
    e.note = a.note;
    if (a.basis != Basis::kMissing) {
      Fill(a.spread, a.basis, a.confidence, a.method, &e);
      e.evidence.push_back(WindowEvidence(key, windows.start));
    }
    estimates->push_back(std::move(e));
  };
  all_calls_ *= kKeep;
  all_failed_ *= kKeep;
  for (const Window& w : windows.windows) {
    if (w.spans.seen == 0 && !MetricsCounted(w)) continue;
    Known& known = known_[w.key];
    known.last = windows.end();
    const SpanEvidence e = Weigh(w, rates_, known.usual);
    known.usual.Learn(e);
    const Answer calls = Calls(w, e, &known, SeedOf(w.key, windows.start, 1));
    if (!e.complete())
      known.calls.Learn(static_cast<double>(w.spans.seen) / UsualCluster(e, known));
    emit("call_volume", w.key, calls);
    emit("failed_calls", w.key, Failed(w, e, calls, &known, SeedOf(w.key, windows.start, 2)));
  }
  for (auto at = known_.begin(); at != known_.end();) {
    if (at->second.last < windows.end()) {
      if (windows.spans > 0) at->second.calls.Learn(0);
      Answer silent;
      silent.note = "known, but silent in this window: no spans, and no metric that says zero";
      emit("call_volume", at->first, silent);
      emit("failed_calls", at->first, silent);
    }
    at = windows.end() - at->second.last > kForgetSilent ? known_.erase(at) : std::next(at);
  }
}

}  // namespace tomograph::reconstruct
