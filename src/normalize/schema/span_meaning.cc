#include "normalize/schema/span_meaning.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "telemetry/address.h"

namespace tomograph::normalize {
namespace {

using telemetry::Attribute;
using telemetry::SpanKind;
using telemetry::SpanStatus;
using telemetry::StringId;
using telemetry::ValueType;
using Key = AttributeKey;

bool IsCalleeSide(SpanKind kind) {
  return kind == SpanKind::kServer || kind == SpanKind::kConsumer;
}
bool IsCallerSide(SpanKind kind) {
  return kind == SpanKind::kClient || kind == SpanKind::kProducer;
}

/// UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS: the server's own
/// fault.
bool IsServerFault(int64_t grpc_status) {
  return grpc_status == 2 || grpc_status == 4 || (grpc_status >= 12 && grpc_status <= 15);
}

/// "pg-pool.connect", "connect", "getConnection", "pool.acquire"
bool SpeaksOfConnecting(std::string_view name) {
  for (const char* word : {"connect", "Connect", "acquire"})
    if (name.find(word) != std::string_view::npos) return true;
  return false;
}

/// A header's value, or the first of its list (`["orders:8080"]`).
std::string_view FirstOf(const Attribute& header, const telemetry::AttributeTable& of) {
  if (header.type == ValueType::kString) return of.Text(header);
  if (header.type != ValueType::kJson) return {};
  const std::string_view list = of.Text(header);
  if (!list.starts_with("[\"")) return {};
  return list.substr(2, list.find('"', 2) - 2);
}

/// "orders:8080" of "http://me:secret@orders:8080/list?all".
std::string_view AuthorityOf(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == url.npos) return {};
  url.remove_prefix(scheme + 3);
  url = url.substr(0, std::min(url.find_first_of("/?#"), url.size()));
  return url.substr(url.rfind('@') + 1);  // npos + 1 is 0
}

}  // namespace

void SpanMeaning::Read(size_t row) {
  row_ = row;
  std::fill(std::begin(at_), std::end(at_), nullptr);
  const bool serves = spans_->kind[row] == SpanKind::kServer;
  bool renamed = false;
  const auto attributes = spans_->attributes.MutableRow(row);
  for (const Attribute& a : attributes) {
    const auto meaning = names_.Of(a.key, serves);
    if (meaning.key == Key::kNone) continue;
    const Attribute*& place = at_[static_cast<size_t>(meaning.key)];
    const bool today = meaning.name == a.key;
    renamed |= !today;
    if (place == nullptr || today) place = &a;
  }
  if (!renamed) return;
  for (Attribute& a : attributes) {
    const auto meaning = names_.Of(a.key, serves);
    if (meaning.key != Key::kNone && at_[static_cast<size_t>(meaning.key)] == &a)
      a.key = meaning.name;
  }
}

std::string_view SpanMeaning::Operation() {
  const SpanKind kind = spans_->kind[row_];
  if (!IsCalleeSide(kind) && !IsCallerSide(kind)) return {};  // inside a service the name says more
  const Key route = IsCalleeSide(kind) ? Key::kHttpRoute : Key::kUrlTemplate;
  if (const std::string_view path = Text(route); !path.empty())
    return Join(Text(Key::kHttpMethod), ' ', path);
  if (const std::string_view method = Text(Key::kRpcMethod); !method.empty()) {
    const bool whole = method.find('/') != std::string_view::npos;  // as newer conventions have it
    return Join(whole ? std::string_view() : Text(Key::kRpcService), '/', method);
  }
  if (Has(Key::kDbSystem)) {
    if (const std::string_view summary = Text(Key::kDbQuerySummary); !summary.empty())
      return summary;
    return Join(Text(Key::kDbOperation), ' ', Text(Key::kDbCollection));
  }
  if (Has(Key::kMessagingSystem)) {
    const std::string_view pattern = Text(Key::kMessagingTemplate);
    return Join(Text(Key::kMessagingOperation), ' ',
                pattern.empty() ? Text(Key::kMessagingDestination) : pattern);
  }
  return {};
}

PeerFacts SpanMeaning::Peer() {
  PeerFacts facts;
  facts.db_system = Text(Key::kDbSystem);
  facts.db_namespace = Text(Key::kDbNamespace, &namespace_digits_);
  facts.messaging_system = Text(Key::kMessagingSystem);
  const std::string_view pattern = Text(Key::kMessagingTemplate);
  facts.messaging_destination = pattern.empty() ? Text(Key::kMessagingDestination) : pattern;
  facts.peer_service = Text(Key::kPeerService);
  const bool named = Has(Key::kServerAddress);
  facts.address = Text(named ? Key::kServerAddress : Key::kNetworkPeerAddress);
  facts.port = Text(named ? Key::kServerPort : Key::kNetworkPeerPort, &port_digits_);
  return facts;
}

