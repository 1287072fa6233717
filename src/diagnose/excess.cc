#include "diagnose/excess.h"

#include <algorithm>
#include <cmath>

#include "diagnose/baseline/robust.h"

namespace tomograph::diagnose {
namespace {

constexpr double kLatencyFloor = 0.05;
constexpr double kLeastFailures = 0.5;

double Level(const CaseView& view, const Flow& flow) {
  if (const double level = Median(flow.normal); std::isfinite(level)) return level;
  const double before = Median(view.BeforeOnly(flow.value));
  return std::isfinite(before) ? before : 0;
}

std::vector<double> Beyond(const std::vector<double>& calls, const std::vector<double>& value,
                           double level) {
  std::vector<double> excess(value.size(), 0.0);
  for (size_t i = 0; i < value.size(); ++i) {
    if (std::isfinite(value[i])) excess[i] = calls[i] * (value[i] - level);
  }
  return excess;
}

double Mean(const std::vector<double>& values) {
  if (values.empty()) return 1;
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

}  // namespace

Excess ExcessOf(const CaseView& view, const Flow& flow, Harm harm) {
  if (!flow.known()) return {};
  const double level = Level(view, flow);
  const std::vector<double> now = Beyond(flow.calls, flow.value, level);
  const double normal_calls = Mean(flow.normal_calls);
  const double floor = harm == Harm::kLatency
                           ? kLatencyFloor * std::abs(level) * normal_calls
                           : std::sqrt(std::max(level * normal_calls, kLeastFailures));
  Excess excess;
  excess.scale = RobustScale(Beyond(flow.normal_calls, flow.normal, level), floor);
  excess.amount = view.During(now);
  if (view.any_before()) {
    const double nearby = excess.amount - view.Before(now);
    const bool agree = excess.amount * nearby > 0;
    excess.amount =
        agree ? std::copysign(std::min(std::abs(excess.amount), std::abs(nearby)), nearby) : 0;
  }
  return excess;
}

}  // namespace tomograph::diagnose
