#include "correlate/rebuild/hop_clocks.h"

#include <algorithm>
#include <set>

#include "correlate/rebuild/hop_judge.h"

namespace tomograph::correlate {
namespace {

using linking::CallRecord;
using telemetry::EntityId;

constexpr Nanos kForgotten = kHour;

Nanos SlotOf(Nanos t) {
  const Nanos into = t % HopClocks::kSlot;
  return t - (into < 0 ? into + HopClocks::kSlot : into);
}

}  // namespace

bool HopClocks::Takes(const CallRecord& record) {
  constexpr Nanos kFarthestTime = Nanos{1} << 62;
  return std::min(record.start, record.end) > -kFarthestTime &&
         std::max(record.start, record.end) < kFarthestTime;
}

void HopClocks::Sent(const CallRecord& record, EntityId host) {
  newest_ = std::max(newest_, record.end);
  HopPlace& place = places_[record.service];
  place.sent.push_back({record.start, record.end, host});
  place.slots[SlotOf(record.end)].sent[host].push_back(record);
}

void HopClocks::Received(const CallRecord& record, EntityId host, EntityId service) {
  newest_ = std::max(newest_, record.end);
  HopPlace& place = places_[record.service];
  place.service = service;
  place.slots[SlotOf(record.end)].received[host].push_back(record);
}

void HopClocks::Advance(Nanos until, const Sinks& sinks) {
  const Nanos judged = SlotOf(until - kSlot - kReach) + kSlot;  // slots before this are
  for (auto at = places_.begin(); at != places_.end();) {
    HopPlace& place = at->second;
    while (!place.slots.empty() && place.slots.begin()->first < judged) {
      const Nanos slot = place.slots.begin()->first;
      Forget(slot, &place);
      JudgeSlot(slot, &place, sinks);
      place.slots.erase(place.slots.begin());
    }
    // At the end of a recording no time passes any more.
    Forget(std::min(judged, newest_), &place);
    const bool idle =
        place.sent.empty() && place.slots.empty() && place.callers.empty() && place.bands.empty();
    at = idle ? places_.erase(at) : std::next(at);
  }
  placed_until_ = std::max(placed_until_, judged);
}

void HopClocks::Forget(Nanos before, HopPlace* place) {
  std::erase_if(place->sent,
                [&](const auto& s) { return s.end < before - kReach - FollowedOffset::kLookBack; });
  std::erase_if(place->callers, [&](const auto& c) { return c.second.seen < before - kForgotten; });
  std::set<int> used;
  for (const auto& [host, caller] : place->callers) used.insert(caller.band);
  for (auto& [id, band] : place->bands)
    std::erase_if(band.offsets, [&](const auto& o) { return o.second.at() < before - kForgotten; });
  for (auto& [host, caller] : place->callers) {
    const auto& known = place->bands[caller.band].offsets;
    std::erase_if(caller.doubts, [&](const auto& d) { return known.count(d.first) == 0; });
  }
  std::erase_if(place->bands, [&](const auto& b) {
    return used.count(b.first) == 0 && (b.first != 0 || b.second.offsets.empty());
  });
}

std::vector<telemetry::HopClock> HopClocks::Told() const {
  using telemetry::HopClock;
  std::vector<HopClock> all;
  for (const auto& [hop, place] : places_) {
    for (const auto& [caller, of] : place.callers) {
      const auto band = place.bands.find(of.band);
      if (band == place.bands.end()) continue;
      for (const auto& [callee, offset] : band->second.offsets) {
        const FollowedOffset::Told told = offset.told();
        // On one host there is one clock.
        if (told.read == 0 || (callee == caller && callee != telemetry::kNoEntity)) continue;
        HopClock& clock = all.emplace_back();
        clock.service = place.service, clock.caller = caller, clock.callee = callee;
        clock.state = told.known         ? HopClock::State::kFollowed
                      : told.as_expected ? HopClock::State::kHeldInSync
                                         : HopClock::State::kUnknown;
        clock.offset = told.offset, clock.error = told.sigma, clock.drift = told.drift;
        clock.as_of = offset.at();
        clock.calls = told.calls, clock.last_call = told.last;
        clock.steps = told.steps, clock.last_step = told.last_step;
      }
    }
  }
  return all;
}

size_t HopClocks::bytes() const {
  const auto of = [](const auto& hosts) {
    size_t total = 0;
    for (const auto& [host, records] : hosts) total += records.capacity() * sizeof(CallRecord);
    return total;
  };
  size_t total = 0;
  for (const auto& [id, place] : places_) {
    total += place.sent.capacity() * sizeof(place.sent[0]);
    total += place.callers.size() * (sizeof(HopCaller) + 64);
    for (const auto& [band, b] : place.bands)
      total += sizeof(CallerBand) + b.offsets.size() * (sizeof(FollowedOffset) + 64);
    for (const auto& [slot, records] : place.slots)
      total += of(records.sent) + of(records.received);
  }
  return total;
}

}  // namespace tomograph::correlate
