#include "correlate/linking/free_energy.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "correlate/linking/call_chains.h"
#include "correlate/linking/sampler.h"
#include "correlate/linking/tied_calls.h"

namespace tomograph::correlate::linking {
namespace {

constexpr int kStates = 40;  // whose likelihood is looked at
// Sweeps, each of which looks at one candidate of a call in the mean: enough to see most.
constexpr double kLooksPerCandidate = 5;
constexpr int kFewestSweeps = 4, kMostSweeps = 400;
constexpr int kEnough = 4'000;   // calls that are looked at
constexpr double kLeast = 1e-6;  // chance of a number of calls

double PlusEntropy(double p) { return p > 0 ? -p * std::log(p) : 0; }

/// Numbers of calls in the groups of all requests of a service: how often each was seen, and how
/// often they would be with a coin for each pair.
class Occupation {
 public:
  Occupation(const LinkWindow& window, const LinkModel& model, const ServiceRange& range)
      : w_(window), model_(model), range_(range) {
    size_t total = 0;
    for (int i = range.first_request; i < range.end_request; ++i) {
      first_.push_back(total);
      const RequestModel& kind = model.kinds[window.requests[i].kind];
      total += static_cast<size_t>(kind.slots()) + kind.groups().size();
    }
    seen_.assign(total, 0);
    coins_.assign(total, 0);
  }
  void Forget() {
    std::fill(coins_.begin(), coins_.end(), 0.0);
    for (int i = range_.first_request; i < range_.end_request; ++i) {
      for (const CallGroup& group : KindOf(i).groups()) coins_[At(i, group)] = 1;
    }
  }
  void Toss(int request, int call_class, double p) {
    if (request < range_.first_request || request >= range_.end_request) return;
    const CallGroup* group = KindOf(request).GroupOf(call_class);
    if (group == nullptr || p <= 0) return;
    double* coins = coins_.data() + At(request, *group);
    for (int n = group->count; n > 0; --n) coins[n] = coins[n] * (1 - p) + coins[n - 1] * p;
    coins[0] *= 1 - p;
  }
  void See() {
    for (int i = range_.first_request; i < range_.end_request; ++i) {
      for (const CallGroup& group : KindOf(i).groups()) {
        const int* slots = w_.slots.data() + w_.requests[i].first_slot + group.first;
        const auto used =
            std::count_if(slots, slots + group.count, [](int c) { return c != kNobody; });
        ++seen_[At(i, group) + static_cast<size_t>(used)];
      }
    }
  }
  double Divergence(double until, const TiedCalls& tied) const {
    double sum = 0;
    for (int i = range_.first_request; i < range_.end_request; ++i) {
      if (w_.requests[i].time.end > until || tied.HasRequest(i)) continue;
      for (const CallGroup& group : KindOf(i).groups()) {
        for (int n = 0; n <= group.count; ++n) {
          const double q = seen_[At(i, group) + static_cast<size_t>(n)] / double{kStates};
          const double p = std::max(kLeast, coins_[At(i, group) + static_cast<size_t>(n)]);
          if (q > 0) sum += q * std::log(q / p);
        }
      }
    }
    return sum;
  }

 private:
  const RequestModel& KindOf(int request) const { return model_.kinds[w_.requests[request].kind]; }
  size_t At(int request, const CallGroup& group) const {
    const auto place = static_cast<size_t>(&group - KindOf(request).groups().data());
    return first_[static_cast<size_t>(request - range_.first_request)] +
           static_cast<size_t>(group.first) + place;
  }

