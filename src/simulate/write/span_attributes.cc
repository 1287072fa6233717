#include "simulate/write/span_attributes.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace tomograph::simulate {
namespace {

using telemetry::SpanKind;

/// "SELECT" of "SELECT orders", "GET" of "GET /items" and of "GET"; else empty.
std::string_view OperationIn(std::string_view name) {
  const std::string_view word = name.substr(0, name.find(' '));
  const bool capitals =
      std::all_of(word.begin(), word.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  return capitals ? word : std::string_view();
}

struct Address {
  std::string_view host;
  int port = 0;  // 0: none
};

/// "db:5432", "[::1]:80"; an IPv6 address without brackets has no port.
Address Split(std::string_view peer) {
  const size_t colon = peer.rfind(':');
  if (colon == std::string_view::npos) return {peer};
  std::string_view host = peer.substr(0, colon);
  const bool bracketed = host.size() > 1 && host.front() == '[' && host.back() == ']';
  if (!bracketed && host.find(':') != std::string_view::npos) return {peer};
  int port = 0;
  const char* end = peer.data() + peer.size();
  const auto [stopped, error] = std::from_chars(peer.data() + colon + 1, end, port);
  if (error != std::errc() || stopped != end || port < 1 || port > 65535) return {peer};
  if (bracketed) host = host.substr(1, host.size() - 2);
  return {host, port};
}

class SpanAttributes {
 public:
  SpanAttributes(const SpanRecord& span, AttributeList* list) : span_(span), list_(list) {}

  void Add() {
    const std::string_view operation = OperationIn(span_.name);
    if (!span_.db_system.empty()) {
      Text("db.system.name", span_.db_system);
      if (!operation.empty()) {
        Text("db.operation.name", operation);
        Text("db.query.summary", span_.name);
      }
    } else if (!operation.empty() && span_.name.size() > operation.size() + 1 &&
               span_.name[operation.size() + 1] == '/') {
      Text("http.request.method", operation);
      Text(span_.kind == SpanKind::kServer ? "http.route" : "url.template",
           span_.name.substr(operation.size() + 1));
    }
    if (span_.http_status != 0) Number("http.response.status_code", span_.http_status);
    if (span_.failed) Text("error.type", ErrorType());
    if (!span_.peer.empty()) AddPeer();
    for (const auto& [key, value] : span_.more) list_->Text(key, value);
  }

 private:
  void AddPeer() {
    if (span_.kind == SpanKind::kProducer || span_.kind == SpanKind::kConsumer)
      return Text("messaging.destination.name", span_.peer);
    if (span_.kind != SpanKind::kClient) return;
    const Address address = Split(span_.peer);
    Text("server.address", address.host);
    if (address.port != 0) Number("server.port", address.port);
    const bool plain = span_.peer.find_first_of(".:") == std::string_view::npos;
    if (plain && span_.db_system.empty()) Text("peer.service", span_.peer);
  }

  std::string_view ErrorType() {
    if (span_.http_status < 400) return "_OTHER";
    error_ = std::to_string(span_.http_status);
    return error_;
  }

  bool Said(std::string_view key) const {
    return std::any_of(span_.more.begin(), span_.more.end(),
                       [key](const auto& pair) { return pair.first == key; });
  }
  void Text(std::string_view key, std::string_view value) {
    if (!Said(key)) list_->Text(key, value);
  }
  void Number(std::string_view key, int64_t value) {
    if (!Said(key)) list_->Number(key, value);
  }

  const SpanRecord& span_;
  AttributeList* const list_;
  std::string error_;
};

}  // namespace

void AddSpanAttributes(const SpanRecord& span, AttributeList* list) {
  SpanAttributes(span, list).Add();
}

}  // namespace tomograph::simulate
