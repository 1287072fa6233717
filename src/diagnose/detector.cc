#include "diagnose/detector.h"

#include <algorithm>
#include <cmath>

namespace tomograph::diagnose {
namespace {

using telemetry::EntityId;
using telemetry::kNoEntity;
using telemetry::Quantity;

constexpr double kAllowance = 4;  // deviations a window may be off without adding evidence
constexpr double kMostPerWindow = 12;
constexpr double kRaise = 8;     // evidence from which on the service is ill
constexpr double kCeiling = 16;  // so that it is well again a few windows after its last bad one
constexpr double kEnoughCalls = 10;   // a window with fewer counts in proportion
constexpr double kLeastSlower = 0.3;  // rise of latency that anybody minds, as a share
constexpr double kLeastSlower_s = 2e-3;
constexpr double kLeastFailed = 0.01;  // failed share that anybody minds
constexpr double kLeastFailures = 2;   // in a window
constexpr double kMostCalls = 0.5;     // of the usual calls, to be called silent
constexpr Nanos kForget = kHour;

Baseline::Floors FloorsOf(Quantity q) {
  switch (q) {
    case Quantity::kLatency:
      return {0.08, 5e-4};
    case Quantity::kErrorRatio:
      return {0, 0.005};
    default:
      return {0.1, 0.1};
  }
}

}  // namespace

Detector::Watch& Detector::WatchOf(EntityId entity, Quantity quantity) {
  const Key key{entity, quantity};
  const auto it = watches_.find(key);
  if (it != watches_.end()) return it->second;
  return watches_.emplace(key, Watch{Baseline(FloorsOf(quantity)), 0, false, 0, 0}).first->second;
}

Detector::Symptom Detector::Judge(const Watch& watch, Quantity quantity, Nanos start, double value,
                                  double calls) const {
  Symptom s;
  const Baseline& normal = watch.baseline;
  s.observed = value;
  s.expected = normal.level();
  if (!normal.ready() || !std::isfinite(value)) return s;
  double z = normal.Deviation(start, value);
  // A sender that tells a quantile or a ratio need not count; then its own scatter has to do.
  const bool counted = calls >= 0;
  switch (quantity) {
    case Quantity::kLatency:
      if (value - s.expected < std::max(kLeastSlower * s.expected, kLeastSlower_s)) return s;
      if (counted) z *= std::min(1.0, calls / kEnoughCalls);
      break;
    case Quantity::kErrorRatio: {
      if (value - s.expected < kLeastFailed) return s;
      if (!counted) break;
      const double failed = value * calls, usual = std::max(s.expected * calls, 0.5);
      if (failed < kLeastFailures) return s;
      z = std::min(z, (failed - s.expected * calls) / std::sqrt(usual) * 2);
      break;
    }
    default: {  // calls: a fall
      const double usual = s.expected, step_calls = calls;
      if (value > kMostCalls * usual || step_calls < kEnoughCalls) return s;
      z = std::min(-z, std::sqrt(step_calls));
    }
  }
  s.strength = std::min(z, kMostPerWindow);
  return s;
}

bool Detector::CallersAsBefore(const History& history, EntityId entity,
                               const std::vector<telemetry::Edge>& edges) const {
  bool any = false;
  for (const telemetry::Edge& e : edges) {
    if (e.callee != entity || e.caller == entity) continue;
    const auto it = watches_.find({e.caller, Quantity::kCallRate});
    if (it == watches_.end() || !it->second.baseline.ready()) continue;
    const double now = history.Latest({e.caller, kNoEntity}, Quantity::kCallRate);
    if (!(now >= 0.8 * it->second.baseline.level())) return false;
    any = true;
  }
  return any;
}

void Detector::Update(const History& history, const telemetry::WindowSet& windows,
                      const std::vector<telemetry::Edge>& edges, bool learn) {
  ill_.clear();
  if (first_ < 0) first_ = windows.start;
  const bool warm = windows.end() - first_ > warm_up_;
  const double seconds = ToSeconds(windows.length);
  for (const telemetry::Window& window : windows.windows) {
    if (window.key.caller != kNoEntity) continue;
    const EntityId entity = window.key.entity;
    const double rate = history.Latest(window.key, Quantity::kCallRate);
    for (const Quantity q : {Quantity::kCallRate, Quantity::kLatency, Quantity::kErrorRatio}) {
      const double value = history.Latest(window.key, q);
      if (!std::isfinite(value)) continue;
      Watch& watch = WatchOf(entity, q);
      watch.last_seen = windows.start;
      const double calls = seconds * (q == Quantity::kCallRate ? watch.baseline.level() : rate);
      Symptom symptom = warm ? Judge(watch, q, windows.start, value, calls) : Symptom{};
      if (q == Quantity::kCallRate && symptom.strength > 0 &&
          !CallersAsBefore(history, entity, edges)) {
        symptom.strength = 0;  // nobody asks: that is no illness
      }
      if (symptom.strength > kAllowance && watch.evidence <= 0) watch.since = windows.start;
      watch.evidence = std::clamp(watch.evidence + symptom.strength - kAllowance, 0.0, kCeiling);
      watch.ill = watch.evidence >= kRaise || (watch.ill && watch.evidence > 0);
      if (watch.ill) {
        ill_.push_back(
            {entity, q, watch.since, symptom.observed, watch.baseline.level(), symptom.strength});
      } else if (learn) {
        watch.baseline.Learn(windows.start, value);
      }
    }
  }
  std::sort(ill_.begin(), ill_.end(), [](const Illness& a, const Illness& b) {
    return a.entity != b.entity ? a.entity < b.entity : a.quantity < b.quantity;
  });
  Forget(windows.start);
}

void Detector::Forget(Nanos now) {
  for (auto it = watches_.begin(); it != watches_.end();) {
    it = now - it->second.last_seen > kForget ? watches_.erase(it) : std::next(it);
  }
}

}  // namespace tomograph::diagnose
