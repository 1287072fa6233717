// RequestGallery: the few rebuilt requests that are kept to be looked at. Of every kind of request
// (service and operation of the root): the newest with inferred joins or lost spans, the newest
// that failed, the slowest of the last minutes, and the newest plain one. Bounded; the kinds that
// were silent longest go first.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "telemetry/rebuilt_request.h"

namespace tomograph::correlate {

class RequestGallery {
 public:
  using Kept = std::shared_ptr<const telemetry::RebuiltRequest>;

  explicit RequestGallery(size_t most) : most_(most) {}

  /// Would a request that ids join as a whole be kept? Cheap, to be asked before it is built.
  bool Wants(telemetry::EntityId service, telemetry::StringId operation, Nanos end, Nanos duration,
             bool failed) const;
  void Add(telemetry::StringId operation, telemetry::RebuiltRequest request);
  /// Newest first.
  std::vector<Kept> All() const;

 private:
  enum Shelf { kPieced, kFailed, kSlow, kPlain };
  struct Kind {
    std::array<std::deque<Kept>, 4> shelves;  // newest in front; of kSlow the slowest
    Nanos newest = INT64_MIN;
    size_t size() const;
  };
  using Key = std::pair<telemetry::EntityId, telemetry::StringId>;

  void MakeRoom();

  const size_t most_;
  std::map<Key, Kind> kinds_;
  size_t size_ = 0;
};

}  // namespace tomograph::correlate
