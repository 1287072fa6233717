#include "telemetry/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace tomograph::telemetry {
namespace {

/// How far off an address means the same.
enum class Reach : uint8_t { kHost, kLink, kAnywhere };

struct Host {
  std::string text;
  Reach reach = Reach::kAnywhere;
  bool ip = false;
};

std::string LowerOf(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

bool IsSocket(std::string_view host) {
  return host.starts_with('/') || host.starts_with('@') || host.starts_with("unix:") ||
         host.starts_with("unix-abstract:");
}

/// Paths are what they are; "unix:" stays where the path is relative.
std::string PathOfSocket(std::string_view host) {
  constexpr std::string_view kPath = "unix:", kUrl = "unix://", kAbstract = "unix-abstract:";
  if (host.starts_with(kAbstract)) return "@" + std::string(host.substr(kAbstract.size()));
  for (const std::string_view scheme : {kUrl, kPath}) {
    if (!host.starts_with(scheme)) continue;
    const std::string_view path = host.substr(scheme.size());
    return std::string(path.starts_with('/') ? path : host);
  }
  return std::string(host);
}

/// Its octets' leading zeros dropped; empty where that could change what it means.
std::string WithoutLeadingZeros(std::string_view v4) {
  if (v4.find_first_not_of("0123456789.") != v4.npos) return {};
  std::string out;
  while (!v4.empty()) {
    const size_t end = std::min(v4.find('.'), v4.size() - 1) + 1;
    std::string_view octet = v4.substr(0, end);
    const size_t digits = octet.size() - (octet.back() == '.' ? 1 : 0);
    const size_t zeros = std::min(octet.find_first_not_of('0'), digits);
    if (zeros > 0 && digits > 1) {
      octet.remove_prefix(std::min(zeros, digits - 1));
      if (digits - zeros > 1 || octet.front() > '7') return {};
    }
    out.append(octet);
    v4.remove_prefix(end);
  }
  return out;
}

Host OfIpv4(const in_addr& v4, std::string text) {
  const uint32_t a = ntohl(v4.s_addr);
  const Reach reach = a >> 24 == 127 || a == 0 ? Reach::kHost
                      : a >> 16 == 0xa9fe      ? Reach::kLink
                                               : Reach::kAnywhere;
  return {std::move(text), reach, true};
}

template <typename Address>
std::string TextOf(int family, const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text;
  return inet_ntop(family, &address, text.data(), text.size());
}

Host OfIpv6(const in6_addr& v6, std::string_view zone) {
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    in_addr v4;
    std::memcpy(&v4, v6.s6_addr + 12, sizeof(v4));
    return OfIpv4(v4, TextOf(AF_INET, v4));
  }
  Host host{TextOf(AF_INET6, v6), Reach::kAnywhere, true};
  if (IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6)) host.reach = Reach::kHost;
  if (IN6_IS_ADDR_LINKLOCAL(&v6)) {
    host.reach = Reach::kLink;
    host.text.append(zone);
  }
  return host;
}

/// False: it is none.
bool ReadIp(std::string_view text, Host* host) {
  if (text.find(':') == text.npos) {
    std::string ip(text);  // in the one spelling already, if inet_pton takes it
    in_addr v4;
    if (inet_pton(AF_INET, ip.c_str(), &v4) != 1) {
      ip = WithoutLeadingZeros(text);
      if (inet_pton(AF_INET, ip.c_str(), &v4) != 1) return false;
    }
    *host = OfIpv4(v4, std::move(ip));
    return true;
  }
  const size_t zone = std::min(text.find('%'), text.size());
  in6_addr v6;
  if (inet_pton(AF_INET6, std::string(text.substr(0, zone)).c_str(), &v6) != 1) return false;
  *host = OfIpv6(v6, text.substr(zone));
  return true;
}

