// Series: one metric of one resource with one label set. Known by the fingerprint of its wire
// bytes, so that the labels of a sample are parsed once in a process's life and not once a sample.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "telemetry/entity.h"
#include "telemetry/interner.h"
#include "telemetry/quantity.h"
#include "telemetry/resource.h"

namespace tomograph::telemetry {

enum class SeriesId : uint32_t {};
inline constexpr SeriesId kNoSeries{0};

enum class MetricKind : uint8_t {
  kUnknown,
  kGauge,
  kCounter,
  kUpDownCounter,
  kHistogram,
  kSummary
};
enum class Temporality : uint8_t { kUnspecified, kDelta, kCumulative };

struct Series {
  ResourceId resource = kNoResource;
  StringId metric = kEmptyString;
  StringId unit = kEmptyString;
  MetricKind kind = MetricKind::kUnknown;
  Temporality temporality = Temporality::kUnspecified;
  std::vector<std::pair<StringId, StringId>> labels;  // in the source's order

  // Filled by normalize/: what the series measures, of what, in base units (value * scale).
  Quantity quantity = Quantity::kOther;
  Statistic statistic = Statistic::kValue;
  EntityId entity = kNoEntity;           // whose quantity it is
  EntityId peer = kNoEntity;             // for client-side metrics: the callee
  bool peer_is_address = false;          // its AddressKey, since nothing else names it
  StringId peer_address = kEmptyString;  // then: that address
  double scale = 1;                      // to base units: seconds, bytes, shares of 1
  Share share = kOurselves;              // of its resource
};
/// Had one of its names no room?
bool HasOverflow(const Series& series);

/// Thread-safe; references stay valid; `make` as in ResourceTable. Full, or its share is:
/// kNoSeries.
class SeriesTable {
 public:
  explicit SeriesTable(size_t max_series = 2'000'000);
  ~SeriesTable();
  SeriesId FindOrAdd(const Fingerprint& fingerprint, const std::function<Series()>& make);
  const Series& Get(SeriesId id) const;
  size_t size() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::telemetry
