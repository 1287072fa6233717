// Resource: who sent a record (OTLP's resource, a scrape target, the columns of a recording that
// name a service or pod). Seen once per process and then a 32-bit id, like strings.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "telemetry/entity.h"
#include "telemetry/interner.h"

namespace tomograph::telemetry {

enum class ResourceId : uint32_t {};
inline constexpr ResourceId kNoResource{0};

/// As decoded: `attributes` hold every pair in the source's order, values as text. The named fields
/// are filled by normalize/schema and are empty (kEmptyString, kNoEntity) before.
struct Resource {
  std::vector<std::pair<StringId, StringId>> attributes;

  StringId service = kEmptyString;  // normalised name; "unknown_service" only if nothing names it
  StringId service_namespace = kEmptyString;
  StringId instance = kEmptyString;
  StringId version = kEmptyString;
  StringId environment = kEmptyString;
  StringId host = kEmptyString;
  EntityId service_entity = kNoEntity;
  EntityId instance_entity = kNoEntity;
  Share share = kOurselves;  // of the service: who pays for the names in its records
};

/// Whose clock the times of its records come from: the host, else the instance of the service, else
/// the service. Empty for kNoResource. Two names may be one clock, which then shows as offset 0.
std::string ClockHostOf(const Resource& resource, const Interner& strings);
/// The id of such a name: of kind host, as metrics of that host have it too.
EntityId ClockHostId(std::string_view clock_host);

/// The network in which the host-local addresses of its records mean something (IsHostLocal): its
/// pod's, whose containers share one; else its container's; else its host's. Empty: not known.
std::string NetworkOf(const Resource& resource, const Interner& strings);

/// Where it lives, at most 16: the HomeKeys of the addresses that it tells (k8s.pod.ip, host.ip and
/// such), and the HostKey of its service's name.
std::vector<EntityId> HomesOf(const Resource& resource, const Interner& strings);

/// 128 bits over the raw wire bytes of a resource or a series: equal bytes need not be parsed
/// again.
struct Fingerprint {
  uint64_t hi = 0;
  uint64_t lo = 0;
  bool operator==(const Fingerprint&) const = default;
};
Fingerprint FingerprintOf(std::string_view bytes, uint64_t seed = 0);

/// Thread-safe; references stay valid. `make` is called once, on the first sight of a fingerprint,
/// and must fill the resource wholly (decoded and normalised), since it is immutable afterwards.
/// When `max_resources` or its share of them is reached, kNoResource is returned.
class ResourceTable {
 public:
  explicit ResourceTable(size_t max_resources = 200'000);
  ~ResourceTable();
  ResourceId FindOrAdd(const Fingerprint& fingerprint, const std::function<Resource()>& make);
  const Resource& Get(ResourceId id) const;
  size_t size() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::telemetry
