#include "correlate/flows/flow_edges.h"

#include <algorithm>
#include <string>

namespace tomograph::correlate {

using telemetry::EntityId;
using telemetry::kNoEntity;
using Certainty = AddressBook::Certainty;

namespace {

constexpr Nanos kPatience = 5 * kMinute;
constexpr size_t kMaxWaiting = 100'000;
constexpr double kOfItsHost = 0.8;  // who lives at a host answers at its ports, as far as one knows

std::string TextOf(std::string_view ip, uint16_t port) {
  const bool v6 = ip.find(':') != std::string_view::npos;
  std::string text = v6 ? "[" + std::string(ip) + "]" : std::string(ip);
  return text.append(":").append(std::to_string(port));
}

bool Owned(const AddressBook::Answer& a) {
  return a.certainty == Certainty::kKnown || a.certainty == Certainty::kBelieved;
}

}  // namespace

void FlowEdges::Draw(TimeRange window, Hearing* hearing) {
  const auto answers = [this](const FlowReader::End& end) {
    const EntityId key = telemetry::AddressKey(TextOf(strings_->Get(end.address), end.port));
    return addresses_->Resolve(key, 0).certainty != Certainty::kNobody;
  };
  for (const FlowReader::Connection& c : flows_.Take(window.to, answers)) Wait(c, window, hearing);
  for (auto at = waiting_.begin(); at != waiting_.end();)
    at = Decide(at->first, &at->second, window.to) ? waiting_.erase(at) : std::next(at);
}

void FlowEdges::Wait(const FlowReader::Connection& c, TimeRange window, Hearing* hearing) {
  const std::string_view server_ip = strings_->Get(c.server.address);
  const EntityId client = telemetry::HomeKey(strings_->Get(c.client.address));
  const EntityId server_home = telemetry::HomeKey(server_ip);
  for (const EntityId home : {client, server_home}) {
    const AddressBook::Answer owner = addresses_->Resolve(home, c.first, c.last);
    if (Owned(owner)) hearing->Add(owner.entity, EdgeWitness::kFlows, 1, c.weight);
  }
  const Key key(window.from, client, telemetry::AddressKey(TextOf(server_ip, c.server.port)));
  if (client == kNoEntity || (waiting_.size() >= kMaxWaiting && !waiting_.contains(key))) {
    ++unplaced_;
    return;
  }
  Waiting& w = waiting_[key];
  w.first = std::min(w.first, c.first);
  w.last = std::max(w.last, c.last);
  w.window = window;
  w.server_home = server_home;
  w.sight.Add(c.confidence, c.weight, false);
}

AddressBook::Answer FlowEdges::ServerAt(EntityId address, EntityId home, Nanos from,
                                        Nanos to) const {
  const AddressBook::Answer answer = addresses_->Resolve(address, from, to);
  if (answer.certainty != Certainty::kNobody) return answer;
  AddressBook::Answer of_host = addresses_->Resolve(home, from, to);
  of_host.confidence *= kOfItsHost;
  return of_host;
}

/// True: it need not wait any longer.
bool FlowEdges::Decide(const Key& key, Waiting* w, Nanos now) {
  const auto [from, client_home, server_address] = key;
  const AddressBook::Answer client = addresses_->Resolve(client_home, w->first, w->last);
  const AddressBook::Answer server = ServerAt(server_address, w->server_home, w->first, w->last);
  const bool owned = Owned(client) && Owned(server);
  if (owned && client.entity == server.entity) return true;
  const bool known = client.certainty == Certainty::kKnown && server.certainty == Certainty::kKnown;
  const bool believed = client.sole && server.sole;
  const bool waited = now - w->window.to >= kPatience;
  if (owned && (known || (waited && believed) || edges_->Has(client.entity, server.entity))) {
    w->sight.confidence *= client.confidence * server.confidence;
    if (edges_->Observe(client.entity, server.entity, EdgeWitness::kFlows, w->sight, w->window.from,
                        w->window.to))
      return true;
  } else if (!waited) {
    // A host may be told of later than the first connection to it.
    const auto settled = [](const AddressBook::Answer& a) {
      return a.certainty == Certainty::kUnknown || a.certainty == Certainty::kShared;
    };
    if (!settled(client) && !settled(server)) return false;
  }
  unplaced_ += static_cast<uint64_t>(w->sight.records);
  return true;
}

}  // namespace tomograph::correlate
