#include "correlate/topology/call_placer.h"

#include <algorithm>
#include <string>

#include "base/random.h"
#include "telemetry/address.h"

namespace tomograph::correlate {

using telemetry::EntityId;
using telemetry::EntityKind;
using telemetry::kNoEntity;
using telemetry::StringId;
using Certainty = AddressBook::Certainty;

namespace {

constexpr Nanos kPatience = 5 * kMinute;
constexpr size_t kMaxWaiting = 50'000;
constexpr size_t kMaxNames = 500'000;
constexpr size_t kMaxNobodys = 1'000;  // addresses of nobody on the map

/// Stands for the calls of one operation to an address.
EntityId KeyOfOperation(EntityId address, StringId operation) {
  return static_cast<EntityId>(
      MixBits(static_cast<uint64_t>(address) ^ MixBits(static_cast<uint64_t>(operation))));
}

}  // namespace

EntityId CallPlacer::KeyOf(StringId address) {
  if (const auto found = keys_.find(address); found != keys_.end()) return found->second;
  const std::string_view text = identities_->strings.Get(address);
  const EntityId key = telemetry::AddressKey(text);
  if (keys_.size() < kMaxNames) {
    keys_.emplace(address, key);
    const std::string_view host = telemetry::HostOfAddress(text);
    const EntityId by_ip = telemetry::HomeKey(host);
    const bool stays = telemetry::StaysOnHost(text);
    names_.emplace(key, by_ip != kNoEntity ? Name{address, by_ip, kNoEntity, true, stays}
                                           : Name{address, telemetry::HostKey(host),
                                                  telemetry::HostKeyAnywhere(host), false, stays});
  }
  return key;
}

bool CallPlacer::StaysOnHost(EntityId address) const {
  const auto name = names_.find(address);
  return name != names_.end() && name->second.stays_on_host;
}

CallPlacer::Place CallPlacer::Find(const Call& call, const IsKnown& known) const {
  const AddressBook::Answer answer = Resolve(call);
  // The queue that a message was taken from, unless it is but a name for who takes from it.
  if (call.incoming && !call.by_address)
    return {answer.entity == call.teller ? call.teller : call.other, kOwnName};
  switch (answer.certainty) {
    case Certainty::kKnown:
      return {answer.entity, answer.confidence};
    case Certainty::kBelieved:
      return Believe(call, answer, known);
    case Certainty::kShared:
      return OfShared(call, known);
    case Certainty::kRelayed:
      return OfAddress(call);
    case Certainty::kNobody:
      return OfNobody(call, known);
    case Certainty::kUnknown:
      break;
  }
  return call.by_address ? Place{} : Place{call.other, kOwnName};
}

std::vector<std::pair<EntityId, double>> CallPlacer::Others(const Call& call,
                                                            const Place& place) const {
  auto others = addresses_->Owners(call.other, call.from);
  std::erase_if(others, [&](const auto& o) { return o.first == place.entity; });
  if (!others.empty() && place.entity != call.other) others.emplace_back(call.other, 1);
  return others;
}

EntityId CallPlacer::CalleeOf(const OpenSpan& call) const {
  if (call.peer == kNoEntity) return kNoEntity;
  const auto name = names_.find(call.peer);
  const EntityId home = name == names_.end() ? kNoEntity : HomeOf(name->second);
  const AddressBook::Answer answer = addresses_->Resolve(call.peer, home, call.start, call.start);
  if (answer.certainty != Certainty::kNobody) return answer.entity;
  return call.peer_is_address ? addresses_->Resolve(home, call.start).entity : call.peer;
}

EntityId CallPlacer::CallerOf(const OpenSpan& received) const {
  if (received.peer == kNoEntity || !received.peer_is_address) return kNoEntity;
  return addresses_->Resolve(received.peer, received.start).entity;
}

double CallPlacer::MayBeOf(const OpenSpan& call, const OpenSpan& received) const {
  const EntityId service = received.service;
  if (call.service == service) return 0;
  if (call.incoming() && !PassedOn::MayBe(call, received)) return 0;
  if (CalleeOf(call) == service) return 1;
  return call.peer_is_address ? claims_.Share(call.peer, service) : 0;
}

bool CallPlacer::TimesAloneTell(const OpenSpan& call, Nanos since) const {
  if (!call.peer_is_address || addresses_->Told(call.peer, since)) return false;
  const auto name = names_.find(call.peer);
  if (name == names_.end() || !name->second.is_ip || name->second.stays_on_host) return false;
  return !addresses_->Told(name->second.home, since);
}

AddressBook::Answer CallPlacer::Resolve(const Call& call) const {
  return addresses_->Resolve(call.other, HomeOf(call), call.from, call.to);
}

EntityId CallPlacer::HomeOf(const Call& call) const {
  if (call.incoming) return kNoEntity;
  const auto name = names_.find(call.other);
  return name == names_.end() ? kNoEntity : HomeOf(name->second);
}

EntityId CallPlacer::HomeOf(const Name& name) const {
  if (name.anywhere == kNoEntity) return name.home;
  const bool known = addresses_->Resolve(name.home, 0).certainty != Certainty::kNobody;
  return known ? name.home : name.anywhere;
}

CallPlacer::Place CallPlacer::Believe(const Call& call, const AddressBook::Answer& answer,
                                      const IsKnown& known) const {
  const auto [caller, callee] =
      call.incoming ? std::pair(answer.entity, call.teller) : std::pair(call.teller, answer.entity);
  const bool carries_on = edges_->Has(caller, callee) || known(caller, callee);
  return {answer.entity, answer.confidence, !carries_on && call.by_address, answer.sole};
}

CallPlacer::Place CallPlacer::OfShared(const Call& call, const IsKnown& known) const {
  if (!call.by_address) return {call.other, kOwnName};
  if (call.incoming) return {};
  const AddressBook::Answer answer =
      addresses_->Resolve(KeyOfOperation(call.other, call.operation), call.from, call.to);
  if (answer.certainty == Certainty::kKnown) return {answer.entity, answer.confidence};
  if (answer.certainty == Certainty::kBelieved) return Believe(call, answer, known);
  return OfAddress(call);
}

/// As an entity of its own.
CallPlacer::Place CallPlacer::OfAddress(const Call& call) const {
  if (!call.by_address) return {call.other, kOwnName};
  if (call.incoming) return {};
  const auto name = names_.find(call.other);
  if (name == names_.end()) return {};
  const EntityId entity = identities_->entities.FindOrAdd(
      EntityKind::kLink, {}, identities_->strings.Get(name->second.address));
  if (entity == kNoEntity) return {};
  identities_->entities.Seen(entity, call.to);
  return {entity, kOwnName};
}

/// Nobody was seen to answer at that port; somebody may be known to live at the host.
CallPlacer::Place CallPlacer::OfNobody(const Call& call, const IsKnown& known) const {
  if (!call.by_address) return {call.other, kOwnName};
  const EntityId home = HomeOf(call);
  if (home == kNoEntity) return OfUnknownOwner(call, known);
  AddressBook::Answer answer = addresses_->Resolve(home, call.from, call.to);
  answer.confidence *= AddressBook::kOfItsHost;
  if (answer.certainty == Certainty::kKnown) return {answer.entity, answer.confidence};
  if (answer.certainty == Certainty::kBelieved) return Believe(call, answer, known);
  return answer.certainty == Certainty::kNobody ? OfUnknownOwner(call, known) : Place{};
}

/// Whose it is may show yet, unless it did not for as long as one waits. The world outside has
/// addresses too: of callers it is not worth telling.
CallPlacer::Place CallPlacer::OfUnknownOwner(const Call& call, const IsKnown& known) const {
  if (call.incoming || names_.count(call.other) == 0) return {};
  const auto at = nobodys_.find(call.other);
  if (at != nobodys_.end() &&
      (edges_->Has(call.teller, at->second) || known(call.teller, at->second)))
    return {at->second, kOwnName};
  return {kNoEntity, 0, true, false};
}

CallPlacer::Place CallPlacer::BeginUnknownOwner(const Call& call) {
  if (nobodys_.count(call.other) == 0 && nobodys_.size() >= kMaxNobodys) return {};
  const Place place = OfAddress(call);
  if (place.entity != kNoEntity) nobodys_.emplace(call.other, place.entity);
  return place;
}

std::set<EntityId> CallPlacer::OwnerUnknown() const {
  std::set<EntityId> unknown;
  for (const auto& [address, entity] : nobodys_) {
    if (addresses_->Resolve(address, 0).certainty == Certainty::kNobody) unknown.insert(entity);
  }
  return unknown;
}

void CallPlacer::Later(const Call& call, EdgeWitness by, const EdgeSight& sight, TimeRange window) {
  const WaitingKey key(window.from, call.teller, call.other, by, call.incoming, call.operation);
  auto found = waiting_.find(key);
  if (found == waiting_.end()) {
    if (waiting_.size() >= kMaxWaiting) {
      CountUnplaced(call, static_cast<uint64_t>(sight.records));
      return;
    }
    waiting_.emplace(key, Waiting{call, sight, window});
    return;
  }
  Waiting& w = found->second;
  w.call.from = std::min(w.call.from, call.from);
  w.call.to = std::max(w.call.to, call.to);
  w.sight.records += sight.records;
  w.sight.calls += sight.calls;
}

void CallPlacer::Settle(Nanos now) {
  const IsKnown nobody = [](EntityId, EntityId) { return false; };
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    Waiting& w = at->second;
    Place place = Find(w.call, nobody);
    if (place.later && now - w.window.to < kPatience) {
      ++at;
      continue;
    }
    if (place.later && place.entity == kNoEntity) place = BeginUnknownOwner(w.call);
    bool drawn = false;
    if (place.entity != kNoEntity && (!place.later || place.sole)) {
      w.sight.confidence = place.confidence;
      const auto [caller, callee] = w.call.incoming ? std::pair(place.entity, w.call.teller)
                                                    : std::pair(w.call.teller, place.entity);
      drawn = edges_->Observe(caller, callee, std::get<EdgeWitness>(at->first), w.sight,
                              w.window.from, w.window.to);
    }
    if (!drawn) CountUnplaced(w.call, static_cast<uint64_t>(w.sight.records));
    at = waiting_.erase(at);
  }
}

void CallPlacer::CountUnplaced(const Call& call, uint64_t records) {
  if (call.incoming) return;  // the world outside has addresses too
  unplaced_ += records;
  if (unplaced_at_.size() < kMaxNobodys || unplaced_at_.count(call.other) > 0)
    unplaced_at_[call.other] += records;
}

std::vector<std::pair<std::string, uint64_t>> CallPlacer::UnplacedAt() const {
  std::vector<std::pair<std::string, uint64_t>> at;
  for (const auto& [key, records] : unplaced_at_) {
    if (const auto name = names_.find(key); name != names_.end())
      at.emplace_back(identities_->strings.Get(name->second.address), records);
  }
  std::sort(at.begin(), at.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  return at;
}

void CallPlacer::ObserveShared(EntityId address, StringId operation, EntityId service, Nanos first,
                               Nanos last, double times) {
  if (addresses_->Shared(address))
    addresses_->Observe(KeyOfOperation(address, operation), service, first, last, times);
}

}  // namespace tomograph::correlate
