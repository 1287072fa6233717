// AttributeNames: the one table of span attributes, from older semantic conventions (and
// OpenTracing's tags) to today's, and to a small number for those that normalize/ looks at. All
// names are interned when the table is built, so that looking one up is reading an array: a span
// costs a few ns an attribute.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "telemetry/interner.h"

namespace tomograph::normalize {

#define TOMOGRAPH_ATTRIBUTE_KEYS(X)                       \
  X(kHttpMethod, "http.request.method")                   \
  X(kHttpStatus, "http.response.status_code")             \
  X(kHttpRoute, "http.route")                             \
  X(kHttpHost, "http.request.header.host")                \
  X(kUrlTemplate, "url.template")                         \
  X(kUrlFull, "url.full")                                 \
  X(kUrlPath, "url.path")                                 \
  X(kUrlScheme, "url.scheme")                             \
  X(kUserAgent, "user_agent.original")                    \
  X(kHttpRequestSize, "http.request.body.size")           \
  X(kHttpResponseSize, "http.response.body.size")         \
  X(kClientAddress, "client.address")                     \
  X(kClientPort, "client.port")                           \
  X(kServerAddress, "server.address")                     \
  X(kServerPort, "server.port")                           \
  X(kNetworkPeerAddress, "network.peer.address")          \
  X(kNetworkPeerPort, "network.peer.port")                \
  X(kNetworkLocalAddress, "network.local.address")        \
  X(kNetworkLocalPort, "network.local.port")              \
  X(kNetworkTransport, "network.transport")               \
  X(kNetworkProtocolVersion, "network.protocol.version")  \
  X(kPeerService, "peer.service")                         \
  X(kRpcSystem, "rpc.system")                             \
  X(kRpcService, "rpc.service")                           \
  X(kRpcMethod, "rpc.method")                             \
  X(kRpcStatus, "rpc.grpc.status_code")                   \
  X(kDbSystem, "db.system.name")                          \
  X(kDbNamespace, "db.namespace")                         \
  X(kDbOperation, "db.operation.name")                    \
  X(kDbCollection, "db.collection.name")                  \
  X(kDbQueryText, "db.query.text")                        \
  X(kDbQuerySummary, "db.query.summary")                  \
  X(kMessagingSystem, "messaging.system")                 \
  X(kMessagingOperation, "messaging.operation.type")      \
  X(kMessagingDestination, "messaging.destination.name")  \
  X(kMessagingTemplate, "messaging.destination.template") \
  X(kErrorType, "error.type")                             \
  X(kThread, "thread.id")                                 \
  X(kCodeFunction, "code.function.name")                  \
  X(kCodeFile, "code.file.path")                          \
  X(kCodeLine, "code.line.number")

enum class AttributeKey : uint8_t {
  kNone,
#define X(name, text) name,
  TOMOGRAPH_ATTRIBUTE_KEYS(X)
#undef X
};
#define X(name, text) +1
inline constexpr size_t kAttributeKeyCount = 1 TOMOGRAPH_ATTRIBUTE_KEYS(X);
#undef X

/// Immutable once built; thread-safe.
class AttributeNames {
 public:
  explicit AttributeNames(telemetry::Interner* strings);

  struct Meaning {
    telemetry::StringId name = telemetry::kEmptyString;  // today's
    AttributeKey key = AttributeKey::kNone;              // kNone: of no interest, keep its name
  };
  /// `callee_side`: the span is a server's, where an old net.peer.* is the client. (A consumer's is
  /// the broker.)
  Meaning Of(telemetry::StringId name, bool callee_side) const {
    const auto& table = tables_[callee_side ? 1 : 0];
    const auto id = static_cast<uint32_t>(name);
    return id < table.size() ? table[id] : Meaning{};
  }

 private:
  std::array<std::vector<Meaning>, 2> tables_;  // by StringId
};

}  // namespace tomograph::normalize
