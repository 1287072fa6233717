#include "normalize/schema/attribute_names.h"

#include <algorithm>
#include <string_view>

namespace tomograph::normalize {
namespace {

using telemetry::StringId;
using Key = AttributeKey;

struct Rename {
  std::string_view old_name;
  Key caller_side;
  Key callee_side;
};
constexpr Rename Same(std::string_view old_name, Key key) { return {old_name, key, key}; }

constexpr std::string_view kToday[] = {"",
#define X(name, text) text,
                                       TOMOGRAPH_ATTRIBUTE_KEYS(X)
#undef X
};

// Seen from a callee, "peer" is the client and "host" the server; seen from a caller, "peer" is the
// server.
constexpr Rename kRenames[] = {
    Same("http.method", Key::kHttpMethod),
    {"http.host", Key::kHttpHost, Key::kNone},
    Same("http.status_code", Key::kHttpStatus),
    Same("http.url", Key::kUrlFull),
    Same("http.target", Key::kUrlPath),
    Same("http.scheme", Key::kUrlScheme),
    Same("http.user_agent", Key::kUserAgent),
    Same("http.client_ip", Key::kClientAddress),
    Same("http.request_content_length", Key::kHttpRequestSize),
    Same("http.request_content_length_uncompressed", Key::kHttpRequestSize),
    Same("http.response_content_length", Key::kHttpResponseSize),
    Same("http.response_content_length_uncompressed", Key::kHttpResponseSize),
    Same("http.server_name", Key::kServerAddress),
    {"net.peer.name", Key::kServerAddress, Key::kClientAddress},
    {"net.peer.port", Key::kServerPort, Key::kClientPort},
    {"net.host.name", Key::kNone, Key::kServerAddress},
    {"net.host.port", Key::kNone, Key::kServerPort},
    Same("net.peer.ip", Key::kNetworkPeerAddress),
    Same("net.sock.peer.addr", Key::kNetworkPeerAddress),
    Same("net.sock.peer.port", Key::kNetworkPeerPort),
    Same("net.host.ip", Key::kNetworkLocalAddress),
    Same("net.sock.host.addr", Key::kNetworkLocalAddress),
    Same("net.sock.host.port", Key::kNetworkLocalPort),
    Same("net.transport", Key::kNetworkTransport),
    Same("net.protocol.version", Key::kNetworkProtocolVersion),
    Same("http.flavor", Key::kNetworkProtocolVersion),
    {"peer.hostname", Key::kServerAddress, Key::kClientAddress},
    {"peer.port", Key::kServerPort, Key::kClientPort},
    Same("peer.ipv4", Key::kNetworkPeerAddress),
    Same("service.peer.name", Key::kPeerService),
    Same("rpc.system.name", Key::kRpcSystem),
    Same("db.system", Key::kDbSystem),
    Same("db.type", Key::kDbSystem),
    Same("db.name", Key::kDbNamespace),
    Same("db.instance", Key::kDbNamespace),
    Same("db.redis.database_index", Key::kDbNamespace),
    Same("db.statement", Key::kDbQueryText),
    Same("db.operation", Key::kDbOperation),
    Same("db.sql.table", Key::kDbCollection),
    Same("db.mongodb.collection", Key::kDbCollection),
    Same("db.cassandra.table", Key::kDbCollection),
    Same("db.cosmosdb.container", Key::kDbCollection),
    Same("messaging.operation", Key::kMessagingOperation),
    Same("messaging.destination", Key::kMessagingDestination),
    Same("message_bus.destination", Key::kMessagingDestination),
    Same("code.function", Key::kCodeFunction),
    Same("code.filepath", Key::kCodeFile),
    Same("code.lineno", Key::kCodeLine),
};

}  // namespace

AttributeNames::AttributeNames(telemetry::Interner* strings) {
  StringId today[kAttributeKeyCount];
  for (size_t i = 0; i < kAttributeKeyCount; ++i) today[i] = strings->Intern(kToday[i]);
  const auto set = [&](size_t table, StringId name, Key key) {
    if (key == Key::kNone) return;
    auto& meanings = tables_[table];
    const auto id = static_cast<uint32_t>(name);
    if (meanings.size() <= id) meanings.resize(id + 1);
    meanings[id] = Meaning{today[static_cast<size_t>(key)], key};
  };
  for (size_t i = 1; i < kAttributeKeyCount; ++i) {
    for (const size_t table : {0, 1}) set(table, today[i], static_cast<Key>(i));
  }
  for (const Rename& rename : kRenames) {
    const StringId old_name = strings->Intern(rename.old_name);
    set(0, old_name, rename.caller_side);
    set(1, old_name, rename.callee_side);
  }
}

}  // namespace tomograph::normalize