  const LinkWindow& w_;
  const LinkModel& model_;
  const ServiceRange range_;
  std::vector<size_t> first_;  // per request: its numbers, slots + 1 of each group
  std::vector<double> seen_, coins_;
};

/// The first records of a service, as many as need be looked at.
ServiceRange Enough(const LinkWindow& window, int service) {
  ServiceRange range = window.services[service];
  if (range.end_call - range.first_call <= kEnough) return range;
  range.end_call = range.first_call + kEnough;
  const double until = window.calls[range.end_call].time.start;
  const auto begin = window.requests.begin() + range.first_request;
  const auto end = window.requests.begin() + range.end_request;
  range.end_request = static_cast<int>(
      std::partition_point(begin, end, [&](const Request& r) { return r.time.start < until; }) -
      window.requests.begin());
  return range;
}

using Posteriors = std::vector<Sampler::Shares>;

double Entropy(const Posteriors& shares, const std::vector<int>& open, double until,
               const LinkWindow& w, const ServiceRange& range, const TiedCalls& tied,
               Occupation* occupation) {
  double entropy = 0;
  occupation->Forget();
  size_t at = 0;
  for (int c = range.first_call; c < range.end_call; ++c) {
    const Call& call = w.calls[c];
    if (at == open.size() || open[at] != c) {
      if (call.owner != kNobody) occupation->Toss(call.owner, call.call_class, 1);
      continue;
    }
    const std::vector<float>& p = shares[at++].of;
    const std::span<const int> candidates = w.CandidatesOf(call);
    for (size_t x = 0; x < p.size(); ++x) {
      // Those that a candidate stands for have equal parts of what it has.
      const double others = x < candidates.size() ? w.StandsForAt(call, x) : 0;
      if (call.time.end <= until && !tied.HasCall(c)) entropy += PlusEntropy(p[x]) + p[x] * others;
      if (x < candidates.size())
        occupation->Toss(candidates[x], call.call_class, p[x] * std::exp(-others));
    }
  }
  return entropy - occupation->Divergence(until, tied);
}

}  // namespace

double FreeEnergy(int service, double until, uint64_t seed, LinkWindow* window,
                  const LinkModel& model) {
  LinkWindow& w = *window;
  const ServiceModel& of = model.services[service];
  const ServiceRange range = Enough(w, service);
  Sampler sampler(window, model, nullptr, seed);
  std::vector<int> all, open;
  double candidates = 0;
  for (int c = range.first_call; c < range.end_call; ++c) {
    all.push_back(c);
    if (!sampler.Open(c)) continue;
    open.push_back(c);
    candidates += w.calls[c].candidates;
  }
  CallChains chains(service, window, model);
  const std::vector<int> linked = chains.Open(all);
  Random random(seed);
  const double mean = open.empty() ? 0 : candidates / static_cast<double>(open.size());
  const int sweeps =
      std::clamp(static_cast<int>(kLooksPerCandidate * mean), kFewestSweeps, kMostSweeps);
  Posteriors half[2], of_chains(linked.size());
  for (Posteriors& shares : half) {
    if (!open.empty()) sampler.Count(open, sweeps, 1, 1, &shares);
  }
  for (int x = 0; x < kFewestSweeps; ++x) chains.Sweep(linked, 1, &random, &of_chains);

  double energy = 0;
  Occupation occupation(w, model, range);
  for (int state = 0; state < kStates; ++state) {
    if (!open.empty()) sampler.Sweep(open, 1);
    chains.Sweep(linked, 1, &random, &of_chains);
    occupation.See();
    for (int i = range.first_request; i < range.end_request; ++i) {
      if (w.requests[i].time.end <= until) energy += sampler.LogLikelihood(i) / kStates;
    }
    energy += chains.LogLikelihood(range, until) / kStates;
    for (const int c : all) {
      const Call& call = w.calls[c];
      if (call.owner != kNobody || call.pinned || call.time.end > until) continue;
      energy += of.log_orphan_rate[call.call_class] / kStates;
    }
  }
  for (size_t x = 0; x < linked.size(); ++x) {
    if (w.calls[linked[x]].time.end > until) continue;
    double sum = 0;
    for (const float share : of_chains[x].of) sum += share;
    for (const float share : of_chains[x].of) energy += sum > 0 ? PlusEntropy(share / sum) : 0;
  }
  Posteriors both = half[0];
  for (size_t x = 0; x < open.size(); ++x) {
    for (size_t k = 0; k < both[x].of.size(); ++k)
      both[x].of[k] = (half[0][x].of[k] + half[1][x].of[k]) / 2;
  }
  const TiedCalls tied(both, open, until, w, range);
  energy += tied.Entropy(w, &sampler);
  // Entropy of a sample is too low by about its reciprocal: so is that of each half by twice that.
  const auto entropy = [&](const Posteriors& shares) {
    return Entropy(shares, open, until, w, range, tied, &occupation);
  };
  energy += 2 * entropy(both) - (entropy(half[0]) + entropy(half[1])) / 2;
  const ServiceRange& whole = w.services[service];
  return energy * (whole.end_call - whole.first_call) / (range.end_call - range.first_call);
}

}  // namespace tomograph::correlate::linking
