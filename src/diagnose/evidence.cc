#include "diagnose/evidence.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "diagnose/baseline/robust.h"
#include "diagnose/change_point.h"
#include "diagnose/link_gap.h"
#include "diagnose/saturation.h"

namespace tomograph::diagnose {
namespace {

using telemetry::EntityId;
using telemetry::Quantity;

constexpr double kScaleFloor = 0.05;  // of the level
constexpr Nanos kAtOnce = kMinute;
constexpr size_t kShortestStretch = 4;
constexpr Nanos kFewestNormal = 4;  // steps

size_t At(int number) { return static_cast<size_t>(number); }

// What a quantity may move without meaning anything, in its own unit.
double LeastScale(Quantity q) {
  switch (q) {
    case Quantity::kCpuUtilization:
    case Quantity::kHostCpuUtilization:
    case Quantity::kMemoryUtilization:
    case Quantity::kHostMemoryUtilization:
    case Quantity::kDiskUtilization:
      return 0.02;
    case Quantity::kErrorRatio:
    case Quantity::kClientErrorRatio:
      return 0.005;
    case Quantity::kConnectionsInUse:
    case Quantity::kConnectionsPending:
    case Quantity::kQueueDepth:
    case Quantity::kInFlight:
      return 0.5;
    case Quantity::kCpuWait:
      return 0.01;
    case Quantity::kSchedulingDelay:
    case Quantity::kLatency:
    case Quantity::kClientLatency:
      return 5e-4;
    default:
      return 1e-9;
  }
}

Shift ShiftOf(const CaseView& view, const std::vector<double>& values, Quantity q) {
  Shift s;
  const std::vector<double> before = SortedFinite(view.BeforeOnly(values));
  const std::vector<double> during = view.DuringOnly(values);
  const std::vector<double> seen = SortedFinite(during);
  if (before.empty() || seen.empty()) return s;
  s.known = true;
  s.before = QuantileOfSorted(before, 0.5);
  s.highest = seen.back();
  // Missing steps must not pull the mean to 0: weigh those that are there.
  std::vector<double> there(values.size(), 0.0);
  for (size_t i = 0; i < values.size(); ++i) there[i] = std::isfinite(values[i]) ? 1 : 0;
  s.after = view.During(values) / std::max(view.During(there), 1e-12);
  s.z = (s.after - s.before) /
        RobustScale(before, std::max(kScaleFloor * std::abs(s.before), LeastScale(q)));
  return s;
}

// Who died tells nothing of it before it lives again: that there was no restart is known only of
// one that speaks as often as before.
void CountRestarts(const CaseView& view, int entity, EntityEvidence* e) {
  const CaseSeries* s = view.Find(entity, Quantity::kRestarts);
  if (s == nullptr) return;
  const std::vector<Nanos>& times = view.incident().times;
  double last = std::nan("");
  int newest = -1, end = 0, usual_gap = 1;
  for (int i = 0; i < view.steps(); ++i) {
    const double v = s->values[At(i)];
    if (view.IsDuring(i)) end = i;
    // What happened in a stretch that is left out is not of this case.
    if (i > 0 && times[At(i)] - times[At(i - 1)] >= 2 * view.incident().step) last = std::nan("");
    if (!std::isfinite(v)) continue;
    if (newest >= 0 && view.IsBefore(i)) usual_gap = std::max(usual_gap, i - newest);
    newest = i;
    if (std::isfinite(last))
      (view.IsBefore(i) ? e->restarts_before : e->restarts) += std::max(0.0, v - last);
    last = v;
  }
  e->restarts_known = e->restarts > 0 || (newest >= 0 && end - newest <= usual_gap);
}

// One that spoke before and is not heard now, or comes and goes. The sparse have their gaps anyway.
void FindSilence(const CaseView& view, int entity, EntityEvidence* e) {
  std::vector<double> spoke(At(view.steps()), 0.0);
  for (const CaseSeries* s : view.All(entity)) {
    for (size_t i = 0; i < spoke.size(); ++i) {
      if (std::isfinite(s->values[i])) spoke[i] = 1;
    }
  }
  const double before = view.Before(spoke);
  if (before <= 0) return;
  e->silent = std::max(0.0, 1 - view.During(spoke) / before);
  int silence = 0, longest_before = 0;
  for (int i = 0; i < view.steps(); ++i) {
    if (spoke[At(i)] <= 0) {
      ++silence;
      if (view.IsBefore(i)) longest_before = std::max(longest_before, silence);
      continue;
    }
    if (view.IsDuring(i) && silence > longest_before) ++e->returns;
    silence = 0;
  }
}

// Least squares over each stretch without a fall by more than a tenth (a restart or a collection
// starts a new one) that reaches into the incident: a leak begins long before anybody suffers from
// it. What counts is growth beyond the usual level: a young process that warms up only gets back to
// it.
void FitMemory(const CaseView& view, int entity, EntityEvidence* e) {
  const CaseSeries* memory = view.Find(entity, Quantity::kMemoryBytes);
  if (memory == nullptr) memory = view.Find(entity, Quantity::kMemoryUtilization);
  if (memory == nullptr) return;
  const std::vector<double> before = SortedFinite(view.BeforeOnly(memory->values));
  const double usual = before.empty() ? 0 : QuantileOfSorted(before, 0.5);
  const auto fit = [&](std::span<const double> y) {
    if (y.size() < kShortestStretch) return;
    e->memory_known = true;
    const double n = static_cast<double>(y.size());
    double sy = 0, sxy = 0, syy = 0;
    const double mid = (n - 1) / 2;
    for (size_t i = 0; i < y.size(); ++i) sy += y[i] / n;
    for (size_t i = 0; i < y.size(); ++i) {
      sxy += (static_cast<double>(i) - mid) * (y[i] - sy);
      syy += (y[i] - sy) * (y[i] - sy);
    }
    const double sxx = n * (n * n - 1) / 12, slope = sxy / sxx;
    const double start = sy - slope * mid, level = std::max(start, usual);
    const double growth = level > 0 ? std::max(0.0, (start + slope * (n - 1) - level) / level) : 0;
    const double explained = syy > 0 ? sxy * sxy / (sxx * syy) : 0;
    if (growth * explained <= e->memory_growth * e->memory_fit) return;
    e->memory_growth = growth;
    e->memory_fit = explained;
  };
  std::vector<double> stretch;
  bool reaches = false;
  const auto end_stretch = [&] {
    // The leak may have begun anywhere in it.
    for (size_t quarter = 0; reaches && quarter < 4; ++quarter) {
      fit(std::span(stretch).subspan(quarter * stretch.size() / 4));
    }
    stretch.clear();
    reaches = false;
  };
  for (int i = 0; i < view.steps(); ++i) {
    const double v = memory->values[static_cast<size_t>(i)];
    if (!std::isfinite(v)) continue;
    if (!stretch.empty() && v < 0.9 * stretch.back()) end_stretch();
    stretch.push_back(v);
    reaches = reaches || view.IsDuring(i);
  }
  end_stretch();
}

// The deploy that an entity came to be with, and was well with for a while, changed nothing: what
// is normal was measured with it. That it is near the onset says how young the entity is, whatever
// broke.
bool CameToBeWith(const Case& incident, const EntityEvidence& e,
                  const telemetry::ChangeEvent& change) {
  const auto it = incident.heard_since.find(e.entity);
  if (it == incident.heard_since.end()) return false;
  const Nanos since = it->second;
  // It is told once the process is up, which may have spoken by then.
  return since >= change.time - 2 * incident.step &&
         e.onset.time - since >= kFewestNormal * incident.step;
}

void FindChange(const CaseView& view, EntityEvidence* e) {
  const Case& incident = view.incident();
  const std::vector<telemetry::ChangeEvent>& changes = incident.changes;
  e->change = SuspectChange(changes, e->entity, e->onset.time, e->onset.error + 2 * incident.step);
  if (e->change != nullptr && CameToBeWith(incident, *e, *e->change)) e->change = nullptr;
  if (e->change == nullptr) return;
  e->change_gap_s = ToSeconds(e->onset.time - e->change->time);
  std::set<EntityId> changed;
  for (const telemetry::ChangeEvent& c : changes) {
    if (std::abs(c.time - e->change->time) <= kAtOnce) changed.insert(c.entity);
  }
  e->changed_at_once = static_cast<int>(changed.size());
}

Onset OnsetOf(const CaseView& view, int entity, const Blame& blame) {
  const Harm harm = blame.errors > blame.latency ? Harm::kErrors : Harm::kLatency;
  Flow flow = view.ServerFlow(entity, harm);
  if (!flow.known() || blame.network + blame.refused > 0.5 * (blame.latency + blame.errors)) {
    if (Flow seen = FlowSeenByCallers(view, entity, harm); seen.known()) flow = std::move(seen);
  }
  const Case& incident = view.incident();
  Onset onset;
  if (flow.known()) {
    const double floor =
        harm == Harm::kLatency ? kScaleFloor * std::abs(Median(flow.normal)) : 0.005;
    onset = FindOnset(flow.value, incident.times, incident.step, floor);
  }
  // A change far from the alert is another story.
  if (!onset.found || std::abs(onset.time - incident.alert.time) > 10 * kMinute) {
    onset = Onset{};
    onset.time = incident.alert.time;
    onset.error = incident.step;
  }
  return onset;
}

}  // namespace

EntityEvidence GatherEvidence(const CaseView& view, int entity, const Blame& blame,
                              std::string name) {
  const Case& incident = view.incident();
  EntityEvidence e;
  e.entity = view.id(entity);
  e.name = std::move(name);
  if (!incident.times.empty())
    e.range = {incident.times.front(), incident.times.back() + incident.step};
  e.blame = blame;
  e.onset = OnsetOf(view, entity, blame);
  for (int q = 0; q < telemetry::kQuantityCount; ++q) {
    const auto quantity = static_cast<Quantity>(q);
    if (const CaseSeries* s = view.Find(entity, quantity)) {
      Shift& shift = e.shifts[static_cast<size_t>(q)];
      shift = ShiftOf(view, s->values, quantity);
      shift.statistic = s->statistic;
    }
  }
  if (const CaseSeries* success = view.Find(entity, Quantity::kSuccessRatio);
      success != nullptr && !e.of(Quantity::kErrorRatio).known) {
    std::vector<double> failed = success->values;
    for (double& v : failed) v = 1 - v;
    e.shifts[static_cast<size_t>(Quantity::kErrorRatio)] =
        ShiftOf(view, failed, Quantity::kErrorRatio);
  }
  const Flow latency = FlowSeenByCallers(view, entity, Harm::kLatency);
  if (latency.known()) e.callers_latency = ShiftOf(view, latency.value, Quantity::kClientLatency);
  const Flow errors = FlowSeenByCallers(view, entity, Harm::kErrors);
  if (errors.known()) e.callers_errors = ShiftOf(view, errors.value, Quantity::kClientErrorRatio);
  if (const std::vector<double> calls = view.Calls(entity); !calls.empty())
    e.calls_per_s = view.During(calls) / ToSeconds(incident.step);
  if (const std::vector<double> pool = PoolUse(view, entity); !pool.empty()) {
    e.pool_use = ShiftOf(view, pool, Quantity::kCpuUtilization);
  }
  CountRestarts(view, entity, &e);
  FindSilence(view, entity, &e);
  FitMemory(view, entity, &e);
  FindChange(view, &e);
  return e;
}

}  // namespace tomograph::diagnose
