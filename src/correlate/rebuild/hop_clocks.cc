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
  HopPlace& place = places_[record.service];
  place.sent.push_back({record.start, record.end, host});
  place.slots[SlotOf(record.end)].sent[host].push_back(record);
}

void HopClocks::Received(const CallRecord& record, EntityId host) {
  places_[record.service].slots[SlotOf(record.end)].received[host].push_back(record);
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
    Forget(judged, &place);
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
