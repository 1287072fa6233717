#include "engine/unit_book.h"

#include <algorithm>
#include <string>

namespace tomograph::engine {

using telemetry::Quantity;
using telemetry::Series;
using telemetry::SeriesId;

void UnitBook::Read(const telemetry::SeriesTable& series) {
  for (const size_t all = series.size(); read_ < all;) {
    const Series& s = series.Get(static_cast<SeriesId>(++read_));  // numbered from 1
    if (s.quantity == Quantity::kOther || s.entity == telemetry::kNoEntity) continue;
    const Pair pair{s.entity, s.quantity};
    if (units_.size() >= kMostPairs && units_.count(pair) == 0) continue;
    units_[pair].emplace(s.scale, s.unit);
  }
}

std::vector<telemetry::MixedUnits> UnitBook::Mixed(const telemetry::Interner& strings) const {
  std::vector<telemetry::MixedUnits> mixed;
  for (const auto& [pair, units] : units_) {
    if (units.size() < 2) continue;
    telemetry::MixedUnits one;
    one.entity = pair.first;
    one.quantity = telemetry::QuantityName(pair.second);
    for (const auto& [scale, unit] : units) one.units.emplace_back(strings.Get(unit));
    std::sort(one.units.begin(), one.units.end());
    mixed.push_back(std::move(one));
  }
  return mixed;
}

}  // namespace tomograph::engine
