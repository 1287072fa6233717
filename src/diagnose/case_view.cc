#include "diagnose/case_view.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "diagnose/baseline/robust.h"

namespace tomograph::diagnose {
namespace {

using telemetry::EntityId;
using telemetry::kNoEntity;
using telemetry::Quantity;
using telemetry::Statistic;

constexpr Nanos kHorizon = 10 * kMinute;  // how long after the alert steps still speak of it
constexpr double kLeastWeight = 0.25;     // of a step in which the alerting entity is well
constexpr double kLatencyFloor = 0.05;    // scale floor as a share of the level
constexpr double kErrorFloor = 0.005;     // scale floor of a failed share

// Which statistic stands for a quantity: sums and means are conserved, tails are not.
int Rank(Statistic s) {
  switch (s) {
    case Statistic::kMean:
      return 0;
    case Statistic::kValue:
    case Statistic::kSum:
      return 1;
    case Statistic::kP90:
      return 2;
    case Statistic::kP95:
      return 3;
    case Statistic::kP50:
      return 4;
    case Statistic::kP99:
      return 5;
    case Statistic::kMax:
      return 6;
  }
  return 7;
}

bool AnyFinite(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

void Prefer(const CaseSeries* candidate, const CaseSeries** slot) {
  if (*slot == nullptr || Rank(candidate->statistic) < Rank((*slot)->statistic)) *slot = candidate;
}

// A share that is known as its complement.
std::vector<double> Complement(std::vector<double> values) {
  for (double& v : values) v = 1 - v;
  return values;
}

}  // namespace

CaseView::CaseView(const Case& incident) : case_(incident) {
  IndexSeries();
  IndexLinks();
  if (const auto it = numbers_.find(static_cast<uint64_t>(case_.alert.entity));
      it != numbers_.end()) {
    alerting_ = it->second;
  }
  switch (case_.alert.quantity) {
    case Quantity::kLatency:
    case Quantity::kClientLatency:
      harms_ = {Harm::kLatency};
      break;
    case Quantity::kErrorRatio:
    case Quantity::kErrorRate:
    case Quantity::kSuccessRatio:
    case Quantity::kClientErrorRatio:
      harms_ = {Harm::kErrors};
      break;
    default:
      harms_ = {Harm::kLatency, Harm::kErrors};
  }
  SplitSteps();
  WeighSteps();
}

int CaseView::Number(EntityId id) {
  const auto [it, is_new] =
      numbers_.emplace(static_cast<uint64_t>(id), static_cast<int>(ids_.size()));
  if (is_new) {
    ids_.push_back(id);
    best_.emplace_back();
    all_.emplace_back();
    out_.emplace_back();
    in_.emplace_back();
  }
  return it->second;
}

void CaseView::IndexSeries() {
  for (const CaseSeries& s : case_.series) {
    if (s.entity == kNoEntity || s.values.size() != case_.times.size()) continue;
    const int entity = Number(s.entity);
    if (s.caller != kNoEntity) {
      Number(s.caller);
      continue;
    }
    all_[static_cast<size_t>(entity)].push_back(&s);
    Prefer(&s, &best_[static_cast<size_t>(entity)][static_cast<size_t>(s.quantity)]);
    has_reference_ = has_reference_ || !s.reference.empty();
  }
}

void CaseView::IndexLinks() {
  std::map<std::pair<int, int>, int> found;
  const auto link = [&](EntityId caller, EntityId callee) {
    const std::pair<int, int> key{Number(caller), Number(callee)};
    const auto [it, is_new] = found.emplace(key, static_cast<int>(links_.size()));
    if (is_new) {
      links_.push_back({key.first, key.second, {}});
      out_[static_cast<size_t>(key.first)].push_back(it->second);
      in_[static_cast<size_t>(key.second)].push_back(it->second);
    }
    return it->second;
  };
  for (const telemetry::Edge& e : case_.edges) {
    if (e.caller == kNoEntity || e.callee == kNoEntity || e.caller == e.callee) continue;
    link(e.caller, e.callee);
  }
  for (const CaseSeries& s : case_.series) {
    if (s.caller == kNoEntity || s.entity == kNoEntity || s.caller == s.entity ||
        s.values.size() != case_.times.size()) {
      continue;
    }
    Link& l = links_[static_cast<size_t>(link(s.caller, s.entity))];
    Prefer(&s, &l.series[static_cast<size_t>(s.quantity)]);
  }
}

const CaseSeries* CaseView::Find(int entity, Quantity quantity) const {
  return best_[static_cast<size_t>(entity)][static_cast<size_t>(quantity)];
}

void CaseView::SplitSteps() {
  for (const Nanos t : case_.times) {
    before_.push_back(t < case_.alert.time);
    during_.push_back(t >= case_.alert.time && t <= case_.alert.time + kHorizon);
    any_before_ = any_before_ || before_.back();
  }
}

// A step weighs by how ill (how well) the alerting entity is in it, so that an alert that came late
// or early does less harm.
void CaseView::WeighSteps() {
  std::vector<double> ill(case_.times.size(), 0.0);
  for (const Harm harm : harms_) {
    if (alerting_ == kNone) break;
    const Flow flow = ServerFlow(alerting_, harm);
    if (!flow.known()) continue;
    const double level = Median(flow.normal);
    const double floor = harm == Harm::kLatency ? kLatencyFloor * std::abs(level) : kErrorFloor;
    const double scale = RobustScale(flow.normal, floor);
    for (size_t i = 0; i < ill.size(); ++i) {
      const double z = (flow.value[i] - level) / scale;
      if (z > ill[i]) ill[i] = z;
    }
  }
  double during = 0, before = 0;
  for (size_t i = 0; i < ill.size(); ++i) {
    during_weight_.push_back(during_[i] ? ill[i] + kLeastWeight : 0);
    before_weight_.push_back(before_[i] ? 1 / (1 + ill[i] * ill[i]) : 0);
    during += during_weight_.back();
    before += before_weight_.back();
  }
  for (double& w : during_weight_) w /= std::max(during, 1e-12);
  for (double& w : before_weight_) w /= std::max(before, 1e-12);
}

double CaseView::Weigh(std::span<const double> values, std::span<const double> weights) {
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) sum += values[i] * weights[i];
  }
  return sum;
}

