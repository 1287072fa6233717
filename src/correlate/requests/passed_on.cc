#include "correlate/requests/passed_on.h"

#include <algorithm>

#include "base/random.h"

namespace tomograph::correlate {
namespace {

using telemetry::EntityId;
using telemetry::kNoEntity;

constexpr float kPrecision_s = .001f;  // of the times in access logs

EntityId KeyOf(uint32_t network, EntityId service) {
  return EntityId{MixBits(static_cast<uint64_t>(service) ^ MixBits(0x70726f7879ull ^ network))};
}

}  // namespace

uint32_t PassedOn::CalledWithin(const OpenSpan& received) {
  const bool may = received.kind == telemetry::SpanKind::kServer && received.parent == 0 &&
                   received.peer == kNoEntity;
  return may ? received.network : 0;
}

void PassedOn::SeeReceived(const OpenSpan& received) {
  const uint32_t network = CalledWithin(received);
  if (network == 0) return;
  const Place place(network, received.service);
  if (behind_.size() < kMost || behind_.count(place) > 0) behind_[place] = kMemory;
}

void PassedOn::CloseWindow() {
  for (auto* places : {&behind_, &called_}) {
    for (auto& [place, windows] : *places) --windows;
    std::erase_if(*places, [](const auto& place) { return place.second == 0; });
  }
}

void PassedOn::SeeCallee(uint32_t network, EntityId callee) {
  const Place place(network, callee);
  if (called_.size() < kMost || called_.count(place) > 0) called_[place] = kMemory;
}

bool PassedOn::BehindProxy(const OpenSpan& received) const {
  const uint32_t network = CalledWithin(received);
  return network != 0 && called_.count({network, received.service}) > 0;
}

EntityId PassedOn::ProxyOf(const OpenSpan& received) { return KeyOf(received.network, kNoEntity); }

std::optional<OpenSpan> PassedOn::CallOf(const JoinedTrace& trace, size_t i) const {
  const OpenSpan& received = trace.spans()[i];
  if (received.kind != telemetry::SpanKind::kServer || received.network == 0) return std::nullopt;
  if (!received.logged || trace.spans().size() > 1) return std::nullopt;
  if (callers_.count(received.service) > 0) return std::nullopt;
  OpenSpan call = received;
  call.peer = KeyOf(received.network, received.service);
  call.peer_is_address = true;
  if (call.clock_bound_s >= 0) call.clock_bound_s = std::max(call.clock_bound_s, kPrecision_s);
  return call;
}

bool PassedOn::ReachesAny(const OpenSpan& call) const {
  if (callers_.count(call.service) > 0) return false;
  auto at = behind_.lower_bound({call.network, EntityId{}});
  if (at != behind_.end() && at->first == Place(call.network, call.service)) ++at;
  return at != behind_.end() && at->first.first == call.network;
}

}  // namespace tomograph::correlate
