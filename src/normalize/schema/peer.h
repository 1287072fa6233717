// The callee as its caller names it: a database, cache or queue by its system, a service by its
// name, a host on the internet as a third party. An address inside names nobody here: who answers
// there is learnt from joined spans, since addresses are reused and shared.
#pragma once

#include <string>
#include <string_view>

#include "telemetry/entity.h"

namespace tomograph::normalize {

/// All of it may be empty.
struct PeerFacts {
  std::string_view db_system, db_namespace;
  std::string_view messaging_system, messaging_destination;
  std::string_view peer_service;
  std::string_view address;  // host name or IP
  std::string_view port;
  std::string_view network;  // of who tells of it: telemetry::NetworkOf
};

/// Its address by a name that is the same for all (telemetry::AddressOn).
std::string AddressOf(const PeerFacts& facts);

/// Registers it; kNoEntity when nothing above fits. `address` is AddressOf(facts). A named service
/// is taken to be of the caller's namespace.
telemetry::EntityId FindPeer(const PeerFacts& facts, std::string_view address,
                             std::string_view caller_namespace,
                             telemetry::EntityRegistry* entities);

/// The queue of the facts, which have a messaging system, as its senders name it too.
telemetry::EntityId FindQueue(const PeerFacts& facts, std::string_view address,
                              telemetry::EntityRegistry* entities);

/// Is it, as AddressOf has it, surely outside: a public IP, or a host name with at least two labels
/// that ends in a public top-level domain?
bool IsOutside(std::string_view address);

}  // namespace tomograph::normalize
