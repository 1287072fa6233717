#include "normalize/schema/peer.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "telemetry/address.h"

namespace tomograph::normalize {
namespace {

using telemetry::EntityId;
using telemetry::EntityKind;

constexpr std::string_view kCaches[] = {"redis", "memcached", "valkey", "hazelcast", "dragonfly"};

// Where companies offer services to programs. Others are taken to be inside, where a wrong third
// party would hide an edge between two own services ("cart.shop" may be a Kubernetes name).
constexpr std::string_view kPublicDomains[] = {
    "ai",  "app",  "cloud", "co", "com", "de", "dev", "edu", "eu", "gov", "io", "jp",   "me", "net",
    "org", "tech", "uk",    "us", "fr",  "in", "ca",  "au",  "br", "ch",  "nl", "info", "biz"};

template <typename List>
bool Contains(const List& list, std::string_view text) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

bool IsPublicIpv4(uint32_t a) {
  const auto in = [a](uint32_t network, int bits) {
    return a >> (32 - bits) == network >> (32 - bits);
  };
  return !in(0x7f000000, 8) && !in(0x0a000000, 8) && !in(0xac100000, 12) && !in(0xc0a80000, 16) &&
         !in(0xa9fe0000, 16) && !in(0x64400000, 10) && !in(0x00000000, 8) && !in(0xe0000000, 3);
}

/// 2000::/3 is all that is public today.
bool IsPublicIpv6(std::string_view text) {
  return text.size() > 3 && text.find(':') >= 4 && (text[0] == '2' || text[0] == '3');
}

/// "postgresql shop", or with the address where the name alone would merge different servers: a
/// redis database is but a number. "redis:6379" says redis already.
std::string StoreName(std::string_view system, std::string_view name, std::string_view address) {
  const bool number = name.find_first_not_of("0123456789") == std::string_view::npos;
  const std::string_view which = number ? address : name;
  const std::string_view host = which.substr(0, which.find_first_of(":. "));
  if (host == system) return std::string(which);
  return which.empty() ? std::string(system) : std::string(system).append(" ").append(which);
}

/// A JMS queue may be spelt as a URI, at one end or at both. A topic of the same name is another.
std::string_view WithoutScheme(std::string_view destination) {
  constexpr std::string_view kQueue = "queue://";
  return destination.starts_with(kQueue) ? destination.substr(kQueue.size()) : destination;
}

}  // namespace

std::string AddressOf(const PeerFacts& facts) {
  return telemetry::AddressOn(telemetry::WithPort(facts.address, facts.port), facts.network);
}

bool IsOutside(std::string_view address) {
  const std::string_view host = telemetry::HostOfAddress(address);
  if (host.find(':') != std::string_view::npos) return IsPublicIpv6(host);
  if (in_addr v4; inet_pton(AF_INET, std::string(host).c_str(), &v4) == 1)
    return IsPublicIpv4(ntohl(v4.s_addr));
  const size_t dot = host.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return false;
  return Contains(kPublicDomains, host.substr(dot + 1));
}

EntityId FindPeer(const PeerFacts& facts, std::string_view address,
                  std::string_view caller_namespace, telemetry::EntityRegistry* entities) {
  if (!facts.db_system.empty()) {
    const EntityKind kind =
        Contains(kCaches, facts.db_system) ? EntityKind::kCache : EntityKind::kDatabase;
    return entities->FindOrAdd(kind, "", StoreName(facts.db_system, facts.db_namespace, address));
  }
  if (!facts.messaging_system.empty()) return FindQueue(facts, address, entities);
  if (!facts.peer_service.empty())
    return entities->FindOrAdd(EntityKind::kService, caller_namespace, facts.peer_service);
  if (IsOutside(address)) return entities->FindOrAdd(EntityKind::kThirdParty, "", address);
  return telemetry::kNoEntity;
}

EntityId FindQueue(const PeerFacts& facts, std::string_view address,
                   telemetry::EntityRegistry* entities) {
  return entities->FindOrAdd(
      EntityKind::kQueue, "",
      StoreName(facts.messaging_system, WithoutScheme(facts.messaging_destination), address));
}

}  // namespace tomograph::normalize
