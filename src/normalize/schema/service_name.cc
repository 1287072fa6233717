#include "normalize/schema/service_name.h"

#include <algorithm>
#include <initializer_list>

namespace tomograph::normalize {
namespace {

/// What Kubernetes makes random suffixes of: no vowels, nothing that looks alike.
constexpr std::string_view kHashAlphabet = "bcdfghjklmnpqrstvwxz2456789";

bool Consists(std::string_view text, std::string_view of) {
  return text.find_first_not_of(of) == std::string_view::npos;
}
bool IsNumber(std::string_view text) { return !text.empty() && Consists(text, "0123456789"); }
bool IsPodHash(std::string_view text) { return text.size() == 5 && Consists(text, kHashAlphabet); }
bool IsTemplateHash(std::string_view text) {
  return text.size() >= 6 && text.size() <= 10 && (Consists(text, kHashAlphabet) || IsNumber(text));
}

std::string_view LastPart(std::string_view name) {
  const size_t dash = name.rfind('-');
  return dash == std::string_view::npos || dash == 0 ? std::string_view() : name.substr(dash + 1);
}
std::string_view WithoutLastPart(std::string_view name) { return name.substr(0, name.rfind('-')); }

std::string_view WithoutTemplateHash(std::string_view name) {
  return IsTemplateHash(LastPart(name)) ? WithoutLastPart(name) : name;
}

/// A cron job's jobs end in the minute that they were due.
std::string_view WithoutSchedule(std::string_view job) {
  const std::string_view last = LastPart(job);
  return last.size() >= 8 && IsNumber(last) ? WithoutLastPart(job) : job;
}

class Lookup {
 public:
  Lookup(const telemetry::Resource& resource, const telemetry::Interner& strings)
      : resource_(resource), strings_(strings) {}

  std::string_view operator()(std::string_view key) const {
    for (const auto& [name, value] : resource_.attributes) {
      if (strings_.Get(name) == key) return strings_.Get(value);
    }
    return {};
  }
  std::string_view First(std::initializer_list<std::string_view> keys) const {
    for (const std::string_view key : keys) {
      if (const std::string_view value = (*this)(key); !value.empty()) return value;
    }
    return {};
  }

 private:
  const telemetry::Resource& resource_;
  const telemetry::Interner& strings_;
};

std::string_view ServiceOf(const Lookup& of) {
  const std::string_view named = of("service.name");
  if (!named.empty() && !named.starts_with(kUnknownService)) return named;
  const std::string_view declared =
      of.First({"k8s.pod.annotation.resource.opentelemetry.io/service.name",
                "k8s.pod.annotations.resource.opentelemetry.io/service.name",
                "k8s.pod.label.app.kubernetes.io/instance",
                "k8s.pod.labels.app.kubernetes.io/instance", "k8s.pod.label.app.kubernetes.io/name",
                "k8s.pod.labels.app.kubernetes.io/name", "k8s.deployment.name"});
  if (!declared.empty()) return declared;
  if (const std::string_view set = of("k8s.replicaset.name"); !set.empty())
    return WithoutTemplateHash(set);
  const std::string_view workload =
      of.First({"k8s.statefulset.name", "k8s.daemonset.name", "k8s.cronjob.name"});
  if (!workload.empty()) return workload;
  if (const std::string_view job = of("k8s.job.name"); !job.empty()) return WithoutSchedule(job);
  if (const std::string_view pod = of("k8s.pod.name"); !pod.empty()) return WorkloadOfPod(pod);
  const std::string_view named_otherwise = of.First(
      {"k8s.container.name", "container.name", "service_name", "service", "deployment", "job"});
  if (!named_otherwise.empty()) return named_otherwise;
  if (const std::string_view pod = of.First({"pod", "pod_name"}); !pod.empty())
    return WorkloadOfPod(pod);
  const std::string_view container = of.First({"container", "container_name"});
  return container.empty() ? kUnknownService : container;
}

std::string InstanceOf(const Lookup& of, std::string_view host) {
  if (const std::string_view id = of.First({"service.instance.id", "k8s.pod.name"}); !id.empty())
    return std::string(id);
  const std::string_view pid = of("process.pid");
  if (!host.empty() && !pid.empty()) return std::string(host).append(":").append(pid);
  return std::string(of.First({"pod", "pod_name", "instance"}));
}

}  // namespace

std::string_view WorkloadOfPod(std::string_view pod) {
  const std::string_view last = LastPart(pod);
  if (IsPodHash(last)) return WithoutTemplateHash(WithoutLastPart(pod));
  if (IsNumber(last) && last.size() <= 3) return WithoutLastPart(pod);
  return pod;
}

ResourceNames NamesOf(const telemetry::Resource& resource, const telemetry::Interner& strings) {
  const Lookup of(resource, strings);
  ResourceNames names;
  names.service = ServiceOf(of);
  names.service_namespace = of.First({"service.namespace", "service_namespace"});
  names.host = of.First({"host.name", "hostname", "k8s.node.name", "node", "host.id"});
  names.instance = InstanceOf(of, names.host);
  names.version =
      of.First({"service.version", "service_version", "k8s.pod.label.app.kubernetes.io/version",
                "k8s.pod.labels.app.kubernetes.io/version", "container.image.tag"});
  names.environment =
      of.First({"deployment.environment.name", "deployment.environment",
                "deployment_environment_name", "deployment_environment", "environment", "env"});
  return names;
}

}  // namespace tomograph::normalize