std::vector<double> CaseView::BeforeOnly(std::span<const double> values) const {
  std::vector<double> picked;
  for (size_t i = 0; i < values.size(); ++i) {
    if (before_[i]) picked.push_back(values[i]);
  }
  return picked;
}

std::vector<double> CaseView::DuringOnly(std::span<const double> values) const {
  std::vector<double> picked;
  for (size_t i = 0; i < values.size(); ++i) {
    if (during_[i]) picked.push_back(values[i]);
  }
  return picked;
}

Flow CaseView::MakeFlow(const CaseSeries* rate, const CaseSeries* value, bool complement) const {
  Flow flow;
  if (value == nullptr) return flow;
  // Calls per step; a rate per second becomes a count, for the noise of counts depends on it.
  const double per_step =
      rate != nullptr && rate->statistic != Statistic::kSum ? ToSeconds(case_.step) : 1;
  const auto counted = [&](const std::vector<double>& calls, size_t size) {
    std::vector<double> counts(size, rate == nullptr || calls.empty() ? 1.0 : 0.0);
    for (size_t i = 0; i < std::min(size, calls.size()); ++i) {
      counts[i] = std::isfinite(calls[i]) ? calls[i] * per_step : 0;
    }
    return counts;
  };
  static const std::vector<double> kNoValues;
  flow.calls = counted(rate == nullptr ? kNoValues : rate->values, value->values.size());
  flow.value = complement ? Complement(value->values) : value->values;
  if (!value->reference.empty()) {
    flow.normal_calls =
        counted(rate == nullptr ? kNoValues : rate->reference, value->reference.size());
    flow.normal = complement ? Complement(value->reference) : value->reference;
  } else {
    flow.normal_calls = BeforeOnly(flow.calls);
    flow.normal = BeforeOnly(flow.value);
  }
  return flow;
}

Flow CaseView::ServerFlow(int entity, Harm harm) const {
  const CaseSeries* rate = Find(entity, Quantity::kCallRate);
  if (harm == Harm::kLatency) return MakeFlow(rate, Find(entity, Quantity::kLatency), false);
  if (const CaseSeries* ratio = Find(entity, Quantity::kErrorRatio))
    return MakeFlow(rate, ratio, false);
  return MakeFlow(rate, Find(entity, Quantity::kSuccessRatio), true);
}

Flow CaseView::LinkFlow(int link, Harm harm) const {
  const Link& l = links_[static_cast<size_t>(link)];
  const Quantity q =
      harm == Harm::kLatency ? Quantity::kClientLatency : Quantity::kClientErrorRatio;
  return MakeFlow(l.series[static_cast<size_t>(Quantity::kClientCallRate)],
                  l.series[static_cast<size_t>(q)], false);
}

std::vector<double> CaseView::Calls(int entity) const {
  if (const CaseSeries* rate = Find(entity, Quantity::kCallRate);
      rate != nullptr && AnyFinite(rate->values)) {
    const double per_step = rate->statistic == Statistic::kSum ? 1 : ToSeconds(case_.step);
    std::vector<double> calls = rate->values;
    for (double& v : calls) v *= per_step;
    return calls;
  }
  return {};
}

}  // namespace tomograph::diagnose
