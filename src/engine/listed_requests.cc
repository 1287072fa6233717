#include "engine/listed_requests.h"

#include <unordered_set>

namespace tomograph::engine {

ListedRequests::Requests ListedRequests::Before(Nanos now, const Requests& listed) {
  std::unordered_set<const telemetry::RebuiltRequest*> in_it;
  for (const auto& request : listed) in_it.insert(request.get());
  std::erase_if(listed_, [&](const Listed& l) {
    return in_it.contains(l.request.get()) || now - l.last > kFor;
  });
  Requests before;
  for (const Listed& l : listed_) before.push_back(l.request);
  for (const auto& request : listed) listed_.push_front({now, request});
  size_t spans = 0, kept = 0;
  for (const Listed& l : listed_) {
    spans += l.request->spans.size();
    if (spans > kMostSpans) break;
    ++kept;
  }
  listed_.resize(kept);
  return before;
}

}  // namespace tomograph::engine
