#include "normalize/schema/peer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <optional>

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

std::optional<uint32_t> ParseIpv4(std::string_view text) {
  uint32_t address = 0;
  for (int part = 0; part < 4; ++part) {
    const size_t end = part < 3 ? text.find('.') : text.size();
    if (end == std::string_view::npos || end == 0 || end > 3) return std::nullopt;
    unsigned value = 0;
    const auto [stopped, error] = std::from_chars(text.data(), text.data() + end, value);
    if (error != std::errc() || stopped != text.data() + end || value > 255) return std::nullopt;
    address = address << 8 | value;
    text.remove_prefix(part < 3 ? end + 1 : end);
  }
  return address;
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

std::string_view WithoutBrackets(std::string_view a) {
  if (a.size() > 1 && a.front() == '[' && a.back() == ']') return a.substr(1, a.size() - 2);
  return a;
}

/// "postgresql shop", or with the address where the name alone would merge different servers: a
/// redis database is but a number.
std::string StoreName(std::string_view system, std::string_view name, const PeerFacts& facts) {
  const bool number = name.find_first_not_of("0123456789") == std::string_view::npos;
  const std::string which = number ? AddressOf(facts) : std::string(name);
  return which.empty() ? std::string(system) : std::string(system).append(" ").append(which);
}

}  // namespace

std::string AddressOf(const PeerFacts& facts) {
  const std::string_view host = WithoutBrackets(facts.address);
  if (host.empty()) return {};
  const bool v6 = host.find(':') != std::string_view::npos;
  std::string out(host);
  if (!facts.port.empty()) {
    if (v6) out.insert(0, 1, '[').append(1, ']');
    out.append(":").append(facts.port);
  }
  return telemetry::AddressOn(out, facts.network);
}

bool IsOutside(std::string_view address) {
  address = WithoutBrackets(address);
  if (const auto v4 = ParseIpv4(address)) return IsPublicIpv4(*v4);
  if (address.find(':') != std::string_view::npos) return IsPublicIpv6(address);
  if (!address.empty() && address.back() == '.') address.remove_suffix(1);
  const size_t dot = address.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return false;
  std::string domain(address.substr(dot + 1));
  for (char& c : domain) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return Contains(kPublicDomains, domain);
}

EntityId FindPeer(const PeerFacts& facts, std::string_view caller_namespace,
                  telemetry::EntityRegistry* entities) {
  if (!facts.db_system.empty()) {
    const EntityKind kind =
        Contains(kCaches, facts.db_system) ? EntityKind::kCache : EntityKind::kDatabase;
    return entities->FindOrAdd(kind, "", StoreName(facts.db_system, facts.db_namespace, facts));
  }
  if (!facts.messaging_system.empty()) {
    return entities->FindOrAdd(
        EntityKind::kQueue, "",
        StoreName(facts.messaging_system, facts.messaging_destination, facts));
  }
  if (!facts.peer_service.empty())
    return entities->FindOrAdd(EntityKind::kService, caller_namespace, facts.peer_service);
  if (IsOutside(facts.address))
    return entities->FindOrAdd(EntityKind::kThirdParty, "", AddressOf(facts));
  return telemetry::kNoEntity;
}

}  // namespace tomograph::normalize
