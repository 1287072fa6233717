#include "diagnose/propagation.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>

#include "diagnose/baseline/onset_posterior.h"
#include "diagnose/baseline/robust.h"

namespace tomograph::diagnose {
namespace {

using telemetry::EntityId;
using telemetry::kNoEntity;
using telemetry::Movement;
using telemetry::Order;
using telemetry::Quantity;

constexpr double kFloor = 0.05;        // of the level: less is no change that anybody means
constexpr double kLeastRatio = 0.005;  // of shares
constexpr double kClearly = 0.95;
constexpr Nanos kReach = 10 * kMinute;  // a change further from the incident is another story

enum class Course { kHarm, kLoad, kOwn };

std::optional<Course> CourseOf(Quantity q) {
  switch (q) {
    case Quantity::kLatency:
    case Quantity::kErrorRatio:
    case Quantity::kInFlight:
    case Quantity::kQueueDepth:
      return Course::kHarm;
    case Quantity::kCallRate:
      return Course::kLoad;
    case Quantity::kConnectionsInUse:
    case Quantity::kConnectionsPending:
    case Quantity::kCpuUtilization:
    case Quantity::kCpuWait:
    case Quantity::kSchedulingDelay:
      return Course::kOwn;
    default:
      return std::nullopt;
  }
}

bool IsShare(Quantity q) { return q == Quantity::kErrorRatio || q == Quantity::kCpuUtilization; }

double FloorOf(Quantity q, double level) {
  return IsShare(q) ? kLeastRatio : std::max(kFloor * std::abs(level), 1e-9);
}

struct Change {
  Movement told;
  Course course = Course::kOwn;
  OnsetPosterior when;
};

class Propagation {
 public:
  Propagation(const Case& incident, const std::vector<EntityId>& members) : case_(incident) {
    for (const EntityId member : members) FindChanges(member);
    std::sort(changes_.begin(), changes_.end(), [](const Change& a, const Change& b) {
      return std::tie(a.told.onset, a.told.entity, a.told.quantity) <
             std::tie(b.told.onset, b.told.entity, b.told.quantity);
    });
  }

  std::vector<Movement> Trace() {
    std::vector<Movement> told;
    for (Change& change : changes_) {
      FindOrigin(&change);
      told.push_back(change.told);
    }
    return told;
  }

 private:
  void FindChanges(EntityId member) {
    for (const CaseSeries& series : case_.series) {
      if (series.entity != member || series.caller != kNoEntity) continue;
      const std::optional<Course> course = CourseOf(series.quantity);
      if (!course || changes_.size() >= kMostMovements) continue;
      Change change;
      change.course = *course;
      change.when = FindOnsetPosterior(series.values, case_.times, case_.step,
                                       FloorOf(series.quantity, Median(series.values)));
      if (!change.when.found) continue;
      Movement& m = change.told;
      m.entity = member;
      m.quantity = series.quantity;
      m.up = change.when.z > 0;
      if (change.course == Course::kOwn && !m.up) continue;  // less work is what harm leaves behind
      const std::optional<Nanos> bound = BoundOf(member);
      m.clock_known = bound.has_value();
      m.onset = change.when.Quantile(0.5);
      m.lower = change.when.Quantile(0.05) - bound.value_or(0);
      m.upper = change.when.Quantile(0.95) + bound.value_or(0);
      if (std::abs(m.onset - case_.alert.time) > kReach) continue;
      changes_.push_back(std::move(change));
    }
  }

  std::optional<Nanos> BoundOf(EntityId entity) const {
    const auto it = case_.clock_bounds.find(entity);
    if (it == case_.clock_bounds.end()) return std::nullopt;
    return it->second;
  }

  // Harm comes from those it calls, load from those who call it.
  bool MayComeFrom(const Change& change, const Change& other) const {
    if (change.course != other.course || change.course == Course::kOwn) return false;
    if (change.told.entity == other.told.entity || change.told.up != other.told.up) return false;
    EntityId caller = change.told.entity, callee = other.told.entity;
    if (change.course == Course::kLoad) std::swap(caller, callee);
    return std::any_of(case_.edges.begin(), case_.edges.end(), [&](const telemetry::Edge& e) {
      return e.caller == caller && e.callee == callee;
    });
  }

  // A neighbour is stood for by the first of its like changes.
  void FindOrigin(Change* change) const {
    Movement& m = change->told;
    double best = -1;
    std::vector<EntityId> seen;
    for (const Change& other : changes_) {
      if (!MayComeFrom(*change, other)) continue;
      if (std::find(seen.begin(), seen.end(), other.told.entity) != seen.end()) continue;
      seen.push_back(other.told.entity);
      const Nanos error = BoundOf(m.entity).value_or(0) + BoundOf(other.told.entity).value_or(0);
      const OnsetPosterior delay = Delay(other.when, change->when);
      const double p = ProbabilityPositive(delay, error);
      if (p <= best) continue;
      best = p;
      m.from = other.told.entity;
      m.p_order = p;
      m.lag_s = ToSeconds(delay.Quantile(0.5));
      m.lag_lower_s = ToSeconds(delay.Quantile(0.05) - error);
      m.lag_upper_s = ToSeconds(delay.Quantile(0.95) + error);
    }
    if (m.from == kNoEntity) return;
    m.order = m.p_order >= kClearly       ? Order::kClear
              : m.p_order <= 1 - kClearly ? Order::kContradicted
                                          : Order::kUnclear;
  }

  const Case& case_;
  std::vector<Change> changes_;
};

}  // namespace

std::vector<Movement> TracePropagation(const Case& incident, const std::vector<EntityId>& members) {
  return Propagation(incident, members).Trace();
}

}  // namespace tomograph::diagnose
