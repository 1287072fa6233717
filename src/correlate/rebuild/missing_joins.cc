#include "correlate/rebuild/missing_joins.h"

#include <algorithm>

namespace tomograph::correlate {
namespace {

constexpr uint64_t kLeast = 3;
constexpr double kLeastShare = .01;  // of what the service received or called

bool Enough(double missing, double all) {
  return missing >= kLeast && missing >= kLeastShare * all;
}

}  // namespace

void MissingJoins::Recent::Add(const Counts& now) {
  constexpr double kKept = 1 - 1. / kMemory;
  received = received * kKept + static_cast<double>(now.received);
  without_parent = without_parent * kKept + static_cast<double>(now.without_parent);
  unanswered = unanswered * kKept + static_cast<double>(now.unanswered);
}

bool MissingJoins::Recent::enough() const {
  return Enough(std::min(without_parent, unanswered), received);
}

bool MissingJoins::Recent::any() const { return std::min(without_parent, unanswered) > kLeft; }

void MissingJoins::CountCall(telemetry::EntityId service, bool without_request) {
  Counts& now = places_[service].now;
  ++now.calls;
  if (without_request) ++now.without_request;
}

void MissingJoins::CountReceived(telemetry::EntityId service, bool without_parent) {
  Counts& now = places_[service].now;
  ++now.received;
  if (without_parent) ++now.without_parent;
}

void MissingJoins::CountUnanswered(telemetry::EntityId callee) { ++places_[callee].now.unanswered; }

void MissingJoins::CountUnclear(telemetry::EntityId callee) { places_[callee].now.unclear = true; }

void MissingJoins::CloseWindow() {
  any_ = any_unclear_ = false;
  for (auto at = places_.begin(); at != places_.end();) {
    Place& place = at->second;
    const Counts& now = place.now;
    // Without anything received there is nobody that a call could belong to.
    place.recent.Add(now);
    const bool misses = now.without_parent > 0 || now.unanswered > 0;
    const auto count = [](uint64_t n) { return static_cast<double>(n); };
    const bool within = now.received > 0 && Enough(count(now.without_request), count(now.calls));
    const bool into =
        (misses && place.recent.enough()) ||
        Enough(count(std::min(now.without_parent, now.unanswered)), count(now.received));
    place.within_open_for = within ? kMemory : std::max(0, place.within_open_for - 1);
    place.into_open_for = into ? kMemory : std::max(0, place.into_open_for - 1);
    const bool unclear = (now.without_parent > 0 && now.unclear) || (misses && place.recent.any());
    place.into_unclear_for = unclear ? kMemory : std::max(0, place.into_unclear_for - 1);
    const bool silent = now.calls == 0 && place.recent.faded();
    const bool open = place.within_open_for > 0 || place.into_open_for > 0;
    any_ = any_ || open;
    any_unclear_ = any_unclear_ || place.into_unclear_for > 0;
    place.now = {};
    at = silent && !open && place.into_unclear_for == 0 ? places_.erase(at) : std::next(at);
  }
}

bool MissingJoins::WithinOpen(telemetry::EntityId service) const {
  const auto at = places_.find(service);
  return at != places_.end() && at->second.within_open_for > 0;
}

bool MissingJoins::IntoOpen(telemetry::EntityId service) const {
  const auto at = places_.find(service);
  return at != places_.end() && at->second.into_open_for > 0;
}

bool MissingJoins::IntoUnclear(telemetry::EntityId service) const {
  const auto at = places_.find(service);
  return at != places_.end() && (at->second.into_open_for > 0 || at->second.into_unclear_for > 0);
}

}  // namespace tomograph::correlate
