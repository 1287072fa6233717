#include "telemetry/series.h"

#include <algorithm>

#include "telemetry/stable_table.h"

namespace tomograph::telemetry {

struct SeriesTable::Impl {
  explicit Impl(size_t n) : table(n, Series()) {}
  StableTable<Series> table;
  FairShare held;
};

bool HasOverflow(const Series& series) {
  return series.metric == kOverflow || series.unit == kOverflow ||
         std::any_of(series.labels.begin(), series.labels.end(), [](const auto& label) {
           return label.first == kOverflow || label.second == kOverflow;
         });
}

SeriesTable::SeriesTable(size_t max_series) : impl_(new Impl(max_series)) {}
SeriesTable::~SeriesTable() = default;

SeriesId SeriesTable::FindOrAdd(const Fingerprint& f, const std::function<Series()>& make) {
  const auto admit = [&](const Series& made) {
    if (!impl_->held.Allows(made.share, 1, impl_->table.free())) return false;
    impl_->held.Take(made.share, 1);
    return true;
  };
  return SeriesId{impl_->table.FindOrAdd(
      f, [](const Series&) { return true; }, make, admit)};
}
const Series& SeriesTable::Get(SeriesId id) const {
  return impl_->table.Get(static_cast<uint32_t>(id)).value;
}
size_t SeriesTable::size() const { return impl_->table.size(); }

}  // namespace tomograph::telemetry
