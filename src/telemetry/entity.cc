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