/// `host` without brackets and port.
Host ReadHost(std::string_view host) {
  if (IsSocket(host)) return {PathOfSocket(host), Reach::kHost, false};
  Host read;
  constexpr size_t kLongestIp = INET6_ADDRSTRLEN + 1 + 16;  // with a zone
  const bool may_be_ip = host.size() <= kLongestIp && !host.empty() &&
                         ((host[0] >= '0' && host[0] <= '9') || host.find(':') != host.npos);
  if (may_be_ip && ReadIp(host, &read)) return read;
  read.text = LowerOf(host);
  while (read.text.size() > 1 && read.text.ends_with('.')) read.text.pop_back();
  if (read.text == "localhost" || read.text.ends_with(".localhost") ||
      read.text == "localhost.localdomain")
    read.reach = Reach::kHost;
  return read;
}

struct HostAndPort {
  std::string_view host, port;
};

/// Sockets and IPv6 addresses without brackets have no port.
HostAndPort SplitPort(std::string_view address) {
  if (IsSocket(address)) return {address, {}};
  if (address.starts_with('[')) {
    const size_t end = std::min(address.find(']'), address.size());
    const std::string_view behind = address.substr(std::min(end + 1, address.size()));
    return {address.substr(1, end - 1), behind.starts_with(':') ? behind.substr(1) : behind};
  }
  const size_t colon = address.find(':');
  if (colon == address.npos || address.find(':', colon + 1) != address.npos) return {address, {}};
  const std::string_view port = address.substr(colon + 1);
  if (port.find_first_not_of("0123456789") != port.npos) return {address, {}};  // a URL, say
  return {address.substr(0, colon), port};
}

}  // namespace

bool IsHostLocal(std::string_view address) {
  return ReadHost(SplitPort(address).host).reach != Reach::kAnywhere;
}

bool StaysOnHost(std::string_view address) {
  return IsSocket(address) || ReadHost(HostOfAddress(address)).reach == Reach::kHost;
}

std::string WithPort(std::string_view host, std::string_view port) {
  if (host.empty() || port.empty()) return std::string(host);
  const std::string_view bare = SplitPort(host).host;
  const bool v6 = bare.find(':') != bare.npos && !IsSocket(bare);
  std::string out = v6 ? "[" + std::string(bare) + "]" : std::string(bare);
  return out.append(":").append(port);
}

std::string AddressOn(std::string_view address, std::string_view network) {
  const HostAndPort split = SplitPort(address);
  Host read = ReadHost(split.host);
  std::string out = WithPort(read.text, split.port);
  if (!network.empty() && read.reach != Reach::kAnywhere) out.append(" on ").append(network);
  return out;
}

EntityId AddressKey(std::string_view address) {
  return MakeEntityId(EntityKind::kLink, {}, address);
}

EntityId HomeKey(std::string_view ip) {
  const bool in_brackets = ip.starts_with('[') && ip.ends_with(']');
  const Host host = ReadHost(in_brackets ? ip.substr(1, ip.size() - 2) : ip);
  if (!host.ip || host.reach != Reach::kAnywhere) return kNoEntity;
  return MakeEntityId(EntityKind::kLink, "home", host.text);
}

namespace {

/// "payment" of "payment", and "payment" and "shop" of "payment.shop.svc.cluster.local".
bool LabelOf(std::string_view host, std::string_view* label, std::string_view* space) {
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
  return one && !host.empty() && host != "localhost";
}

EntityId HomeOfLabel(std::string_view label, std::string_view space) {
  std::string name(label);
  if (!space.empty()) name.append(".").append(LowerOf(space));
  return MakeEntityId(EntityKind::kLink, "home", name);
}

}  // namespace

EntityId HostKey(std::string_view host, std::string_view space) {
  const std::string name = ReadHost(host).text;
  std::string_view label, own;
  if (!LabelOf(name, &label, &own)) return kNoEntity;
  return HomeOfLabel(label, own.empty() ? space : own);
}

EntityId HostKeyAnywhere(std::string_view host) {
  const std::string name = ReadHost(host).text;
  std::string_view label, space;
  if (!LabelOf(name, &label, &space)) return kNoEntity;
  return HomeOfLabel(label, "*");
}

std::string_view HostOfAddress(std::string_view address) {
  return SplitPort(address.substr(0, address.find(' '))).host;
}

}  // namespace tomograph::telemetry
