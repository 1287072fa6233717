// Addresses in one spelling, however telemetry spells them. AddressOn and the keys (entity.h),
// which address.cc defines too, see to it that equal addresses have equal names and keys.
//
// An IP address is spelt as inet_ntop has it (RFC 5952), an IPv4-mapped one as the IPv4 address
// that it is, without a zone, which means something on link-local addresses alone
// ("fe80::1%eth0"). Octets with leading zeros are read where decimal and octal agree (RFC 6943,
// 3.1.1). Host names are in lower case and without the dot at their end; Unix sockets are their
// paths ("/run/cart.sock", "@cart" of "unix-abstract:cart"). Anything else is a name.
#pragma once

#include <string>
#include <string_view>

#include "telemetry/entity.h"

namespace tomograph::telemetry {

/// "host:port", "[v6]:port" or, where `port` is empty, what `host` is, which may be in brackets and
/// bring its own port. Empty when there is no host. Spelt as given.
std::string WithPort(std::string_view host, std::string_view port);
/// Does a call to an address end on the host that makes it? To all host-local ones (IsHostLocal)
/// but the link-local ones; as AddressOn names it too.
bool StaysOnHost(std::string_view address);

}  // namespace tomograph::telemetry
