// Entities: the things that have state. An EntityId is a hash of kind and canonical name, so it is
// the same in every run, on every shard and in the store; the registry turns it back into words.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/nanotime.h"

namespace tomograph::telemetry {

enum class EntityId : uint64_t {};
inline constexpr EntityId kNoEntity{0};

enum class EntityKind : uint8_t {
  kService,
  kInstance,
  kHost,
  kPod,
  kNode,
  kFunction,
  kDatabase,
  kCache,
  kQueue,
  kLink,
  kRegion,
  kThirdParty,
  kTenant,
  kClient,
};
std::string_view EntityKindName(EntityKind kind);

struct Entity {
  EntityId id = kNoEntity;
  EntityKind kind = EntityKind::kService;
  std::string name;               // e.g. "checkout", "postgresql shop"
  std::string service_namespace;  // may be empty; part of the identity
  EntityId parent = kNoEntity;    // an instance's service
  Nanos first_seen = 0;
  Nanos last_seen = 0;
};

EntityId MakeEntityId(EntityKind kind, std::string_view service_namespace, std::string_view name);

/// Does an address ("host", "host:port", "[v6]:port") mean something only on the host that uses it?
/// Loopback, link-local and unspecified IP addresses, "localhost" and Unix sockets
/// ("/run/cart.sock", "@cart", "unix:...").
bool IsHostLocal(std::string_view address);
/// The address by a name that is the same for all: a host-local one goes with the network in which
/// it was used (NetworkOf), "127.0.0.1:8080 on web-1". Where that is unknown (empty) it stays as it
/// is: all such are one place, and none in a known network.
std::string AddressOn(std::string_view address, std::string_view network);
/// Stands for an address, as AddressOn names it, at which somebody answers. A key, and no entity;
/// that of an address that several share is the id of the entity which stands for all of them.
EntityId AddressKey(std::string_view address);
/// Stands for a host's address as the place where somebody lives and calls from. Host-local
/// addresses, and what is no IP address, are nobody's: kNoEntity.
EntityId HomeKey(std::string_view ip);
/// Likewise for a host by name, as containers call each other: a name of one label ("payment"), in
/// lower case, or a Kubernetes service's with its namespace ("payment.shop.svc.cluster.local");
/// `space` is that of a name which has none. Other names, "localhost" and IP addresses: kNoEntity.
EntityId HostKey(std::string_view host, std::string_view space = {});
/// Where somebody lives under that name of whom no namespace is known.
EntityId HostKeyAnywhere(std::string_view host);
/// "host" of "host", "host:port", "[v6]:port" and "v6", also with " on NETWORK" behind.
std::string_view HostOfAddress(std::string_view address);

/// Thread-safe. Knows every entity that was seen; bounded, beyond which kNoEntity is returned.
class EntityRegistry {
 public:
  explicit EntityRegistry(size_t max_entities = 200'000);
  ~EntityRegistry();
  EntityId FindOrAdd(EntityKind kind, std::string_view service_namespace, std::string_view name,
                     EntityId parent = kNoEntity);
  void Seen(EntityId id, Nanos at);
  /// A copy; an Entity with id kNoEntity when it is not known.
  Entity Get(EntityId id) const;
  std::string Name(EntityId id) const;
  /// The service that somebody outside calls `name`: by its full name or its last path segment.
  /// kNoEntity when there is none, or when two namespaces have one. Walks all entities.
  EntityId ServiceNamed(std::string_view name) const;
  /// Ordered by kind, then name: the same in every run.
  std::vector<Entity> All() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::telemetry
