#include "ingest/prometheus/series_labels.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace tomograph::ingest::prometheus {
namespace {

using telemetry::MetricKind;
using telemetry::Resource;
using telemetry::Series;
using telemetry::Temporality;

constexpr std::array<std::string_view, 17> kResourceLabels = {"job",
                                                              "instance",
                                                              "service",
                                                              "service_name",
                                                              "service_namespace",
                                                              "namespace",
                                                              "pod",
                                                              "pod_name",
                                                              "container",
                                                              "container_name",
                                                              "node",
                                                              "service_version",
                                                              "deployment",
                                                              "deployment_environment",
                                                              "env",
                                                              "environment",
                                                              "deployment_environment_name"};

bool IsResourceLabel(std::string_view name) {
  return std::find(kResourceLabels.begin(), kResourceLabels.end(), name) != kResourceLabels.end();
}

/// Who pays for the names of the resource itself: whom its first label that says so names.
telemetry::Share SenderOf(std::span<const Label> labels) {
  for (const std::string_view name : {"service_name", "service", "job"}) {
    for (const Label& label : labels)
      if (label.name == name) return telemetry::ShareOf(label.value);
  }
  return telemetry::ShareOf({});
}

telemetry::ResourceId FindResource(std::span<const Label> labels, const DecodeContext& context) {
  std::string key = "prometheus";
  for (const Label& label : labels) {
    if (!IsResourceLabel(label.name)) continue;
    key.append(1, '\0').append(label.name).append(1, '\0').append(label.value);
  }
  return context.identities->resources.FindOrAdd(telemetry::FingerprintOf(key), [&] {
    Resource resource;
    telemetry::Interner& strings = context.identities->strings;
    const telemetry::Share sender = SenderOf(labels);
    for (const Label& label : labels) {
      if (!IsResourceLabel(label.name)) continue;
      resource.attributes.emplace_back(strings.Intern(label.name),
                                       strings.Intern(label.value, sender));
    }
    if (context.complete_resource) context.complete_resource(&resource);
    return resource;
  });
}

}  // namespace

MetricKind KindBySuffix(std::string_view metric) {
  for (const std::string_view suffix : {"_total", "_bucket", "_sum", "_count"}) {
    if (metric.ends_with(suffix)) return MetricKind::kCounter;
  }
  return MetricKind::kUnknown;
}

Series MakeSeries(std::string_view metric, std::span<const Label> labels, const MetricFacts& facts,
                  const DecodeContext& context) {
  telemetry::Interner& strings = context.identities->strings;
  Series series;
  series.resource = FindResource(labels, context);
  series.share = series.resource == telemetry::kNoResource
                     ? SenderOf(labels)
                     : context.identities->resources.Get(series.resource).share;
  series.metric = strings.Intern(metric, series.share);
  series.unit = strings.Intern(facts.unit, series.share);
  series.kind = facts.kind;
  if (facts.kind == MetricKind::kCounter || facts.kind == MetricKind::kHistogram)
    series.temporality = Temporality::kCumulative;
  for (const Label& label : labels) {
    if (!IsResourceLabel(label.name))
      series.labels.emplace_back(strings.Intern(label.name, series.share),
                                 strings.Intern(label.value, series.share));
  }
  if (context.complete_series) context.complete_series(&series);
  return series;
}

}  // namespace tomograph::ingest::prometheus
