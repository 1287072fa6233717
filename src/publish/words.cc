#include "publish/words.h"

#include "telemetry/entity.h"
#include "telemetry/quantity.h"

namespace tomograph::publish {
namespace {

using telemetry::Quantity;
using telemetry::Statistic;

constexpr Statistic kNamed[] = {Statistic::kMean, Statistic::kP50, Statistic::kP90,
                                Statistic::kP95,  Statistic::kP99, Statistic::kMax};

}  // namespace

std::vector<std::string_view> EntityKinds() {
  std::vector<std::string_view> kinds;
  for (int i = 0; i <= static_cast<int>(telemetry::EntityKind::kClient); ++i)
    kinds.push_back(telemetry::EntityKindName(static_cast<telemetry::EntityKind>(i)));
  return kinds;
}

bool IsLineName(std::string_view name) {
  for (int q = 0; q < telemetry::kQuantityCount; ++q) {
    const std::string quantity(telemetry::QuantityName(static_cast<Quantity>(q)));
    if (name == quantity) return true;
    for (const Statistic s : kNamed)
      if (name == quantity + "_" + std::string(telemetry::StatisticName(s))) return true;
  }
  return false;
}

std::string LineNames() {
  std::string known;
  for (int q = 0; q < telemetry::kQuantityCount; ++q) {
    const auto quantity = static_cast<Quantity>(q);
    if (quantity == Quantity::kOther) continue;
    known.append(known.empty() ? "" : ", ").append(telemetry::QuantityName(quantity));
  }
  return known + "; with _mean, _p50, _p90, _p95, _p99 or _max where that is what is told";
}

}  // namespace tomograph::publish
