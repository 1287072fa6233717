#include "diagnose/saturation.h"

#include <algorithm>
#include <cmath>

#include "diagnose/baseline/robust.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Quantity;

constexpr double kShareFloor = 0.05;  // of the level
constexpr double kPoint = 0.01;       // of the capacity

bool IsShareOfCapacity(Quantity q) {
  return q == Quantity::kCpuUtilization || q == Quantity::kMemoryUtilization ||
         q == Quantity::kDiskUtilization;
}

double Gained(const CaseView& view, const std::vector<double>& share) {
  const std::vector<double> before = view.BeforeOnly(share);
  const double level = Median(before);
  const std::vector<double> during = view.DuringOnly(share);
  const bool measured =
      std::any_of(during.begin(), during.end(), [](double v) { return std::isfinite(v); });
  if (!std::isfinite(level) || !measured) return 0;
  const double gain = view.During(share) - level;
  const double scale = RobustScale(before, std::max(kShareFloor * std::abs(level), kPoint));
  return std::clamp(gain, 0.0, 1.0) * Belief(gain / scale);
}

}  // namespace

std::vector<double> PoolUse(const CaseView& view, int entity) {
  const CaseSeries* used = view.Find(entity, Quantity::kConnectionsInUse);
  const CaseSeries* most = view.Find(entity, Quantity::kConnectionsMax);
  if (used == nullptr || most == nullptr) return {};
  const double size = Median(most->values);
  if (!(size > 0)) return {};
  std::vector<double> share = used->values;
  for (double& v : share) v /= size;
  return share;
}

double SaturationShare(const CaseView& view, int entity) {
  double most = 0;
  for (const CaseSeries* s : view.All(entity)) {
    if (IsShareOfCapacity(s->quantity)) most = std::max(most, Gained(view, s->values));
  }
  if (const std::vector<double> pool = PoolUse(view, entity); !pool.empty()) {
    most = std::max(most, Gained(view, pool));
  }
  return most;
}

}  // namespace tomograph::diagnose
