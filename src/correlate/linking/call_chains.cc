#include "correlate/linking/call_chains.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>

namespace tomograph::correlate::linking {
namespace {

constexpr size_t kMostOfPair = 512;    // calls of two chains that are drawn together
constexpr float kNegligible = 1e-6f;   // share of what may be so far
constexpr double kPairsPerCall = .25;  // how often two whole chains are drawn

}  // namespace

CallChains::CallChains(int service, LinkWindow* window, const LinkModel& model)
    : service_(service),
      w_(*window),
      model_(model),
      first_request_(window->services[service].first_request) {
  const ServiceModel& of = model.services[service];
  place_.assign(of.classes, -1);
  for (int k = 0; k < of.classes; ++k) {
    if (of.Chained(k)) place_[k] = static_cast<int>(classes_++);
  }
  if (!any()) return;
  const ServiceRange& range = w_.services[service];
  chains_.resize(static_cast<size_t>(range.end_request - range.first_request) * classes_);
  for (int c = range.first_call; c < range.end_call; ++c) {
    const Call& call = w_.calls[c];
    if (call.owner != kNobody && place_[call.call_class] >= 0) {
      ChainOf(call.owner, call.call_class).push_back(c);
    }
  }
}

void CallChains::Learn(const LinkWindow& window, int service, double until, LinkModel* model) {
  const ServiceRange& range = window.services[service];
  const TimeGrain grain = model->services[service].grain;
  for (const int kind : model->services[service].kinds) {
    for (ChainModel& chain : model->kinds[kind].chains()) {
      // Per request: the call before and the latest end; calls come in order of start.
      const auto n = static_cast<size_t>(range.end_request - range.first_request);
      std::vector<int> before(n, kNobody);
      std::vector<double> latest(n), first, from_start, from_end, rest;
      for (int c = range.first_call; c < range.end_call; ++c) {
        const Call& call = window.calls[c];
        if (call.call_class != chain.call_class || call.owner == kNobody) continue;
        const Request& request = window.requests[call.owner];
        if (request.kind != kind || request.time.end > until) continue;
        const auto at = static_cast<size_t>(call.owner - range.first_request);
        if (before[at] == kNobody) {
          first.push_back(call.time.start - request.time.start);
          latest[at] = call.time.end;
        } else {
          const Interval& last = window.calls[before[at]].time;
          from_start.push_back(call.time.start - last.start);
          from_end.push_back(call.time.start - last.end);
          latest[at] = std::max(latest[at], call.time.end);
        }
        before[at] = c;
      }
      double requests = 0;
      for (int i = range.first_request; i < range.end_request; ++i) {
        const Request& request = window.requests[i];
        if (request.kind != kind || request.time.end > until) continue;
        requests += 1;
        const auto at = static_cast<size_t>(i - range.first_request);
        if (before[at] != kNobody) rest.push_back(request.time.end - latest[at]);
      }
      const auto calls = static_cast<double>(first.size() + from_start.size());
      chain.first.Fit(first, grain, true);
      chain.rest.Fit(rest, grain, true);
      GapDensity ends;
      ends.Fit(from_end, grain, true);
      chain.step.Fit(from_start, grain, true);
      chain.from_end = ends.mean_log() > chain.step.mean_log();
      if (chain.from_end) chain.step = std::move(ends);
      chain.log_more = static_cast<float>(std::log((calls + .1) / (calls + requests + .2)));
    }
  }
}

float CallChains::LogStart(const ChainModel& model, const Request& request, int before,
                           int call) const {
  const double start = w_.calls[call].time.start;
  if (before == kNobody) return model.first.Log(start - request.time.start);
  const Interval& last = w_.calls[before].time;
  return model.step.Log(start - (model.from_end ? last.end : last.start));
}

float CallChains::Gain(int call, int request) const {
  const Call& c = w_.calls[call];
  const Request& r = w_.requests[request];
  const ChainModel* model = model_.kinds[r.kind].ChainOf(c.call_class);
  if (model == nullptr) return -std::numeric_limits<float>::infinity();
  const std::vector<int>& chain = ChainOf(request, c.call_class);
  const auto at = std::lower_bound(chain.begin(), chain.end(), call);
  const int before = at == chain.begin() ? kNobody : *(at - 1);
  float gain = model->log_more + LogStart(*model, r, before, call);
  if (at != chain.end()) {
    gain += LogStart(*model, r, call, *at) - LogStart(*model, r, before, *at);
  }
  const double latest = LatestEnd(chain);
  if (c.time.end > latest) gain += LogRest(*model, r, c.time.end) - LogRest(*model, r, latest);
  return gain;
}

void CallChains::Move(int call, int owner) {
  Call& c = w_.calls[call];
  if (c.owner == owner) return;
  if (c.owner != kNobody) {
    std::vector<int>& chain = ChainOf(c.owner, c.call_class);
    chain.erase(std::lower_bound(chain.begin(), chain.end(), call));
  }
  c.owner = owner;
  if (owner == kNobody) return;
  std::vector<int>& chain = ChainOf(owner, c.call_class);
  chain.insert(std::lower_bound(chain.begin(), chain.end(), call), call);
}

void CallChains::Follow() {
  const ServiceRange& range = w_.services[service_];
  for (int c = range.first_call; c < range.end_call; ++c) {
    Call& call = w_.calls[c];
    if (place_[call.call_class] < 0 || !call.fresh || call.pinned || call.decided) continue;
    call.fresh = false;
    int best = kNobody;
    std::pair<bool, double> nearest;  // has not ended, how long ago
    for (const int i : w_.CandidatesOf(call)) {
      const std::vector<int>& chain = ChainOf(i, call.call_class);
      Interval last{w_.requests[i].time.start, w_.requests[i].time.start};
      if (!chain.empty()) last = w_.calls[chain.back()].time;
      const bool busy = last.end > call.time.start;
      const std::pair<bool, double> near{busy, call.time.start - (busy ? last.start : last.end)};
      if (best == kNobody || near < nearest) best = i, nearest = near;
    }
    if (best != kNobody) Move(c, best);
  }
}

float CallChains::LogRest(const ChainModel& model, const Request& request, double latest) const {
  // What a request without such calls is like is not modelled: it is held to be as usual.
  if (std::isinf(latest)) return static_cast<float>(model.rest.mean_log());
  return model.rest.Log(request.time.end - latest);
}

void CallChains::DrawPair(int call, double temperature, Random* random) {
  const Call& c = w_.calls[call];
  if (c.owner == kNobody || c.candidates < 2) return;
  const int requests[2] = {c.owner, w_.CandidatesOf(c)[random->Below(c.candidates)]};
  if (requests[0] == requests[1]) return;
  std::vector<int>* chains[2];
  const ChainModel* models[2];
  for (int o = 0; o < 2; ++o) {
    chains[o] = &ChainOf(requests[o], c.call_class);
    models[o] = model_.kinds[w_.requests[requests[o]].kind].ChainOf(c.call_class);
    if (models[o] == nullptr) return;
  }
  std::vector<int> calls;
  std::merge(chains[0]->begin(), chains[0]->end(), chains[1]->begin(), chains[1]->end(),
             std::back_inserter(calls));
  const size_t m = calls.size();
  if (m > kMostOfPair) return;
  const auto may = [&](size_t j, int o) {
    const Call& one = w_.calls[calls[j]];
    if (one.owner == requests[o]) return true;
    const std::span<const int> of = w_.CandidatesOf(one);
    return !one.pinned && !one.decided && std::binary_search(of.begin(), of.end(), requests[o]);
  };
  // before: 0 for none, else one more than the place of the call before.
  const auto step = [&](int o, size_t before, size_t j) {
    const int last = before == 0 ? kNobody : calls[before - 1];
    const float log = LogStart(*models[o], w_.requests[requests[o]], last, calls[j]);
    return std::exp((log + models[o]->log_more) / static_cast<float>(temperature) +
                    w_.StandsFor(w_.calls[calls[j]], requests[o]));
  };
  // reach[o][j]: how likely the calls up to j are when j is o's, by the last of the other (as
  // `before`); in proportion, and without what is negligible.
  struct State {
    size_t other_last;
    float weight;
  };
  std::vector<std::vector<State>> reach[2];
  for (auto& of : reach) of.resize(m);
  for (size_t j = 0; j < m; ++j) {
    float sum = 0;
    for (int o = 0; o < 2; ++o) {
      std::vector<State>& now = reach[o][j];
      if (!may(j, o)) continue;
      if (j == 0) {
        now.push_back({0, step(o, 0, 0)});
      } else {
        now = reach[o][j - 1];
        const float on = now.empty() ? 0 : step(o, j, j);
        for (State& state : now) state.weight *= on;
        float changed = 0;
        for (const State& from : reach[1 - o][j - 1])
          changed += from.weight * step(o, from.other_last, j);
        now.push_back({j, changed});
      }
      for (const State& state : now) sum += state.weight;
    }
    if (!(sum > 0)) return;
    for (auto& of : reach) {
      for (State& state : of[j]) state.weight /= sum;
      std::erase_if(of[j], [](const State& state) { return state.weight < kNegligible; });
    }
  }
  // Backwards: the last call's state, and then each one's before it.
  std::vector<State> options;
  const auto draw = [&] {
    float sum = 0;
    for (const State& state : options) sum += state.weight;
    float at = static_cast<float>(random->Uniform()) * sum;
    size_t pick = 0;
    while (pick + 1 < options.size() && at >= options[pick].weight) at -= options[pick++].weight;
    return pick;
  };
  std::vector<int> drawn[2];
  options = reach[0][m - 1];
  options.insert(options.end(), reach[1][m - 1].begin(), reach[1][m - 1].end());
  size_t pick = draw();
  int o = pick < reach[0][m - 1].size() ? 0 : 1;
  size_t other_last = options[pick].other_last;
  for (size_t j = m; j-- > 0;) {
    drawn[o].push_back(calls[j]);
    if (j == 0 || other_last != j) continue;  // the one before is the same one's
    options = reach[1 - o][j - 1];
    for (State& state : options) state.weight *= step(o, state.other_last, j);
    other_last = options[draw()].other_last;
    o = 1 - o;
  }
  // What is left after the last call was not weighed yet.
  double gain = 0;
  for (int of = 0; of < 2; ++of) {
    std::reverse(drawn[of].begin(), drawn[of].end());
    const Request& request = w_.requests[requests[of]];
    gain += LogRest(*models[of], request, LatestEnd(drawn[of])) -
            LogRest(*models[of], request, LatestEnd(*chains[of]));
  }
  if (gain < 0 && random->Uniform() >= std::exp(gain / temperature)) return;
  for (int of = 0; of < 2; ++of) {
    for (const int x : drawn[of]) w_.calls[x].owner = requests[of];
    chains[of]->swap(drawn[of]);
  }
}

double CallChains::LatestEnd(const std::vector<int>& chain) const {
  double latest = -std::numeric_limits<double>::infinity();
  for (const int x : chain) latest = std::max(latest, w_.calls[x].time.end);
  return latest;
}

void CallChains::Weigh(int call, double temperature) {
  const Call& c = w_.calls[call];
  const std::span<const int> candidates = w_.CandidatesOf(c);
  weights_.clear();
  for (size_t x = 0; x < candidates.size(); ++x) {
    weights_.push_back(Gain(call, candidates[x]) +
                       static_cast<float>(temperature) * w_.StandsForAt(c, x));
  }
  weights_.push_back(model_.services[service_].log_orphan_rate[c.call_class]);
  const float most = *std::max_element(weights_.begin(), weights_.end());
  float sum = 0;
  for (float& w : weights_) {
    w = std::exp((w - most) / static_cast<float>(temperature));
    sum += w;
  }
  for (float& w : weights_) w /= sum;
}

void CallChains::Guess() {
  const ServiceRange& range = w_.services[service_];
  for (int c = range.first_call; c < range.end_call; ++c) {
    Call& call = w_.calls[c];
    if (place_[call.call_class] < 0 || !call.fresh || call.pinned || call.decided) continue;
    call.fresh = false;
    if (call.candidates == 0) continue;
    Move(c, kNobody);
    Weigh(c, 1);
    const auto best = std::max_element(weights_.begin(), weights_.end()) - weights_.begin();
    call.share = weights_[best];
    if (best < call.candidates) Move(c, w_.CandidatesOf(call)[best]);
  }
}

std::vector<int> CallChains::Open(std::span<const int> calls) const {
  std::vector<int> open;
  const bool lost = model_.services[service_].loses_requests;
  for (const int c : calls) {
    const Call& call = w_.calls[c];
    if (call.service != service_ || place_[call.call_class] < 0) continue;
    if (call.pinned || call.decided) continue;
    if (call.candidates > (lost ? 0 : 1)) open.push_back(c);
  }
  return open;
}

void CallChains::Sweep(std::span<const int> calls, double temperature, Random* random,
                       std::vector<Sampler::Shares>* shares) {
  for (size_t x = 0; x < calls.size(); ++x) {
    const int c = calls[x];
    Move(c, kNobody);
    Weigh(c, temperature);
    if (shares != nullptr) {
      std::vector<float>& of = (*shares)[x].of;
      of.resize(weights_.size());
      for (size_t k = 0; k < weights_.size(); ++k) of[k] += weights_[k];
    }
    double at = random->Uniform();
    size_t pick = 0;
    while (pick + 1 < weights_.size() && at >= weights_[pick]) at -= weights_[pick++];
    const std::span<const int> candidates = w_.CandidatesOf(w_.calls[c]);
    if (pick < candidates.size()) Move(c, candidates[pick]);
    if (random->Uniform() < kPairsPerCall) DrawPair(c, temperature, random);
  }
}

void CallChains::Settle(std::span<const int> calls, std::vector<Sampler::Shares>* shares) {
  for (size_t x = 0; x < calls.size(); ++x) {
    std::vector<float>& of = (*shares)[x].of;
    const float sum = std::accumulate(of.begin(), of.end(), 0.0f);
    for (float& share : of) share /= sum;
    const auto best = static_cast<size_t>(std::max_element(of.begin(), of.end()) - of.begin());
    const std::span<const int> candidates = w_.CandidatesOf(w_.calls[calls[x]]);
    Move(calls[x], best < candidates.size() ? candidates[best] : kNobody);
  }
}

double CallChains::LogLikelihood(const ServiceRange& range, double until) const {
  double total = 0;
  for (int i = range.first_request; i < range.end_request; ++i) {
    const Request& request = w_.requests[i];
    if (request.time.end > until) continue;
    for (const ChainModel& model : model_.kinds[request.kind].chains()) {
      int before = kNobody;
      for (const int c : ChainOf(i, model.call_class)) {
        total += LogStart(model, request, before, c) + model.log_more;
        before = c;
      }
      total += std::log1p(-std::exp(model.log_more));
    }
  }
  return total;
}

}  // namespace tomograph::correlate::linking
