#include "reconstruct/step.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <tuple>
#include <vector>

#include "reconstruct/estimates.h"
#include "reconstruct/unseen_failures.h"
#include "telemetry/step_name.h"

namespace tomograph::reconstruct {
namespace {

using telemetry::Basis;
using telemetry::DDSketch;
using telemetry::Estimate;
using telemetry::Interval;
using telemetry::kNoEntity;
using telemetry::StepStats;
using telemetry::Window;

constexpr double kNormal95 = 1.6448536269514722;
constexpr double kNormal75 = 0.6744897501960817;
constexpr double kEnough = 200;     // draws: enough for the upper bound of a p95 to be one of them
constexpr double kKeepPast = 0.95;  // of the durations, a window
constexpr double kKeepFresh = 0.6;  // of those that are held against the past
constexpr double kKeepRecent = 0.98;  // of what is shown
constexpr double kKeepUsual = 0.998;  // of what usually comes next: half after half an hour
constexpr double kLeastUsual = 0.05;  // share of the requests
constexpr double kFewPassed = 20;     // requests, before which nothing is usual
constexpr double kSlowly = 0.1;  // an early end counts for this while it looks like an outbreak
constexpr double kKeepScatter = 0.99;                // a window and step
constexpr double kOutlier = 2.5;                     // standard deviations
constexpr double kFewStops = 0.1, kFewRequests = 1;  // of all points, before any is seen

double Square(double x) { return x * x; }

/// Wilson's interval for a share q of n draws.
Interval WilsonBounds(double q, double n, double z) {
  const double shrink = 1 + z * z / n;
  const double centre = (q + z * z / (2 * n)) / shrink;
  const double reach = z / shrink * std::sqrt(q * (1 - q) / n + Square(z / (2 * n)));
  return {centre - reach, centre + reach};
}

/// Of a sketch, whose values are a bit wrong themselves.
Interval Between(const DDSketch& sketch, Interval ranks) {
  return {sketch.Quantile(ranks.lower) * (1 - DDSketch::kRelativeError),
          sketch.Quantile(ranks.upper) * (1 + DDSketch::kRelativeError)};
}

DDSketch Scaled(const DDSketch& sketch, double count) {
  DDSketch scaled = sketch;
  scaled.Scale(count / sketch.count());
  return scaled;
}

/// Where among the past a value lies, half of what equals it below.
double MiddleRank(const DDSketch& past, double value) {
  const double below = value > 1e-9 ? value * (1 - 2 * DDSketch::kRelativeError) : -1;
  return (past.RankOf(value) + past.RankOf(below)) / 2;
}

/// Has the distribution moved away from what it was?
bool HasMoved(const DDSketch& fresh, const DDSketch& past) {
  const double rank = MiddleRank(past, fresh.Quantile(0.5));
  return std::fabs(rank - 0.5) > kOutlier * 0.5 / std::sqrt(fresh.count());
}

/// The durations of all requests that passed in a window.
struct Durations {
  DDSketch all;        // as far as known
  double pool = 0;     // draws that it is known from
  double draws = 0;    // n': in whose order statistics the bounds are
  bool whole = false;  // every request was seen
};

Durations DurationsOf(const StepStats& now, double requests, const DDSketch& past, double scatter) {
  Durations d;
  const double seen = static_cast<double>(now.seen);
  const double unseen = std::max(0.0, requests - seen);
  d.whole = unseen < 1e-6 * seen;
  d.all = Scaled(now.duration, seen);
  d.pool = seen;
  if (d.whole) return d;
  DDSketch pool = d.all;
  const double borrowed = std::min(past.count(), kEnough - seen);
  if (borrowed > 0) {
    pool.Merge(Scaled(past, borrowed));
    d.pool += borrowed;
  }
  d.all.Merge(Scaled(pool, unseen));
  // How many the unseen are is not known either: fewer would scatter more than more do less.
  const double doubt = 1 + std::min(1.0, requests / (seen * unseen));
  d.draws = Square(requests) / (unseen * (doubt + unseen / d.pool) * scatter);
  return d;
}

void FillQuantile(const Durations& d, double q, double confidence, Estimate* e) {
  Spread s;
  s.value = d.all.Quantile(q);
  if (d.whole) {
    s.i50 = s.i90 = Between(d.all, {q, q});
    Fill(s, Basis::kObserved, confidence, "spans", e);
    return;
  }
  const Interval ranks = WilsonBounds(q, d.draws, kNormal95);
  if (1 - ranks.upper < 0.5 / d.pool) {
    e->note = "too few requests for an upper bound";
    return;
  }
  s.i50 = Between(d.all, WilsonBounds(q, d.draws, kNormal75));
  s.i90 = Between(d.all, ranks);
  if (ranks.lower < 0.5 / d.pool) s.i90.lower = 0;
  Fill(s, Basis::kInferred, confidence, "order_statistics", e);
}

Spread ShareOfRest(const Spread& stops, double requests) {
  const auto share = [&](double x) { return std::clamp(1 - x / requests, 0.0, 1.0); };
  const auto turned = [&](Interval i) { return Interval{share(i.upper), share(i.lower)}; };
  return {share(stops.value), turned(stops.i50), turned(stops.i90)};
}

/// By an independent doubt of this standard deviation.
void Widen(double sd, Spread* share) {
  const auto wider = [&](double z, Interval* i) {
    i->lower = std::max(0.0, share->value - std::hypot(share->value - i->lower, z * sd));
    i->upper = std::min(1.0, share->value + std::hypot(i->upper - share->value, z * sd));
  };
  wider(kNormal75, &share->i50);
  wider(kNormal95, &share->i90);
}

}  // namespace

/// What a window's spans stand for.
struct StepModel::Scale {
  double requests_per_seen = 1;  // of those that do not say it
  double confidence = 0.95;
  double common = 0;   // share of requests that stop, all points together
  double scatter = 1;  // of durations between windows, 1: independent draws
  /// How many requests passed, of which so many were seen.
  double Requests(const StepStats& s, const CallHistory& news) const {
    const double seen = static_cast<double>(s.seen);
    const double unseen = s.calls * requests_per_seen / seen - 1;
    if (unseen < 1e-6) return seen;
    const CallHistory::Rates rates = news.After(seen);
    const double before = rates.as_before_probability;
    return seen + unseen * (before * rates.as_before.mean() + (1 - before) * rates.afresh.mean());
  }
};

void StepModel::Scatter::Learn(const StepStats& now, const DDSketch& past) {
  if (past.count() < kFewPassed) return;
  const double off = MiddleRank(past, now.duration.Quantile(0.5)) - 0.5;
  // Of n independent draws the median's rank has a variance of 1 / (4 (n + 2)).
  const double squared = 4 * (static_cast<double>(now.seen) + 2) * Square(off);
  squares = kKeepScatter * squares + std::min(squared, Square(kOutlier));
  windows = kKeepScatter * windows + 1;
}

void StepModel::TakeWindow(const Window& window, Known* known) {
  for (const StepStats& step : window.steps) {
    Point& point = known->points[{step.operation, step.after}];
    Next& next = point.nexts[step.before];
    next.now = &step;
    if (!step.duration.empty()) {
      known->scatter.Learn(step, next.past);
      next.fresh.Scale(kKeepFresh);
      next.fresh.Merge(Scaled(step.duration, static_cast<double>(step.seen)));
      if (!next.past.empty() && HasMoved(next.fresh, next.past)) next.past.Clear();
    }
    next.recent += static_cast<double>(step.seen);
    point.recent += static_cast<double>(step.seen);
  }
}

void StepModel::Trim(Known* known) {
  while (known->points.size() > kMostPoints) {
    known->points.erase(std::min_element(
        known->points.begin(), known->points.end(),
        [](const auto& a, const auto& b) { return a.second.recent < b.second.recent; }));
  }
}

void StepModel::EmitDurations(const Estimate& shape, const Scale& scale, const Next& next,
                              std::vector<Estimate>* estimates) {
  Estimate e = shape;
  e.unit = "s";
  const bool passed = next.now != nullptr && !next.now->duration.empty();
  Durations d;
  if (passed)
    d = DurationsOf(*next.now, scale.Requests(*next.now, next.news), next.past, scale.scatter);
  for (const auto& [state, q] :
       {std::pair("step_duration_p50", 0.5), {"step_duration_p95", 0.95}}) {
    e.state = state;
    estimates->push_back(e);
    if (passed) {
      FillQuantile(d, q, scale.confidence, &estimates->back());
    } else {
      estimates->back().note = "known, but no request was seen to pass here";
    }
  }
}

Estimate StepModel::Completion(Estimate e, const Scale& scale, Point* point) {
  e.state = "step_completion";
  e.unit = "1";
  if (point->usual < kFewPassed) {
    e.note = "too few requests yet to know what usually comes next";
    return e;
  }
  double seen = 0, stopped = 0, requests = 0;
  for (const auto& [before, next] : point->nexts) {
    if (next.now == nullptr) continue;
    const double passed = static_cast<double>(next.now->seen);
    seen += passed;
    requests += scale.Requests(*next.now, next.news);
    if (before != telemetry::kStepEnd) continue;
    const bool usual = next.usual >= kLeastUsual * point->usual;
    stopped += usual ? static_cast<double>(next.now->failed_seen) : passed;
  }
  if (seen == 0) {
    e.note = "known, but no request was seen to come here";
    return e;
  }
  const FailureHistory::Regimes now =
      point->stops.Next(scale.common).After(stopped, seen - stopped);
  const double rest = std::max(0.0, requests - seen);
  const uint64_t seed = SeedOf({e.entity, kNoEntity}, e.start, std::hash<std::string>{}(e.detail));
  const bool whole = rest < 1e-6 * seen;
  Spread share = ShareOfRest(UnseenFailures(stopped, rest, 0, 1, now, seed), requests);
  const double doubt = std::sqrt(rest * requests / seen) / requests;  // of the requests
  Widen(doubt * (1 - share.value), &share);
  Fill(share, whole ? Basis::kObserved : Basis::kInferred, scale.confidence,
       whole ? "spans" : "beta_binomial", &e);
  point->stops.Learn(seen, stopped, 1, now.ill_probability);
  point->ill = now.ill_probability;
  point->stopped = stopped;
  point->seen = seen;
  return e;
}

void StepModel::Emit(telemetry::EntityId entity, const Scale& scale,
                     const telemetry::WindowSet& windows, Known* known,
                     std::vector<Estimate>* estimates) const {
  struct Shown {
    double recent;
    PointKey key;
    std::string before;
    Point* point;
    Next* next;
  };
  std::vector<Shown> steps, points;
  for (auto& [key, point] : known->points) {
    points.push_back(Shown{point.recent, key, "", &point, nullptr});
    for (auto& [before, next] : point.nexts)
      steps.push_back(Shown{next.recent, key, before, &point, &next});
  }
  const auto most_first = [](const Shown& a, const Shown& b) {
    return std::tie(b.recent, a.key, a.before) < std::tie(a.recent, b.key, b.before);
  };
  const auto shape = [&](const Shown& s) {
    Estimate e = EstimateOf("", {entity, kNoEntity}, windows, "");
    e.detail = telemetry::ToDetail({s.key.first, s.key.second, s.before});
    e.evidence.push_back(WindowEvidence({entity, kNoEntity}, windows.start));
    return e;
  };
  std::sort(steps.begin(), steps.end(), most_first);
  std::sort(points.begin(), points.end(), most_first);
  for (size_t i = 0; i < std::min(steps.size(), kShownSteps); ++i)
    EmitDurations(shape(steps[i]), scale, *steps[i].next, estimates);
  for (size_t i = 0; i < points.size(); ++i) {
    const Estimate e = Completion(shape(points[i]), scale, points[i].point);
    if (i < kShownSteps) estimates->push_back(e);
  }
}

void StepModel::Learn(Known* known) {
  for (auto& [key, point] : known->points) {
    const bool learning = point.usual < kFewPassed;
    const double new_end = learning ? 1 : std::max(kSlowly, 1 - point.ill);
    const double usual_before = point.usual;
    point.recent *= kKeepRecent;
    point.usual = 0;
    for (auto& [before, next] : point.nexts) {
      next.news.Learn(next.now == nullptr ? 0 : static_cast<double>(next.now->seen));
      const bool stop = before == telemetry::kStepEnd && next.usual < kLeastUsual * usual_before;
      next.usual *= kKeepUsual;
      next.recent *= kKeepRecent;
      if (next.now != nullptr) {
        const double well = static_cast<double>(next.now->seen - next.now->failed_seen);
        next.usual += well * (stop ? new_end : 1);
        next.past.Scale(kKeepPast);
        if (!next.now->duration.empty())
          next.past.Merge(Scaled(next.now->duration, static_cast<double>(next.now->seen)));
      }
      point.usual += next.usual;
      next.now = nullptr;
    }
    point.seen = point.stopped = 0;
  }
}

void StepModel::Update(const telemetry::WindowSet& windows, std::vector<Estimate>* estimates) {
  LearnRates(windows, &rates_);
  const double lost =
      static_cast<double>(windows.orphans) / std::max(1.0, static_cast<double>(windows.spans));
  for (const Window& w : windows.windows) {
    if (w.steps.empty()) continue;
    Known& known = known_[w.key.entity];
    known.last = windows.end();
    TakeWindow(w, &known);
    Trim(&known);
  }
  all_stopped_ *= kKeepPast;
  all_seen_ *= kKeepPast;
  for (auto at = known_.begin(); at != known_.end();) {
    Known& known = at->second;
    Scale scale;
    if (const Window* w = windows.Find({at->first, kNoEntity})) {
      const SpanEvidence evidence = Weigh(*w, rates_, {});
      if (evidence.sampling == Sampling::kLearned) scale.requests_per_seen = evidence.weight;
      if (evidence.sampling == Sampling::kAssumed) scale.confidence = 0.8;
    }
    scale.confidence *= 1 - std::min(1.0, lost);
    scale.common = (all_stopped_ + kFewStops) / (all_seen_ + kFewRequests);
    scale.scatter = known.scatter.index();
    Emit(at->first, scale, windows, &known, estimates);
    for (const auto& [key, point] : known.points) {
      all_stopped_ += (1 - point.ill) * point.stopped;
      all_seen_ += (1 - point.ill) * point.seen;
    }
    Learn(&known);
    at = windows.end() - known.last > kForgetSilent ? known_.erase(at) : std::next(at);
  }
}

}  // namespace tomograph::reconstruct
