#include "publish/metric_samples.h"

#include <algorithm>
#include <map>
#include <set>

#include "publish/evidence.h"

namespace tomograph::publish {
namespace {

using telemetry::EntityId;
using telemetry::Identities;
using telemetry::MetricKind;
using telemetry::Reading;
using telemetry::Series;
using telemetry::SeriesId;

constexpr size_t kMostNamesTold = 100;
// A counter's first rate needs the sample before, and five minutes are as rare as samples get.
constexpr Nanos kAround = 5 * kMinute;

Reading ReadingOf(const Series& series) {
  if (series.temporality == telemetry::Temporality::kDelta) return Reading::kCount;
  return series.kind == MetricKind::kCounter ? Reading::kCounter : Reading::kLevel;
}

EntityId ClockHostOf(const Series& series, const Identities& ids) {
  return telemetry::ClockHostId(
      telemetry::ClockHostOf(ids.resources.Get(series.resource), ids.strings));
}

/// Calls `visit` with each series of the entity. All that the Picture's history is made of is among
/// them, since it came through these identities.
template <typename Visit>
void ForEachSeries(EntityId entity, const Identities& ids, const Visit& visit) {
  const size_t last = ids.series.size();
  for (size_t i = 1; i <= last; ++i) {
    const Series& series = ids.series.Get(SeriesId{static_cast<uint32_t>(i)});
    if (series.entity == entity) visit(series);
  }
}

Status NoSuchMetric(EntityId entity, const std::string& metric, const Identities& ids) {
  std::set<std::string_view> names;
  ForEachSeries(entity, ids, [&](const Series& series) {
    if (series.kind != MetricKind::kHistogram) names.insert(ids.strings.Get(series.metric));
  });
  std::string known;
  size_t told = 0;
  for (const std::string_view name : names) {
    if (++told > kMostNamesTold) break;
    known.append(known.empty() ? "" : ", ").append(name);
  }
  if (told > kMostNamesTold) known += ", ...";
  return Status::NotFound("no metric '" + metric +
                          "' of this entity is known; known: " + (known.empty() ? "none" : known));
}

/// `range`, in the raw times of the hosts: what lies in it by the reference's clock may lie
/// elsewhere by theirs.
TimeRange RawRange(TimeRange range, const std::set<EntityId>& hosts,
                   const telemetry::Picture& picture) {
  Nanos behind = 0, ahead = 0;
  for (const telemetry::HostClock& clock : picture.clocks) {
    if (hosts.count(clock.id) == 0) continue;
    for (const telemetry::ClockSegment& segment : clock.segments) {
      if (!segment.applied) continue;
      behind = std::min(behind, segment.offset);
      ahead = std::max(ahead, segment.offset);
    }
  }
  return {range.from + behind - kAround, range.to + ahead + kAround};
}

using SamplesById = std::map<SeriesId, std::vector<telemetry::Sample>>;

/// True when there were more.
Result<bool> Scan(const store::ScanFilter& filter, store::Store* store, SamplesById* found) {
  size_t read = 0;
  bool more = false;
  const Status status =
      store->Scan(telemetry::Signal::kSample, filter, [&](const telemetry::Batch& batch) {
        const telemetry::SampleBatch& s = batch.samples;
        for (size_t row = 0; row < s.rows() && !more; ++row) {
          more = read++ == kMostSamples;
          if (!more) (*found)[s.series[row]].push_back({s.time_ns[row], s.value[row]});
        }
        return !more;
      });
  if (!status.ok()) return status;
  return more;
}

Json LabelsJson(const Series& series, const Identities& ids) {
  Json out = Json::object();
  for (const auto& [key, value] : series.labels)
    out[std::string(ids.strings.Get(key))] = ids.strings.Get(value);
  return out;
}

}  // namespace

Result<MetricSamples> ReadMetric(EntityId entity, const std::string& metric, TimeRange range,
                                 const telemetry::Picture& picture, store::Store* store,
                                 const Identities* identities) {
  if (store == nullptr || identities == nullptr) return Status::NotFound(std::string(kNoStore));
  const telemetry::StringId name = identities->strings.Find(metric);
  std::set<EntityId> hosts;
  size_t histograms = 0;
  ForEachSeries(entity, *identities, [&](const Series& series) {
    if (metric.empty() || series.metric != name) return;
    hosts.insert(ClockHostOf(series, *identities));
    histograms += series.kind == MetricKind::kHistogram ? 1 : 0;
  });
  if (hosts.empty()) return NoSuchMetric(entity, metric, *identities);

  store::ScanFilter filter;
  filter.range = RawRange(range, hosts, picture);
  filter.metric = metric;
  filter.entity = entity;
  filter.limit = kMostSamples + 1;
  SamplesById found;
  const Result<bool> cut = Scan(filter, store, &found);
  if (!cut.ok()) return cut.status();
  if (found.empty() && histograms > 0)
    return Status::InvalidArgument("'" + metric +
                                   "' is a histogram, which has no one number a sample: ask for "
                                   "a quantity that is made of it");
  if (found.empty()) {
    const std::string why = WhatIsUnreadable(store);
    return Status::NotFound("no sample of '" + metric + "' is kept of that time" +
                            (why.empty() ? "" : ". Or it is in what is lost: " + why));
  }
  std::vector<SeriesId> order;
  for (const auto& [id, samples] : found) order.push_back(id);
  std::stable_sort(order.begin(), order.end(),
                   [&](SeriesId a, SeriesId b) { return found[a].size() > found[b].size(); });
  MetricSamples out;
  out.cut = *cut;
  out.left_out = order.size() - std::min(order.size(), kMostSeries);
  order.resize(order.size() - out.left_out);
  for (const SeriesId id : order) {
    const Series& series = identities->series.Get(id);
    const bool in_lines = series.quantity != telemetry::Quantity::kOther;
    out.series.push_back(&series);
    out.asked.push_back(
        {{std::move(found[id]), ReadingOf(series), ClockHostOf(series, *identities)},
         std::string(in_lines ? telemetry::QuantityName(series.quantity) : "")});
  }
  return out;
}

Json SeriesJson(const Series& series, Reading reading, const telemetry::SeriesOnGrid& on_grid,
                const Identities& ids) {
  const telemetry::Resource& resource = ids.resources.Get(series.resource);
  const auto text = [&](telemetry::StringId id) {
    return id == telemetry::kEmptyString ? Json(nullptr) : Json(ids.strings.Get(id));
  };
  return {
      {"labels", LabelsJson(series, ids)},
      {"instance", text(resource.instance)},
      {"host", telemetry::ClockHostOf(resource, ids.strings)},
      {"unit", text(series.unit)},
      {"read_as", telemetry::ReadingName(reading)},
      {"samples", on_grid.samples},
      {"interval_ms", on_grid.interval == 0 ? Json(nullptr) : Number(ToMillis(on_grid.interval))},
      {"cell_ms", ToMillis(on_grid.cell)},
      {"cells", on_grid.cells},
      {"restarts", on_grid.restarts},
      {"ignored", on_grid.ignored},
      {"times", on_grid.corrected ? "corrected" : "raw"},
      {"clock_bound_ms", on_grid.clock_bound == telemetry::kUnknownBound
                             ? Json(nullptr)
                             : Number(ToMillis(on_grid.clock_bound))}};
}

}  // namespace tomograph::publish
