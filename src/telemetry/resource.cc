#include "telemetry/resource.h"

#include <algorithm>
#include <iterator>

#include "telemetry/stable_table.h"

namespace tomograph::telemetry {

struct ResourceTable::Impl {
  explicit Impl(size_t n) : table(n, Resource()) {}
  StableTable<Resource> table;
  FairShare held;
};

std::string ClockHostOf(const Resource& resource, const Interner& strings) {
  if (resource.host != kEmptyString) return std::string(strings.Get(resource.host));
  std::string name(strings.Get(resource.service));
  if (resource.service_namespace != kEmptyString)
    name = std::string(strings.Get(resource.service_namespace)) + "/" + name;
  if (resource.instance != kEmptyString) name.append("/").append(strings.Get(resource.instance));
  return name;
}

std::string NetworkOf(const Resource& resource, const Interner& strings) {
  std::string_view space, pod, pod_uid, container;
  for (const auto& [name, value] : resource.attributes) {
    const std::string_view of = strings.Get(name);
    if (of == "k8s.namespace.name") space = strings.Get(value);
    if (of == "k8s.pod.name") pod = strings.Get(value);
    if (of == "k8s.pod.uid") pod_uid = strings.Get(value);
    if (of == "container.id") container = strings.Get(value);
  }
  if (!pod.empty())
    return space.empty() ? std::string(pod) : std::string(space).append("/").append(pod);
  if (!pod_uid.empty()) return std::string(pod_uid);
  return std::string(container.empty() ? strings.Get(resource.host) : container);
}

std::vector<EntityId> HomesOf(const Resource& resource, const Interner& strings) {
  constexpr size_t kMost = 16;
  constexpr std::string_view kNames[] = {"k8s.pod.ip", "host.ip", "network.local.address",
                                         "net.host.ip", "ip"};
  std::vector<EntityId> homes;
  std::string_view space;
  for (const auto& [name, value] : resource.attributes) {
    if (strings.Get(name) == "k8s.namespace.name") space = strings.Get(value);
  }
  const std::string_view service = strings.Get(resource.service);
  const EntityId by_name = HostKey(service);
  if (by_name != kNoEntity) {
    homes.push_back(by_name);
    homes.push_back(space.empty() ? HostKeyAnywhere(service) : HostKey(service, space));
  }
  for (const auto& [name, value] : resource.attributes) {
    if (std::find(std::begin(kNames), std::end(kNames), strings.Get(name)) == std::end(kNames))
      continue;
    std::string_view list = strings.Get(value);  // one, or ["10.0.0.7","fe80::1"]
    while (!list.empty() && homes.size() < kMost) {
      const size_t end = std::min(list.find_first_of("[]\", "), list.size());
      const EntityId home = HomeKey(list.substr(0, end));
      const bool fresh = std::find(homes.begin(), homes.end(), home) == homes.end();
      if (home != kNoEntity && fresh) homes.push_back(home);
      list.remove_prefix(std::min(end + 1, list.size()));
    }
  }
  return homes;
}

EntityId ClockHostId(std::string_view clock_host) {
  return clock_host.empty() ? kNoEntity : MakeEntityId(EntityKind::kHost, "", clock_host);
}

ResourceTable::ResourceTable(size_t max_resources) : impl_(new Impl(max_resources)) {}
ResourceTable::~ResourceTable() = default;

ResourceId ResourceTable::FindOrAdd(const Fingerprint& f, const std::function<Resource()>& make) {
  const auto admit = [&](const Resource& made) {
    if (!impl_->held.Allows(made.share, 1, impl_->table.free())) return false;
    impl_->held.Take(made.share, 1);
    return true;
  };
  return ResourceId{impl_->table.FindOrAdd(
      f, [](const Resource&) { return true; }, make, admit)};
}
const Resource& ResourceTable::Get(ResourceId id) const {
  return impl_->table.Get(static_cast<uint32_t>(id)).value;
}
size_t ResourceTable::size() const { return impl_->table.size(); }

}  // namespace tomograph::telemetry
