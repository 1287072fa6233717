#include "telemetry/entity.h"

#include <algorithm>
#include <mutex>
#include <tuple>
#include <unordered_map>

#include "telemetry/resource.h"

namespace tomograph::telemetry {

std::string_view EntityKindName(EntityKind kind) {
  switch (kind) {
    case EntityKind::kService:
      return "service";
    case EntityKind::kInstance:
      return "instance";
    case EntityKind::kHost:
      return "host";
    case EntityKind::kPod:
      return "pod";
    case EntityKind::kNode:
      return "node";
    case EntityKind::kFunction:
      return "function";
    case EntityKind::kDatabase:
      return "database";
    case EntityKind::kCache:
      return "cache";
    case EntityKind::kQueue:
      return "queue";
    case EntityKind::kLink:
      return "link";
    case EntityKind::kRegion:
      return "region";
    case EntityKind::kThirdParty:
      return "third_party";
    case EntityKind::kTenant:
      return "tenant";
    case EntityKind::kClient:
      return "client";
  }
  return "unknown";
}

namespace {

std::string_view WithoutMapping(std::string_view ip) {
  constexpr std::string_view kMapped = "::ffff:";
  if (ip.starts_with(kMapped) && ip.find('.') != std::string_view::npos)
    ip.remove_prefix(kMapped.size());
  return ip;
}

bool IsIpv4(std::string_view host) {
  return host.find_first_not_of("0123456789.") == std::string_view::npos &&
         std::count(host.begin(), host.end(), '.') == 3;
}

std::string LowerOf(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

/// ::1, :: and fe80::/10, however they are spelled.
bool IsHostLocalV6(std::string_view ip) {
  const size_t digit = ip.find_first_not_of("0:");
  const bool loopback = digit == ip.size() - 1 && ip[digit] == '1';
  const bool link_local = ip.size() > 4 && ip.starts_with("fe") && ip[4] == ':' &&
                          std::string_view("89ab").find(ip[2]) != std::string_view::npos;
  return digit == std::string_view::npos || loopback || link_local;
}

}  // namespace

bool IsHostLocal(std::string_view address) {
  if (address.starts_with('/') || address.starts_with('@') || address.starts_with("unix:"))
    return true;
  const std::string lower = LowerOf(HostOfAddress(address));
  std::string_view host = WithoutMapping(lower);
  if (IsIpv4(host))
    return host.starts_with("127.") || host.starts_with("169.254.") || host == "0.0.0.0";
  if (host.find(':') != std::string_view::npos) return IsHostLocalV6(host);
  if (host.ends_with('.')) host.remove_suffix(1);
  return host == "localhost" || host.ends_with(".localhost") || host == "localhost.localdomain";
}

std::string AddressOn(std::string_view address, std::string_view network) {
  std::string name(address);
  if (!network.empty() && IsHostLocal(address)) name.append(" on ").append(network);
  return name;
}

EntityId AddressKey(std::string_view address) {
  return MakeEntityId(EntityKind::kLink, {}, address);
}

EntityId HomeKey(std::string_view ip) {
  if (ip.starts_with('[') && ip.ends_with(']')) ip = ip.substr(1, ip.size() - 2);
  ip = WithoutMapping(ip);
  const bool v6 = ip.find(':') != std::string_view::npos &&
                  ip.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
  if ((!v6 && !IsIpv4(ip)) || IsHostLocal(ip)) return kNoEntity;
  return MakeEntityId(EntityKind::kLink, "home", ip);
}

namespace {

/// "payment" of "payment", and "payment" and "shop" of "payment.shop.svc.cluster.local".
bool LabelOf(std::string_view host, std::string_view* label, std::string_view* space) {
  if (host.ends_with('.')) host.remove_suffix(1);
  *space = {};
  for (const std::string_view suffix : {".svc.cluster.local", ".svc"}) {
    if (!host.ends_with(suffix)) continue;
    host.remove_suffix(suffix.size());
    const size_t dot = host.find('.');
    if (dot != std::string_view::npos) *space = host.substr(dot + 1);
    host = host.substr(0, dot);
    break;
  }
  *label = host;
  const bool one = host.find_first_of(".:") == std::string_view::npos &&
                   space->find_first_of(".:") == std::string_view::npos;
  return one && !host.empty() && LowerOf(host) != "localhost";
}

EntityId HomeOfLabel(std::string_view label, std::string_view space) {
  std::string name = LowerOf(label);
  if (!space.empty()) name.append(".").append(LowerOf(space));
  return MakeEntityId(EntityKind::kLink, "home", name);
}

}  // namespace

EntityId HostKey(std::string_view host, std::string_view space) {
  std::string_view label, own;
  if (!LabelOf(host, &label, &own)) return kNoEntity;
  return HomeOfLabel(label, own.empty() ? space : own);
}

EntityId HostKeyAnywhere(std::string_view host) {
  std::string_view label, space;
  if (!LabelOf(host, &label, &space)) return kNoEntity;
  return HomeOfLabel(label, "*");
}

std::string_view HostOfAddress(std::string_view address) {
  address = address.substr(0, address.find(' '));
  if (address.starts_with('[')) return address.substr(1, address.find(']') - 1);
  const size_t colon = address.find(':');
  const bool v6 = colon != std::string_view::npos && address.find(':', colon + 1) != address.npos;
  return v6 ? address : address.substr(0, colon);
}

EntityId MakeEntityId(EntityKind kind, std::string_view service_namespace, std::string_view name) {
  // The length of the namespace takes part, so that "a"+"bc" and "ab"+"c" differ.
  const uint64_t seed =
      static_cast<uint64_t>(kind) + 1 + (static_cast<uint64_t>(service_namespace.size()) << 8);
  std::string text(service_namespace);
  text += name;
  const uint64_t hash = FingerprintOf(text, seed).lo;
  return EntityId{hash == 0 ? 1 : hash};
}

struct EntityRegistry::Impl {
  mutable std::mutex mutex;
  std::unordered_map<EntityId, Entity> entities;
  size_t max_entities;
};

EntityRegistry::EntityRegistry(size_t max_entities) : impl_(new Impl{{}, {}, max_entities}) {}
EntityRegistry::~EntityRegistry() = default;

EntityId EntityRegistry::FindOrAdd(EntityKind kind, std::string_view service_namespace,
                                   std::string_view name, EntityId parent) {
  const EntityId id = MakeEntityId(kind, service_namespace, name);
  std::lock_guard lock(impl_->mutex);
  if (impl_->entities.contains(id)) return id;
  if (impl_->entities.size() >= impl_->max_entities) return kNoEntity;
  Entity entity;
  entity.id = id;
  entity.kind = kind;
  entity.name = name;
  entity.service_namespace = service_namespace;
  entity.parent = parent;
  impl_->entities.emplace(id, std::move(entity));
  return id;
}

EntityId EntityRegistry::ServiceNamed(std::string_view name) const {
  const std::string_view last = name.substr(name.rfind('/') + 1);
  EntityId found = kNoEntity;
  std::lock_guard lock(impl_->mutex);
  for (const auto& [id, entity] : impl_->entities) {
    if (entity.kind != EntityKind::kService || (entity.name != name && entity.name != last))
      continue;
    if (found != kNoEntity) return kNoEntity;
    found = id;
  }
  return found;
}

void EntityRegistry::Seen(EntityId id, Nanos at) {
  std::lock_guard lock(impl_->mutex);
  const auto it = impl_->entities.find(id);
  if (it == impl_->entities.end()) return;
  Entity& e = it->second;
  e.first_seen = e.first_seen == 0 ? at : std::min(e.first_seen, at);
  e.last_seen = std::max(e.last_seen, at);
}

Entity EntityRegistry::Get(EntityId id) const {
  std::lock_guard lock(impl_->mutex);
  const auto it = impl_->entities.find(id);
  return it == impl_->entities.end() ? Entity() : it->second;
}

std::string EntityRegistry::Name(EntityId id) const {
  std::lock_guard lock(impl_->mutex);
  const auto it = impl_->entities.find(id);
  return it == impl_->entities.end() ? std::string() : it->second.name;
}

std::vector<Entity> EntityRegistry::All() const {
  std::vector<Entity> all;
  {
    std::lock_guard lock(impl_->mutex);
    all.reserve(impl_->entities.size());
    for (const auto& [id, entity] : impl_->entities) all.push_back(entity);
  }
  std::sort(all.begin(), all.end(), [](const Entity& a, const Entity& b) {
    return std::tie(a.kind, a.name, a.service_namespace) <
           std::tie(b.kind, b.name, b.service_namespace);
  });
  return all;
}

}  // namespace tomograph::telemetry
