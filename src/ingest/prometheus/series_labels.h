// From Prometheus labels to a Series and its Resource, the same for remote write and scraped text.
//
// Labels that say who sent the sample (job, instance, service, pod, ...) are moved to the resource,
// where normalize/ looks for a service's name; the rest stay labels of the series.
#pragma once

#include <span>
#include <string_view>

#include "ingest/decoder.h"

namespace tomograph::ingest::prometheus {

struct Label {
  std::string_view name;
  std::string_view value;
};

struct MetricFacts {
  telemetry::MetricKind kind = telemetry::MetricKind::kUnknown;
  std::string_view unit;
};

/// What a name's suffix tells where no metadata does: _total, _bucket, _sum and _count are
/// counters.
telemetry::MetricKind KindBySuffix(std::string_view metric);

/// A completed series. Its resource is kNoResource when the table of resources is full.
telemetry::Series MakeSeries(std::string_view metric, std::span<const Label> labels,
                             const MetricFacts& facts, const DecodeContext& context);

/// The stale marker is the one NaN that says something: this series has ended.
inline constexpr uint64_t kStaleMarkerBits = 0x7ff0000000000002ULL;

}  // namespace tomograph::ingest::prometheus