std::string_view SpanMeaning::HostAskedFor() const {
  if (const Attribute* a = at_[static_cast<size_t>(Key::kHttpHost)]; a != nullptr) {
    const std::string_view host = FirstOf(*a, spans_->attributes);
    if (!host.empty()) return host;
  }
  return AuthorityOf(Text(Key::kUrlFull));
}

PeerFacts SpanMeaning::Own() {
  PeerFacts facts;
  const bool named = Has(Key::kServerAddress) && Has(Key::kServerPort) && !NamesAnothersLoopback();
  facts.address = Text(named ? Key::kServerAddress : Key::kNetworkLocalAddress);
  facts.port = Text(named ? Key::kServerPort : Key::kNetworkLocalPort, &port_digits_);
  if (facts.port.empty()) facts.address = {};
  return facts;
}

/// Who is reached from another host is not called at its own loopback: the caller's relay is, and
/// the Host header says so.
bool SpanMeaning::NamesAnothersLoopback() const {
  const std::string_view from = Text(Key::kNetworkPeerAddress);
  return !from.empty() && telemetry::StaysOnHost(Text(Key::kServerAddress)) &&
         !telemetry::StaysOnHost(from);
}

SpanMeaning::Marks SpanMeaning::MarksOfCall() const {
  const auto known = [this](Key key) { return std::max<int64_t>(0, Number(key)); };
  Marks marks;
  int64_t port = 0;
  if (IsCallerSide(spans_->kind[row_])) {
    port = known(Key::kNetworkLocalPort);
  } else if (spans_->kind[row_] == SpanKind::kServer) {
    port = known(Has(Key::kNetworkPeerPort) ? Key::kNetworkPeerPort : Key::kClientPort);
  }
  marks.connection = static_cast<uint32_t>(std::min<int64_t>(port, UINT16_MAX));
  marks.thread = known(Key::kThread);
  marks.bytes_in = static_cast<float>(known(Key::kHttpRequestSize));
  marks.bytes_out = static_cast<float>(known(Key::kHttpResponseSize));
  return marks;
}

std::string_view SpanMeaning::CallerAddress() const {
  return Text(Has(Key::kNetworkPeerAddress) ? Key::kNetworkPeerAddress : Key::kClientAddress);
}

bool SpanMeaning::OnlyConnects(std::string_view name) const {
  if (!Has(Key::kDbSystem) || IsCalleeSide(spans_->kind[row_])) return false;
  for (const Key asked :
       {Key::kDbOperation, Key::kDbQueryText, Key::kDbQuerySummary, Key::kDbCollection}) {
    if (Has(asked)) return false;
  }
  return SpeaksOfConnecting(name);
}

bool SpanMeaning::Failed() const {
  const SpanStatus status = spans_->status[row_];
  if (status != SpanStatus::kUnset) return status == SpanStatus::kError;
  const SpanKind kind = spans_->kind[row_];
  if (Has(Key::kHttpStatus)) {
    const int64_t code = Number(Key::kHttpStatus);
    if (code >= 500 || (IsCallerSide(kind) && code >= 400)) return true;
  }
  if (!Has(Key::kRpcStatus)) return false;
  const int64_t code = Number(Key::kRpcStatus);
  return IsCalleeSide(kind) ? IsServerFault(code) : code > 0;
}

std::string_view SpanMeaning::Text(Key key, std::string* digits) const {
  const Attribute* a = at_[static_cast<size_t>(key)];
  if (a == nullptr) return {};
  if (a->type == ValueType::kString) return spans_->attributes.Text(*a);
  if (a->type != ValueType::kInt || digits == nullptr) return {};
  *digits = std::to_string(a->integer);
  return *digits;
}

int64_t SpanMeaning::Number(Key key) const {
  const Attribute* a = at_[static_cast<size_t>(key)];
  if (a == nullptr) return -1;
  if (a->type == ValueType::kInt) return a->integer;
  int64_t number = -1;
  if (a->type == ValueType::kString) {
    const std::string_view text = spans_->attributes.Text(*a);
    (void)std::from_chars(text.data(), text.data() + text.size(), number);
  }
  return number;
}

std::string_view SpanMeaning::Join(std::string_view first, char between, std::string_view second) {
  if (first.empty()) return second;
  if (second.empty()) return first;
  scratch_.assign(first).append(1, between).append(second);
  return scratch_;
}

}  // namespace tomograph::normalize
