#include "reconstruct/queue.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "reconstruct/estimates.h"
#include "reconstruct/posterior.h"

namespace tomograph::reconstruct {
namespace {

using telemetry::Basis;
using telemetry::Estimate;
using telemetry::kNoEntity;
using telemetry::Quantity;
using telemetry::Window;
using telemetry::WindowKey;
using telemetry::WindowSet;

constexpr double kGaugeRounding = 1.0 / 12;  // variance of a reading's place between whole numbers

double Square(double x) { return x * x; }

/// E[D^k] from a latency sketch, by its quantiles.
double LatencyMoment(const telemetry::DDSketch& latency, double k) {
  constexpr int kSteps = 64;
  double sum = 0;
  for (int i = 0; i < kSteps; ++i) sum += std::pow(latency.Quantile((i + 0.5) / kSteps), k);
  return sum / kSteps;
}

/// Normal, with what would be below zero at zero: nobody waits less than not at all. Where zero
/// itself is likely, an interval starts there and has its probability below its upper end: with a
/// tail cut off at both ends it would promise 90 % and hold 95 %.
Spread FromZeroUp(double mean, double sd) {
  const auto at = [&](double z) { return std::max(0.0, mean + z * sd); };
  const auto around = [&](double tail, double one_sided) {
    return mean - tail * sd > 0 ? telemetry::Interval{at(-tail), at(tail)}
                                : telemetry::Interval{0, at(one_sided)};
  };
  return {at(0), around(0.6745, 0), around(1.6449, 1.2816)};
}

Moments PerSecond(const Moments& seconds, double length_s) {
  return {seconds.floor / length_s, seconds.mean / length_s, seconds.variance / Square(length_s)};
}

/// Of max(0, a normal).
Moments AboveZero(double mean, double sd) {
  if (!(sd > 0)) return {0, std::max(0.0, mean), 0};
  const double z = mean / sd;
  const double above = 0.5 * std::erfc(-z / std::sqrt(2.0));
  const double density = std::exp(-z * z / 2) / std::sqrt(2 * M_PI);
  const double first = mean * above + sd * density;
  const double second = (Square(mean) + Square(sd)) * above + mean * sd * density;
  return {0, first, std::max(0.0, second - Square(first))};
}

const telemetry::GaugeStats* FindGauge(const Window& w, Quantity q) {
  const auto at = w.gauges.find(q);
  return at == w.gauges.end() || at->second.samples == 0 ? nullptr : &at->second;
}

}  // namespace

struct QueueModel::View {
  Moments moments;  // of the mean number in flight
  bool there = false;
  const char* method = "";
  double total() const { return moments.floor + moments.mean; }
};

namespace {

struct LittleAndGauge {
  Moments moments;
  bool there = false;
};

/// Independent views of one number, weighted by precision.
class Fusion {
 public:
  void Take(double mean, double variance) {
    const double precision = 1 / std::max(variance, 1e-12);
    precision_ += precision;
    weighted_ += mean * precision;
  }
  double mean() const { return weighted_ / precision_; }
  double variance() const { return 1 / precision_; }

