#include "normalize/schema/series_meaning.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <string>
#include <string_view>

#include "normalize/schema/metric_meaning.h"
#include "normalize/schema/peer.h"
#include "normalize/schema/service_name.h"

namespace tomograph::normalize {
namespace {

using telemetry::EntityKind;
using telemetry::Identities;
using telemetry::Quantity;
using telemetry::Resource;
using telemetry::Series;
using telemetry::Statistic;

/// Labels by OpenTelemetry's name, however an exporter spelt it ("server.address" =
/// "server_address").
class Labels {
 public:
  Labels(const Series& series, const telemetry::Interner& strings)
      : series_(series), strings_(strings) {}

  std::string_view First(std::initializer_list<std::string_view> names) const {
    for (const std::string_view name : names) {
      for (const auto& [key, value] : series_.labels) {
        if (Same(strings_.Get(key), name)) return strings_.Get(value);
      }
    }
    return {};
  }

 private:
  static bool Same(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
             return x == y || (x == '_' && y == '.');
           });
  }

  const Series& series_;
  const telemetry::Interner& strings_;
};

/// A label that splits a quantity into parts leaves at most one part that still is the quantity.
void ApplyState(const Labels& labels, Series* series) {
  const auto keep_only = [series](std::string_view state, std::string_view wanted) {
    if (!state.empty() && state != wanted) series->quantity = Quantity::kOther;
  };
  switch (series->quantity) {
    case Quantity::kConnectionsInUse:
      return keep_only(labels.First({"db.client.connection.state", "state"}), "used");
    case Quantity::kHostMemoryUtilization:
      return keep_only(labels.First({"system.memory.state", "state"}), "used");
    case Quantity::kDiskUtilization:
      return keep_only(labels.First({"system.filesystem.state", "state"}), "used");
    case Quantity::kReplicaLag:  // what was sent or flushed is not applied yet
      return keep_only(labels.First({"operation"}), "replay");
    case Quantity::kHostCpuUtilization:
      // No mode alone is the host's load, and idle is its opposite.
      return keep_only(labels.First({"cpu.mode", "system.cpu.state", "state", "mode"}), "");
    case Quantity::kCpuUtilization:
      // The user's part is most of what a busy process uses, and never more than all of it.
      return keep_only(labels.First({"cpu.mode", "process.cpu.state", "state"}), "user");
    default:
      return;
  }
}

/// A summary's quantile: only those that Statistic knows can stand beside other sources' values.
void ApplyQuantile(const Labels& labels, Series* series) {
  const std::string_view text = labels.First({"quantile"});
  if (text.empty()) return;
  double q = -1;
  (void)std::from_chars(text.data(), text.data() + text.size(), q);
  if (q == 0.5) {
    series->statistic = Statistic::kP50;
  } else if (q == 0.9) {
    series->statistic = Statistic::kP90;
  } else if (q == 0.95) {
    series->statistic = Statistic::kP95;
  } else if (q == 0.99) {
    series->statistic = Statistic::kP99;
  } else if (q == 1) {
    series->statistic = Statistic::kMax;
  } else {
    series->quantity = Quantity::kOther;
  }
}

bool IsOfHost(Quantity q) {
  return q == Quantity::kHostCpuUtilization || q == Quantity::kHostMemoryUtilization ||
         q == Quantity::kDiskUtilization;
}

std::string_view AttributeOf(const Resource& resource, std::string_view name,
                             const telemetry::Interner& strings) {
  for (const auto& [key, value] : resource.attributes) {
    if (strings.Get(key) == name) return strings.Get(value);
  }
  return {};
}

/// A primary tells the lag of each of its replicas by the name under which that is connected; a
/// replica tells its own. Each is a database of its own beside the service that tells it.
telemetry::EntityId ReplicaOf(const Resource& resource, const Labels& labels,
                              Identities* identities) {
  const telemetry::Interner& strings = identities->strings;
  std::string_view replica = labels.First({"replication_client", "application_name"});
  if (replica.empty()) replica = strings.Get(resource.instance);
  if (replica.empty()) return resource.service_entity;
  std::string name(strings.Get(resource.service));
  name.append("/").append(replica);
  return identities->entities.FindOrAdd(EntityKind::kDatabase,
                                        strings.Get(resource.service_namespace), name,
                                        resource.service_entity);
}

telemetry::EntityId OwnerOf(const Series& series, const Labels& labels, Identities* identities) {
  const Resource& resource = identities->resources.Get(series.resource);
  const telemetry::Interner& strings = identities->strings;
  if (series.quantity == Quantity::kReplicaLag) return ReplicaOf(resource, labels, identities);
  const std::string_view metric = strings.Get(series.metric);
  // kube-state-metrics and the kubelet speak of other pods than their own.
  if (metric.starts_with("kube_") || metric.starts_with("container_")) {
    const std::string_view pod = AttributeOf(resource, "pod", strings);
    if (!pod.empty()) {
      return identities->entities.FindOrAdd(
          EntityKind::kService, strings.Get(resource.service_namespace), WorkloadOfPod(pod));
    }
  }
  const bool unnamed = strings.Get(resource.service) == kUnknownService;
  if (IsOfHost(series.quantity) && unnamed && resource.host != telemetry::kEmptyString)
    return identities->entities.FindOrAdd(EntityKind::kHost, "", strings.Get(resource.host));
  return resource.service_entity;
}

void NameCallee(const Labels& labels, Identities* identities, Series* series) {
  PeerFacts facts;
  facts.db_system = labels.First({"db.system.name", "db.system"});
  facts.db_namespace = labels.First({"db.namespace", "db.name"});
  facts.messaging_system = labels.First({"messaging.system"});
  facts.messaging_destination =
      labels.First({"messaging.destination.template", "messaging.destination.name"});
  facts.peer_service = labels.First({"peer.service", "service.peer.name"});
  facts.address = labels.First({"server.address", "net.peer.name"});
  facts.port = labels.First({"server.port", "net.peer.port"});
  const Resource& resource = identities->resources.Get(series->resource);
  const std::string network = telemetry::NetworkOf(resource, identities->strings);
  facts.network = network;
  const std::string address = AddressOf(facts);
  series->peer = FindPeer(facts, address, identities->strings.Get(resource.service_namespace),
                          &identities->entities);
  if (series->peer != telemetry::kNoEntity) return;
  series->peer_is_address = !address.empty();
  if (!series->peer_is_address) return;
  series->peer = telemetry::AddressKey(address);
  series->peer_address = identities->strings.Intern(address, resource.share);
}

}  // namespace

void CompleteSeriesMeaning(Series* series, Identities* identities) {
  const telemetry::Interner& strings = identities->strings;
  const MetricMeaning meaning =
      MeaningOf(strings.Get(series->metric), strings.Get(series->unit), series->kind);
  series->quantity = meaning.quantity;
  series->statistic = meaning.statistic;
  series->scale = meaning.scale;
  const Labels labels(*series, strings);
  ApplyState(labels, series);
  ApplyQuantile(labels, series);
  series->entity = OwnerOf(*series, labels, identities);
  if (meaning.client_side) NameCallee(labels, identities, series);
}

}  // namespace tomograph::normalize
