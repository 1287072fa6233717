#include "diagnose/link_gap.h"

#include <algorithm>
#include <cmath>

#include "diagnose/baseline/robust.h"
#include "diagnose/saturation.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Quantity;

constexpr double kCallerPrior = 0.7;  // against the callee, when both explain the gap equally well
constexpr double kPoolFull = 0.9;

double SumDuring(const CaseView& view, const std::vector<double>& calls) {
  return calls.empty() ? 0 : view.During(calls);
}

// The share of the callee's server-side excess that came by this link.
double Explained(const CaseView& view, int link, Harm harm, const std::vector<Excess>& server) {
  const CaseView::Link& l = view.links()[static_cast<size_t>(link)];
  const double excess = server[static_cast<size_t>(l.callee)].positive();
  if (excess <= 0) return 0;
  const double by_link = SumDuring(view, view.LinkFlow(link, harm).calls);
  const double all = SumDuring(view, view.ServerFlow(l.callee, harm).calls);
  return all > 0 ? excess * std::min(1.0, by_link / all) : excess;
}

bool WaitsForItsPool(const CaseView& view, int entity) {
  if (const CaseSeries* pending = view.Find(entity, Quantity::kConnectionsPending)) {
    if (view.During(pending->values) > std::max(1.0, 2 * view.Before(pending->values))) return true;
  }
  const std::vector<double> use = PoolUse(view, entity);
  return !use.empty() && view.During(use) >= kPoolFull && view.Before(use) < kPoolFull;
}

// How much of an entity's links is affected, of those that are measured.
double AffectedShare(const CaseView& view, int entity, const std::vector<double>& affected) {
  double sum = 0;
  int measured = 0;
  for (const auto& side : {view.in(entity), view.out(entity)}) {
    for (const int link : side) {
      if (affected[static_cast<size_t>(link)] < 0) continue;
      sum += affected[static_cast<size_t>(link)];
      ++measured;
    }
  }
  return measured > 0 ? sum / measured : 0;
}

}  // namespace

Flow FlowSeenByCallers(const CaseView& view, int entity, Harm harm) {
  Flow total;
  const auto add = [](const std::vector<double>& calls, const std::vector<double>& value,
                      std::vector<double>* sum_calls, std::vector<double>* sum_cost) {
    sum_calls->resize(std::max(sum_calls->size(), value.size()), 0.0);
    sum_cost->resize(sum_calls->size(), 0.0);
    for (size_t i = 0; i < value.size(); ++i) {
      if (!std::isfinite(value[i])) continue;
      (*sum_calls)[i] += calls[i];
      (*sum_cost)[i] += calls[i] * value[i];
    }
  };
  for (const int link : view.in(entity)) {
    const Flow flow = view.LinkFlow(link, harm);
    if (!flow.known()) continue;
    add(flow.calls, flow.value, &total.calls, &total.value);
    add(flow.normal_calls, flow.normal, &total.normal_calls, &total.normal);
  }
  const auto per_call = [](const std::vector<double>& calls, std::vector<double>* cost) {
    for (size_t i = 0; i < cost->size(); ++i)
      (*cost)[i] = calls[i] > 0 ? (*cost)[i] / calls[i] : std::nan("");
  };
  per_call(total.calls, &total.value);
  per_call(total.normal_calls, &total.normal);
  return total;
}

LinkGaps ComputeLinkGaps(const CaseView& view, Harm harm, const std::vector<Excess>& server) {
  const size_t links = view.links().size(), entities = static_cast<size_t>(view.size());
  LinkGaps gaps{std::vector<Excess>(links), std::vector<double>(entities, 0.0),
                std::vector<double>(entities, 0.0), false};
  std::vector<double> gap(links, 0.0), affected(links, -1.0);  // -1: not measured
  for (size_t i = 0; i < links; ++i) {
    const Flow flow = view.LinkFlow(static_cast<int>(i), harm);
    if (!flow.known()) continue;
    gaps.measured = true;
    gaps.excess[i] = ExcessOf(view, flow, harm);
    gap[i] = std::max(
        0.0, gaps.excess[i].positive() - Explained(view, static_cast<int>(i), harm, server));
    affected[i] = Belief(gap[i] / gaps.excess[i].scale);
  }
  for (size_t i = 0; i < links; ++i) {
    if (gap[i] <= 0) continue;
    const CaseView::Link& l = view.links()[i];
    const double callee_share = AffectedShare(view, l.callee, affected);
    const double caller_share = AffectedShare(view, l.caller, affected);
    double callee = callee_share * callee_share;
    const double caller = kCallerPrior * caller_share * caller_share;
    if (WaitsForItsPool(view, l.caller)) callee = 0;
    const double total = callee + caller;
    if (total <= 0) continue;
    const double believed = gap[i] * affected[i];
    gaps.at_callee[static_cast<size_t>(l.callee)] += believed * callee / total;
    gaps.at_caller[static_cast<size_t>(l.caller)] += believed * caller / total;
  }
  return gaps;
}

}  // namespace tomograph::diagnose
