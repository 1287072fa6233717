#include "correlate/flows/flow_edges.h"

#include <algorithm>
#include <string>

#include "telemetry/address.h"

namespace tomograph::correlate {

using telemetry::EntityId;
using telemetry::kNoEntity;
using Certainty = AddressBook::Certainty;

namespace {

constexpr Nanos kPatience = 5 * kMinute;
constexpr size_t kMaxWaiting = 100'000;

bool Owned(const AddressBook::Answer& a) {
  return a.certainty == Certainty::kKnown || a.certainty == Certainty::kBelieved;
}

}  // namespace

void FlowEdges::Add(Nanos window, const telemetry::FlowBatch& flows, size_t row) {
  const telemetry::Interner& strings = identities_->strings;
  const bool local = telemetry::IsHostLocal(strings.Get(flows.source_address[row])) ||
                     telemetry::IsHostLocal(strings.Get(flows.destination_address[row]));
  flows_.Add(window, flows, row, local ? NetworkOf(flows.resource[row]) : telemetry::kEmptyString);
}

telemetry::StringId FlowEdges::NetworkOf(telemetry::ResourceId reporter) {
  const auto [at, fresh] = networks_.try_emplace(reporter, telemetry::kEmptyString);
  if (!fresh) return at->second;
  const telemetry::Resource& said = identities_->resources.Get(reporter);
  return at->second = identities_->strings.Intern(telemetry::NetworkOf(said, identities_->strings),
                                                  said.share);
}

EntityId FlowEdges::KeyOf(const FlowReader::End& end) const {
  const telemetry::Interner& strings = identities_->strings;
  return telemetry::AddressKey(
      telemetry::AddressOn(telemetry::WithPort(strings.Get(end.address), std::to_string(end.port)),
                           strings.Get(end.network)));
}

void FlowEdges::Take(WindowBuilder* windows, Hearing* hearing) {
  const auto answers = [this](const FlowReader::End& end) {
    return addresses_->Resolve(KeyOf(end), 0).certainty != Certainty::kNobody;
  };
  for (const FlowReader::Connection& c : flows_.Take(windows->end(), answers))
    Wait(c, windows, hearing);
}

void FlowEdges::Draw(Nanos now) {
  for (auto at = waiting_.begin(); at != waiting_.end();)
    at = Decide(at->first, &at->second, now) ? waiting_.erase(at) : std::next(at);
}

void FlowEdges::Count(const AddressBook::Answer& owner, const FlowReader::Connection& c,
                      WindowBuilder* windows) {
  if (!Owned(owner)) return;
  identities_->entities.Seen(owner.entity, c.last);
  if (WindowBuilder::Cell* cell = windows->At({owner.entity, kNoEntity}))
    cell->window.connections += c.weight;
}

void FlowEdges::Wait(const FlowReader::Connection& c, WindowBuilder* windows, Hearing* hearing) {
  const TimeRange window{windows->start(), windows->end()};
  const telemetry::Interner& strings = identities_->strings;
  const EntityId client = telemetry::HomeKey(strings.Get(c.client.address));
  const EntityId server = KeyOf(c.server);
  const EntityId server_home = telemetry::HomeKey(strings.Get(c.server.address));
  for (const EntityId home : {client, server_home}) {
    const AddressBook::Answer owner = addresses_->Resolve(home, c.first, c.last);
    if (Owned(owner)) hearing->Add(owner.entity, EdgeWitness::kFlows, 1, c.weight);
  }
  const AddressBook::Answer calls = addresses_->Resolve(client, c.first, c.last);
  const AddressBook::Answer answers = ServerAt(server, server_home, c.first, c.last);
  Count(calls, c, windows);
  if (answers.entity != calls.entity) Count(answers, c, windows);
  const Key key(window.from, client, server);
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
  const AddressBook::Answer answer = addresses_->Resolve(address, home, from, to);
  if (answer.certainty != Certainty::kNobody) return answer;
  AddressBook::Answer of_host = addresses_->Resolve(home, from, to);
  of_host.confidence *= AddressBook::kOfItsHost;
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
      return a.certainty == Certainty::kUnknown || a.certainty == Certainty::kShared ||
             a.certainty == Certainty::kRelayed;
    };
    if (!settled(client) && !settled(server)) return false;
  }
  unplaced_ += static_cast<uint64_t>(w->sight.records);
  return true;
}

}  // namespace tomograph::correlate
