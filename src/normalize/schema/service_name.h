// Who a resource is: its service, instance, version, environment and host, by OpenTelemetry's,
// Kubernetes' and Prometheus's conventions. Pure: looks at the attributes alone.
//
// Service, the first that is there:
//   service.name (but unknown_service* is no name) > the pod's annotation
//   resource.opentelemetry.io/ service.name > the labels app.kubernetes.io/instance, /name >
//   deployment > replicaset > statefulset > daemonset > cronjob > job > pod (its hash stripped) >
//   container > Prometheus's service_name, service, deployment, job, pod, container >
//   "unknown_service".
// Instance: service.instance.id > pod > host:pid > Prometheus's pod, instance.
#pragma once

#include <string>
#include <string_view>

#include "telemetry/interner.h"
#include "telemetry/resource.h"

namespace tomograph::normalize {

inline constexpr std::string_view kUnknownService = "unknown_service";

struct ResourceNames {
  std::string service;  // never empty
  std::string service_namespace;
  std::string instance;
  std::string version;
  std::string environment;
  std::string host;
};

ResourceNames NamesOf(const telemetry::Resource& resource, const telemetry::Interner& strings);

/// "cart-74594bd569-x2x5k" -> "cart" (deployment), "db-0" -> "db" (stateful set), "agent-zk8tw" ->
/// "agent" (daemon set); other names stay.
std::string_view WorkloadOfPod(std::string_view pod);

}  // namespace tomograph::normalize