 private:
  double precision_ = 0, weighted_ = 0;
};

/// Little's law on what a histogram says of the calls that ended. `scatter`: of their number.
LittleAndGauge FromDurations(const Window& w, double scatter, double length_s) {
  const telemetry::CallStats& m = w.metrics;
  if (!MetricsCounted(w)) return {};
  if (m.calls <= 0) return {{0, 0, 0}, true};
  if (m.busy_s <= 0 || m.latency.empty()) return {};
  const double across_borders = 2 * m.calls / length_s * LatencyMoment(m.latency, 3) / 3;
  return {{0, m.busy_s / length_s, (across_borders + scatter * m.busy_variance) / Square(length_s)},
          true};
}

LittleAndGauge FromGauge(const Window& w, double mean_duration_s, double length_s) {
  const telemetry::GaugeStats* g = FindGauge(w, Quantity::kInFlight);
  if (g == nullptr) return {};
  const double n = std::max(g->mean(), 0.25);
  // k readings of a number that keeps its value for about one call: fewer independent looks, but
  // also a mean that moves less against them.
  const double looks = std::min<double>(g->samples, length_s / std::max(mean_duration_s, 1e-3) + 1);
  return {{0, g->mean(), n / looks + kGaugeRounding / g->samples}, true};
}

double MeanDuration(const Window& w) {
  if (w.spans.seen > 0) return w.spans.latency.mean();
  return w.metrics.latency.mean();
}

}  // namespace

QueueModel::View QueueModel::FromSpans(const Window& w, const SpanEvidence& e, Known* known,
                                       double length_s) const {
  View v;
  const telemetry::CallStats& spans = w.spans;
  if (spans.busy_s <= 0 && spans.seen == 0) return v;
  v.there = true;
  if (e.complete()) {
    v.moments = {spans.busy_s / length_s, 0, 0};
    v.method = "spans";
    return v;
  }
  v.method = e.sampling == Sampling::kWeights ? "horvitz_thompson" : "learned_sampling_rate";
  // Under known weights busy_s is weighted already; under a learned rate it is what was seen.
  const double seen_busy =
      e.sampling == Sampling::kWeights ? spans.busy_s / e.weight : spans.busy_s;
  const double traces = std::max(1.0, static_cast<double>(spans.seen) / e.cluster);
  const double squares =
      e.sampling == Sampling::kWeights ? spans.busy_variance / e.unit_variance()
      : spans.latency.empty()
          ? Square(seen_busy)  // nothing has ended: one call in flight, as far as we see
          : static_cast<double>(spans.seen) *
                (LatencyMoment(spans.latency, 2) + (e.cluster - 1) * Square(spans.latency.mean()));
  // Where metrics count the calls, they tell how many traces no span shows.
  const bool told = MetricsCounted(w) && w.metrics.calls > 0;
  const Moments counted{0, std::max(0.0, w.metrics.calls / e.cluster - traces),
                        known->scatter.index() * w.metrics.calls_variance / Square(e.cluster)};
  v.moments = PerSecond(known->busy.Total(traces, seen_busy, squares, e, told ? &counted : nullptr),
                        length_s);
  return v;
}

Estimate QueueModel::InFlight(const Window& w, const WindowSet& windows, Known* known) {
  const double length_s = ToSeconds(windows.length);
  Estimate e = EstimateOf("in_flight", w.key, windows, "requests");
  const SpanEvidence evidence = Weigh(w, rates_, known->usual);
  known->usual.Learn(evidence);
  if (MetricsCounted(w)) known->scatter.Learn(w.metrics.calls, w.metrics.calls_variance);
  const double scatter = known->scatter.index();
  const View spans = FromSpans(w, evidence, known, length_s);
  const LittleAndGauge little = FromDurations(w, scatter, length_s);
  const LittleAndGauge gauge = FromGauge(w, MeanDuration(w), length_s);
  if (spans.there && evidence.complete() &&
      !(evidence.sampling == Sampling::kAssumed && little.there)) {
    Fill(AmountSpread(spans.moments), Basis::kObserved,
         evidence.sampling == Sampling::kAll ? 0.99 : 0.8, spans.method, &e);
    if (evidence.sampling == Sampling::kAssumed)
      e.note = "nothing says whether these traces are sampled; if they are, this is a lower bound";
    return e;
  }
  if (gauge.there) {
    const double gauge_sd = std::sqrt(gauge.moments.variance);
    if (spans.there && !evidence.complete())
      sampled_width_.Learn(spans.total(), std::sqrt(spans.moments.variance), gauge.moments.mean,
                           gauge_sd);
    if (little.there)
      little_width_.Learn(little.moments.mean, std::sqrt(little.moments.variance),
                          gauge.moments.mean, gauge_sd);
  }
  const bool sampled = spans.there && !evidence.complete();
  const double floor = sampled ? spans.moments.floor : 0;
  const int views = little.there + sampled + gauge.there;
  if (views == 0) {
    e.note = "no spans, no latency histogram and no gauge of requests in flight";
    return e;
  }
  const double of_little = little.moments.variance * Square(little_width_.scale());
  const double of_spans = spans.moments.variance * Square(sampled_width_.scale());
  // Both go by the number of calls that metrics tell, and by its error.
  double shared = 0;
  if (little.there && sampled) {
    shared = scatter * w.metrics.calls_variance * Square(MeanDuration(w) / length_s);
    shared = std::min({shared, of_little, of_spans});
  }
  Fusion calls, all;
  if (little.there) calls.Take(little.moments.mean, of_little - shared);
  if (sampled) calls.Take(spans.total(), of_spans - shared);
  if (little.there || sampled) all.Take(calls.mean(), calls.variance() + shared);
  if (gauge.there) all.Take(gauge.moments.mean, gauge.moments.variance);
  const double mean = all.mean();
  Moments fused{floor, mean - floor, all.variance()};
  if (fused.mean <= 0) fused = {mean, 0, 0};
  Fill(AmountSpread(fused), Basis::kInferred, 0.9,
       views > 1      ? "fused"
       : little.there ? "little"
       : gauge.there  ? "gauge"
                      : spans.method,
       &e);
  if (little.there && fused.variance < 1e-11) e.basis = Basis::kObserved;
  return e;
}

Estimate QueueModel::EdgeQueue(const Window& w, const WindowSet& windows, Known* known,
                               std::vector<Waiting>* waiting) {
  Estimate e = EstimateOf("queue_depth", w.key, windows, "requests");
  if (w.spans.waits == 0) {
    e.note = "no call with both the caller's and the callee's span: time on the way is unknown";
    return e;
  }
  const SpanEvidence evidence = Weigh(w, rates_, known->usual);
  const double waits = static_cast<double>(w.spans.waits);
  // Known weights are inside wait_s, a learned rate is not.
  const double inside = evidence.sampling == Sampling::kWeights ? evidence.weight : 1;
  const double mean_wait = w.spans.wait_s / (inside * waits);
  known->network.Learn(mean_wait, waits);
  const double network = known->network.usual();
  // The calls that no span shows: as those that were seen, if these waited. If these took less than
  // usual, that does not say that the others did (of skewed times a mean of few mostly lies below
  // the mean of all): then they are as usual, as far as the usual varies.
  const double calls = waits * evidence.weight;
  const double unseen = calls - waits;
  const double beyond = std::max(0.0, mean_wait - network);
  const double scatter = known->network.scatter() * Square(network + beyond);  // of one call
  double mean_variance = scatter / waits;
  if (beyond <= 0)
    mean_variance = 1 / (1 / mean_variance + 1 / (known->network.between() * Square(network)));
  const double excess = waits * (mean_wait - network) + unseen * beyond;
  const double variance = Square(unseen) * mean_variance + unseen * scatter +
                          Square(calls) * known->network.variance() +
                          Square(calls * beyond) * evidence.log_variance;
  const double length_s = ToSeconds(windows.length);
  const Waiting queue{w.key.entity, excess / length_s, std::sqrt(variance) / length_s};
  waiting->push_back(queue);
  Fill(FromZeroUp(queue.mean, queue.sd), Basis::kInferred, 0.7, "wait_excess", &e);
  e.note = "time between caller and callee beyond the usual network share";
  return e;
}

Estimate QueueModel::EntityQueue(const Window& w, const WindowSet& windows,
                                 const std::vector<Waiting>& waiting, Known* known) {
  Estimate e = EstimateOf("queue_depth", w.key, windows, "requests");
  for (const Quantity q : {Quantity::kQueueDepth, Quantity::kConnectionsPending}) {
    const telemetry::GaugeStats* g = FindGauge(w, q);
    if (g == nullptr) continue;
    const double n = std::max(g->mean(), 0.0);
    Moments m{0, n, (n + kGaugeRounding) / g->samples};
    Fill(AmountSpread(m), Basis::kObserved, 0.95, "gauge", &e);
    return e;
  }
  if (w.spans.takings > 0 || known->taking.known()) {
    const SpanEvidence evidence = Weigh(w, rates_, known->usual);
    const double inside = evidence.sampling == Sampling::kWeights ? evidence.weight : 1;
    const double traces = static_cast<double>(w.spans.takings);
    Moments m = known->taking.Total(traces, w.spans.taking_s / inside,
                                    w.spans.taking_square / Square(inside), evidence);
    if (evidence.complete()) m.mean = m.variance = 0;
    Fill(AmountSpread(PerSecond(m, ToSeconds(windows.length))),
         evidence.complete() ? Basis::kObserved : Basis::kInferred, 0.9, "connection_waits", &e);
    e.note = "time in which requests wait for a connection, by the spans that take one";
    return e;
  }
  const Waiting* only = nullptr;
  double mean = 0, variance = 0;
  int edges = 0;
  for (const Waiting& edge : waiting) {
    if (edge.entity != w.key.entity) continue;
    only = ++edges == 1 ? &edge : nullptr;
    const Moments m = AboveZero(edge.mean, edge.sd);
    mean += m.mean;
    variance += m.variance;
  }
  if (edges == 0) {
    e.note = "neither a gauge of waiting requests nor a call into it with both sides' spans";
    return e;
  }
  Fill(only != nullptr ? FromZeroUp(only->mean, only->sd) : FromZeroUp(mean, std::sqrt(variance)),
       Basis::kInferred, 0.7, "wait_excess", &e);
  e.note = "time between caller and callee beyond the usual network share";
  return e;
}

void QueueModel::Update(const WindowSet& windows, std::vector<Estimate>* estimates) {
  LearnRates(windows, &rates_);
  std::vector<Estimate> edge_queues;
  std::vector<Waiting> waiting;
  for (const Window& w : windows.windows) {
    const bool evidence = w.spans.seen > 0 || w.spans.busy_s > 0 || MetricsCounted(w) ||
                          FindGauge(w, Quantity::kInFlight) != nullptr;
    if (!evidence) continue;
    Known& known = known_[w.key];
    known.last = windows.end();
    estimates->push_back(InFlight(w, windows, &known));
    if (w.key.caller != kNoEntity) edge_queues.push_back(EdgeQueue(w, windows, &known, &waiting));
  }
  for (const Window& w : windows.windows) {
    if (w.key.caller != kNoEntity || known_.count(w.key) == 0 ||
        known_[w.key].last != windows.end())
      continue;
    estimates->push_back(EntityQueue(w, windows, waiting, &known_[w.key]));
  }
  for (Estimate& e : edge_queues) estimates->push_back(std::move(e));
  Silent(windows, estimates);
}

void QueueModel::Silent(const WindowSet& windows, std::vector<Estimate>* estimates) {
  for (auto at = known_.begin(); at != known_.end();) {
    if (at->second.last < windows.end()) {
      // Not of takings: an exhausted pool is silent too, and its takings end later.
      if (windows.spans > 0) at->second.busy.LearnSilence();
      for (const char* state : {"in_flight", "queue_depth"}) {
        Estimate e = EstimateOf(state, at->first, windows, "requests");
        e.note = "known, but silent in this window: no spans, and no metric that says zero";
        estimates->push_back(std::move(e));
      }
    }
    at = windows.end() - at->second.last > kForgetSilent ? known_.erase(at) : std::next(at);
  }
}

}  // namespace tomograph::reconstruct
