#include "telemetry/series.h"

#include "telemetry/stable_table.h"

namespace tomograph::telemetry {

struct SeriesTable::Impl {
  explicit Impl(size_t n) : table(n, Series()) {}
  StableTable<Series> table;
};

SeriesTable::SeriesTable(size_t max_series) : impl_(new Impl(max_series)) {}
SeriesTable::~SeriesTable() = default;

SeriesId SeriesTable::FindOrAdd(const Fingerprint& f, const std::function<Series()>& make) {
  return SeriesId{impl_->table.FindOrAdd(
      f, [](const Series&) { return true; }, make)};
}
const Series& SeriesTable::Get(SeriesId id) const {
  return impl_->table.Get(static_cast<uint32_t>(id)).value;
}
size_t SeriesTable::size() const { return impl_->table.size(); }

}  // namespace tomograph::telemetry
