#include "reconstruct/missing_spans.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "reconstruct/estimates.h"
#include "reconstruct/posterior.h"

namespace tomograph::reconstruct {
namespace {

using telemetry::Basis;
using telemetry::CallSides;
using telemetry::EntityId;
using telemetry::Estimate;
using telemetry::kNoEntity;
using telemetry::Window;
using telemetry::WindowKey;
using telemetry::WindowSet;

constexpr double kKeep = 0.9;         // of what is known of losses, a window
constexpr double kFewJoined = 5;      // calls, below which nothing is said
constexpr double kExactShare = 1e-9;  // of other callers

double Square(double x) { return x * x; }

CallSides SidesOf(const WindowSet& windows, WindowKey key) {
  const auto at = windows.sides.find(key);
  return at == windows.sides.end() ? CallSides() : at->second;
}

/// What a window says of one edge.
struct Captured {
  double joined = 0;
  Moments client_alone;  // exact, and a part of the calls that may be of several callees
  Moments server_alone;  // exact, or a part of what the callee's lost parents leave
};

/// Server spans without a client span that belong to one caller, of all `lost` of its callee. The
/// share is as well known as `calls` make it.
Moments ShareOf(double lost, double share, double calls) {
  if (share > 1 - kExactShare) return {lost, 0, 0};
  const double doubt = share * (1 - share) / (calls + 1);
  return {0, lost * share, lost * share * (1 - share) + Square(lost) * doubt};
}

/// Calls of which both sides are missing.
Moments BothLost(const Captured& c, double client_rate, double client_variance, double server_rate,
                 double server_variance) {
  const double both = std::min(0.99, client_rate * server_rate);
  const double odds = both / (1 - both);
  const double known = c.joined + c.client_alone.floor + c.client_alone.mean +
                       c.server_alone.floor + c.server_alone.mean;
  const double doubt =
      (client_variance / Square(client_rate) + server_variance / Square(server_rate)) /
      Square(1 - both);
  Moments m;
  m.mean = known * odds;
  m.variance = m.mean / (1 - both) + Square(m.mean) * doubt +
               Square(odds) * (c.server_alone.variance + c.client_alone.variance);
  return m;
}

Moments Sum(const Moments& a, const Moments& b) {
  return {a.floor + b.floor, a.mean + b.mean, a.variance + b.variance};
}

}  // namespace

void MissingSpansModel::Losses::Learn(double more_lost, double more_came) {
  lost = kKeep * lost + more_lost;
  came = kKeep * came + more_came;
}

void MissingSpansModel::LearnSides(const WindowSet& windows) {
  std::map<EntityId, CallSides> callees;
  for (const auto& [key, sides] : windows.sides) {
    callees[key.entity].Merge(sides);
    if (key.caller == kNoEntity) continue;
    Edge& edge = edges_[key];
    if (sides.joined + sides.unanswered > 0 || sides.unanswered_share > 0)
      edge.last = windows.end();
  }
  for (auto& [key, edge] : edges_) {
    const CallSides sides = SidesOf(windows, key);
    edge.servers.Learn(static_cast<double>(sides.unanswered) + sides.unanswered_share,
                       static_cast<double>(sides.joined));
    edge.joined = kKeep * edge.joined + static_cast<double>(sides.joined);
    callees.try_emplace(key.entity);
  }
  for (const auto& [entity, sides] : callees) {
    Callee& callee = callees_[entity];
    callee.clients.Learn(static_cast<double>(sides.parent_lost), static_cast<double>(sides.joined));
    callee.joined = kKeep * callee.joined + static_cast<double>(sides.joined);
  }
}

void MissingSpansModel::EmitSides(const WindowSet& windows, WindowKey key, const Edge& edge,
                                  std::vector<Estimate>* estimates) const {
  Estimate server = EstimateOf("missing_server_spans", key, windows, "spans");
  Estimate client = EstimateOf("missing_client_spans", key, windows, "spans");
  const auto callee = callees_.find(key.entity);
  const CallSides sides = SidesOf(windows, key);
  const bool silent = edge.last < windows.end();
  if (edge.joined < kFewJoined || callee == callees_.end()) {
    server.note = client.note = "too few calls of which both sides came";
  } else if (silent) {
    server.note = client.note = "known, but no call ended in this window";
  } else {
    const double share = std::min(1.0, edge.joined / callee->second.joined);
    const double lost = static_cast<double>(SidesOf(windows, {key.entity, kNoEntity}).parent_lost);
    Captured c{
        static_cast<double>(sides.joined),
        {static_cast<double>(sides.unanswered), sides.unanswered_share, sides.unanswered_variance},
        ShareOf(lost, share, callee->second.joined)};
    const Losses& clients = callee->second.clients;
    const Moments both = BothLost(c, clients.rate(), clients.variance(), edge.servers.rate(),
                                  edge.servers.variance());
    const bool only_caller = share > 1 - kExactShare;
    Fill(CountSpread(Sum(c.client_alone, both), SeedOf(key, windows.start, 11)), Basis::kInferred,
         0.9, "capture_recapture", &server);
    Fill(CountSpread(Sum(c.server_alone, both), SeedOf(key, windows.start, 12)), Basis::kInferred,
         only_caller ? 0.9 : 0.7, "capture_recapture", &client);
    if (sides.unanswered_share > 0)
      server.note = "of some unanswered calls nothing says which callee they are of";
    if (!only_caller) client.note = "shared out among the callee's callers as their calls are";
    for (Estimate* e : {&server, &client})
      e->evidence.push_back(WindowEvidence(key, windows.start));
  }
  estimates->push_back(std::move(client));
  estimates->push_back(std::move(server));
}

void MissingSpansModel::EmitTraces(const WindowSet& windows, const Window& w,
                                   std::vector<Estimate>* estimates) {
  Estimate e = EstimateOf("missing_traces", w.key, windows, "traces");
  Trace& trace = traces_[w.key];
  trace.last = windows.end();
  const SpanEvidence evidence = Weigh(w, rates_, trace.usual);
  trace.usual.Learn(evidence);
  const double seen = static_cast<double>(w.spans.seen);
  e.evidence.push_back(WindowEvidence(w.key, windows.start));
  if (evidence.sampling == Sampling::kAll) {
    Fill(CountSpread({}, 0), Basis::kObserved, 0.95, "spans", &e);
  } else if (evidence.sampling == Sampling::kAssumed && MetricsCounted(w)) {
    const Moments m{0, std::max(0.0, w.metrics.calls - seen), w.metrics.calls_variance};
    Fill(CountSpread(m, SeedOf(w.key, windows.start, 13)), Basis::kInferred, 0.7, "metrics", &e);
    e.note = "calls that metrics count and no span shows, taken for a trace each";
  } else if (evidence.sampling == Sampling::kAssumed) {
    e.note = "nothing says whether these traces are sampled";
  } else {
    const double cluster =
        evidence.sampling == Sampling::kWeights ? trace.usual.cluster : evidence.cluster;
    const double news = seen / cluster, unseen = evidence.weight - 1;
    const auto missing = [&](const CallHistory::Rate& rate) {
      Moments m{0, unseen * rate.mean(), unseen * rate.mean()};
      m.variance += Square(unseen) * rate.variance() +
                    Square(rate.mean() * evidence.weight) * evidence.log_variance;
      return m;
    };
    const CallHistory::Rates rates = trace.news.After(news);
    Fill(CountSpread(missing(rates.as_before), missing(rates.afresh), rates.as_before_probability,
                     SeedOf(w.key, windows.start, 13)),
         Basis::kInferred, 0.9,
         evidence.sampling == Sampling::kWeights ? "horvitz_thompson" : "learned_sampling_rate",
         &e);
    trace.news.Learn(news);
  }
  estimates->push_back(std::move(e));
}

void MissingSpansModel::Update(const WindowSet& windows, std::vector<Estimate>* estimates) {
  LearnRates(windows, &rates_);
  LearnSides(windows);
  for (const Window& w : windows.windows) {
    if (w.key.caller == kNoEntity || w.spans.seen == 0) continue;
    EmitTraces(windows, w, estimates);
    if (edges_.count(w.key) == 0) EmitSides(windows, w.key, Edge(), estimates);
  }
  for (const auto& [key, edge] : edges_) EmitSides(windows, key, edge, estimates);
  std::erase_if(edges_,
                [&](const auto& e) { return windows.end() - e.second.last > kForgetSilent; });
  std::erase_if(traces_,
                [&](const auto& t) { return windows.end() - t.second.last > kForgetSilent; });
  std::erase_if(callees_,
                [](const auto& c) { return c.second.clients.lost + c.second.clients.came < 1e-6; });
}

}  // namespace tomograph::reconstruct
