// SightBuffer: who was seen at which address, kept until the window of its time is closed, so that
// any order of arrival teaches the AddressBook the same. One entry a window, address, owner and
// host; bounded (what is beyond is counted). Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>

#include "base/nanotime.h"
#include "telemetry/entity.h"

namespace tomograph::correlate {

class SightBuffer {
 public:
  struct Sight {
    telemetry::EntityId address = telemetry::kNoEntity;
    telemetry::EntityId owner = telemetry::kNoEntity;
    telemetry::EntityId host = telemetry::kNoEntity;  // whose clock the times are of
    Nanos first = 0;
    Nanos last = 0;
    double times = 0;
    bool home = false;  // the owner told that it lives there
  };

  explicit SightBuffer(size_t max_sights = 500'000) : max_sights_(max_sights) {}

  void Add(Nanos window, telemetry::EntityId address, telemetry::EntityId owner,
           telemetry::EntityId host, Nanos at, bool home = false) {
    const auto key = std::tuple(window, address, owner, host);
    auto found = sights_.find(key);
    if (found == sights_.end()) {
      if (sights_.size() >= max_sights_) {
        ++refused_;
        return;
      }
      found = sights_.emplace(key, Sight{address, owner, host, at, at, 0, home}).first;
    }
    Sight& sight = found->second;
    sight.first = std::min(sight.first, at);
    sight.last = std::max(sight.last, at);
    ++sight.times;
  }

  /// Gives out and forgets those of the windows before `end`.
  template <typename Visit>
  void Take(Nanos end, Visit&& visit) {
    while (!sights_.empty() && std::get<0>(sights_.begin()->first) < end) {
      visit(sights_.begin()->second);
      sights_.erase(sights_.begin());
    }
  }
  uint64_t refused() const { return refused_; }

 private:
  size_t max_sights_;
  uint64_t refused_ = 0;
  std::map<std::tuple<Nanos, telemetry::EntityId, telemetry::EntityId, telemetry::EntityId>, Sight>
      sights_;
};

}  // namespace tomograph::correlate
