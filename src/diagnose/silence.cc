#include "diagnose/silence.h"

#include <algorithm>
#include <cmath>

#include "diagnose/baseline/robust.h"

namespace tomograph::diagnose {
namespace {

constexpr double kRateFloor = 0.05;     // scale floor as a share of the rate
constexpr double kLeastSilence = 0.05;  // below: fluctuation
constexpr double kWeight = 0.8;         // against direct evidence
constexpr double kLeastBelief = 0.25;   // where the alert names no kind of harm
constexpr double kLeastCoupling = 0.2;
constexpr double kCouplingSharpness = 4;  // per unit of log ratio of two rates
constexpr size_t kMostSilent = 64;        // without a graph each is compared with every other

struct Rates {
  std::vector<double> before, during, muted;  // by entity; before < 0: not measured
};

Rates RatesOf(const CaseView& view) {
  const auto n = static_cast<size_t>(view.size());
  Rates r{std::vector<double>(n, -1.0), std::vector<double>(n, 0.0), std::vector<double>(n, 0.0)};
  std::vector<std::vector<double>> calls(n);
  for (size_t e = 0; e < n; ++e) {
    calls[e] = view.Calls(static_cast<int>(e));
    if (calls[e].empty()) continue;
    r.before[e] = view.Before(calls[e]);
    r.during[e] = view.During(calls[e]);
  }
  const auto target = static_cast<size_t>(view.alerting());
  const double demand = std::max(r.during[target], 0.0) / std::max(r.before[target], 1e-9);
  for (size_t e = 0; e < n; ++e) {
    if (r.before[e] <= 0 || e == target) continue;
    const double drop = 1 - r.during[e] / r.before[e] / std::max(demand, 1e-9);
    const double scale = RobustScale(view.BeforeOnly(calls[e]), kRateFloor * r.before[e]);
    r.muted[e] = std::max(drop, 0.0) * Belief(r.before[e] * drop / scale);
  }
  return r;
}

double Coupling(double a, double b) {
  return std::exp(-kCouplingSharpness * std::abs(std::log(a / b)));
}

struct Suspect {
  size_t entity;
  double weight;
};

// Who calls `silent`: the graph's callers, or, without a graph, entities called about as often.
std::vector<Suspect> CallersOf(const CaseView& view, const Rates& r, size_t silent) {
  std::vector<Suspect> callers;
  if (view.has_graph()) {
    for (const int link : view.in(static_cast<int>(silent))) {
      callers.push_back({static_cast<size_t>(view.links()[static_cast<size_t>(link)].caller), 1.0});
    }
    return callers;
  }
  for (size_t e = 0; e < r.before.size(); ++e) {
    if (e != silent && r.before[e] > 0)
      callers.push_back({e, Coupling(r.before[e], r.before[silent])});
  }
  return callers;
}

}  // namespace

std::vector<double> SilenceShares(const CaseView& view, const std::vector<bool>& blind,
                                  double belief) {
  std::vector<double> well(blind.size(), 1.0);  // product of (1 - share)
  const Rates rates = RatesOf(view);
  std::vector<size_t> silent;
  for (size_t e = 0; e < rates.muted.size(); ++e) {
    if (rates.muted[e] >= kLeastSilence) silent.push_back(e);
  }
  if (!view.has_graph() && silent.size() > kMostSilent) {
    std::stable_sort(silent.begin(), silent.end(),
                     [&](size_t a, size_t b) { return rates.muted[a] > rates.muted[b]; });
    silent.resize(kMostSilent);
  }
  for (const size_t q : silent) {
    const std::vector<Suspect> callers = CallersOf(view, rates, q);
    double total = 0;
    for (const Suspect& c : callers) total += c.weight;
    total = std::max(total, kLeastCoupling);
    for (const Suspect& c : callers) {
      if (!blind[c.entity]) continue;  // its errors are measured: silence adds nothing
      well[c.entity] *= 1 - kWeight * rates.muted[q] * c.weight / total *
                                (1 - rates.muted[c.entity]) * std::max(belief, kLeastBelief);
    }
  }
  for (double& w : well) w = 1 - w;
  return well;
}

}  // namespace tomograph::diagnose
