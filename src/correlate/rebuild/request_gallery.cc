#include "correlate/rebuild/request_gallery.h"

#include <algorithm>

namespace tomograph::correlate {
namespace {

using telemetry::RebuiltRequest;

constexpr size_t kMostOf[] = {4, 2, 2, 1};  // by shelf
constexpr Nanos kSlowFor = 10 * kMinute;    // that the slowest is worth showing
constexpr Nanos kPause = 2 * kSecond;       // between plain or failed ones that are kept

Nanos Duration(const RebuiltRequest& r) { return r.root().end - r.root().start; }

}  // namespace

size_t RequestGallery::Kind::size() const {
  size_t n = 0;
  for (const auto& shelf : shelves) n += shelf.size();
  return n;
}

bool RequestGallery::Wants(telemetry::EntityId service, telemetry::StringId operation, Nanos end,
                           Nanos duration, bool failed) const {
  const auto at = kinds_.find({service, operation});
  if (at == kinds_.end()) return true;
  const auto& shelves = at->second.shelves;
  const auto& newest = shelves[failed ? kFailed : kPlain];
  if (newest.empty() || end > newest.front()->root().end + kPause) return true;
  if (failed) return false;
  const auto& slow = shelves[kSlow];
  return slow.size() < kMostOf[kSlow] || duration > Duration(*slow.back()) ||
         end - slow.back()->root().end > kSlowFor;
}

void RequestGallery::Add(telemetry::StringId operation, RebuiltRequest request) {
  const Nanos end = request.root().end, duration = Duration(request);
  const bool pieced = request.inferred + request.lost > 0;
  const bool failed = request.failed;
  Kind& kind = kinds_[{request.root().service, operation}];
  kind.newest = std::max(kind.newest, end);
  const auto kept = std::make_shared<const RebuiltRequest>(std::move(request));
  const auto newest_first = [](const Kept& a, const Kept& b) {
    return a->root().end != b->root().end ? a->root().end > b->root().end
                                          : a->root().id < b->root().id;
  };
  const auto put = [&](Shelf which, const auto& before) {
    auto& shelf = kind.shelves[which];
    shelf.insert(std::upper_bound(shelf.begin(), shelf.end(), kept, before), kept);
    ++size_;
    if (shelf.size() <= kMostOf[which]) return;
    shelf.pop_back();
    --size_;
  };
  if (pieced) {
    put(kPieced, newest_first);
  } else if (failed) {
    put(kFailed, newest_first);
  } else {
    auto& slow = kind.shelves[kSlow];
    const size_t before = slow.size();
    std::erase_if(slow, [&](const Kept& k) { return end - k->root().end > kSlowFor; });
    size_ -= before - slow.size();
    if (slow.size() < kMostOf[kSlow] || duration > Duration(*slow.back())) {
      put(kSlow, [](const Kept& a, const Kept& b) { return Duration(*a) > Duration(*b); });
    } else {
      put(kPlain, newest_first);
    }
  }
  MakeRoom();
}

void RequestGallery::MakeRoom() {
  while (size_ > most_ && kinds_.size() > 1) {
    const auto oldest = std::min_element(
        kinds_.begin(), kinds_.end(),
        [](const auto& a, const auto& b) { return a.second.newest < b.second.newest; });
    size_ -= oldest->second.size();
    kinds_.erase(oldest);
  }
}

std::vector<RequestGallery::Kept> RequestGallery::All() const {
  std::vector<Kept> all;
  for (const auto& [key, kind] : kinds_) {
    for (const auto& shelf : kind.shelves) all.insert(all.end(), shelf.begin(), shelf.end());
  }
  std::sort(all.begin(), all.end(), [](const Kept& a, const Kept& b) {
    return a->root().start != b->root().start ? a->root().start > b->root().start
                                              : a->root().id < b->root().id;
  });
  return all;
}

}  // namespace tomograph::correlate
