// UnitBook: which quantities of an entity come in several units. The analysis brings all values to
// the quantity's own unit and pools them; whoever shows such a value can say what it was made of.
//
// Units count as different where their scale is: "1" and "{request}" are the same. Reads each
// series of the table once. Memory is bounded by kMostPairs; beyond, further pairs are not told of.
// Not thread-safe, though the table may grow meanwhile.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "telemetry/identities.h"
#include "telemetry/picture.h"

namespace tomograph::engine {

class UnitBook {
 public:
  static constexpr size_t kMostPairs = 100'000;  // of entity and quantity

  /// What has come since the last call.
  void Read(const telemetry::SeriesTable& series);
  /// By entity, then quantity.
  std::vector<telemetry::MixedUnits> Mixed(const telemetry::Interner& strings) const;

 private:
  using Pair = std::pair<telemetry::EntityId, telemetry::Quantity>;

  size_t read_ = 0;  // series
  /// By scale, the first text that had it.
  std::map<Pair, std::map<double, telemetry::StringId>> units_;
};

}  // namespace tomograph::engine
