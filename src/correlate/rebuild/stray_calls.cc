#include "correlate/rebuild/stray_calls.h"

#include <algorithm>
#include <bit>

#include "correlate/rebuild/span_record.h"

namespace tomograph::correlate {
namespace {

constexpr Nanos kMostSlack = kSecond;

Nanos BoundOf(const OpenSpan& span) { return std::min(kMostSlack, SlackOf(span.clock_bound_s)); }

size_t ClassOf(Nanos length) {
  return std::min<size_t>(63, std::bit_width(static_cast<uint64_t>(std::max<Nanos>(0, length))));
}

}  // namespace

void StrayCalls::Add(const Stray& stray) {
  const Nanos start = stray.call.start;
  by_start_[ClassOf(stray.call.end - start)].emplace(start, stray);
  widest_slack_ = std::max(widest_slack_, BoundOf(stray.call));
  if (++size_ <= most_) return;
  std::multimap<Nanos, Stray>* oldest = nullptr;
  for (auto& calls : by_start_) {
    if (calls.empty()) continue;
    if (oldest == nullptr || calls.begin()->first < oldest->begin()->first) oldest = &calls;
  }
  const OpenSpan& call = oldest->begin()->second.call;
  complete_from_ = std::max(complete_from_, call.end + BoundOf(call));
  oldest->erase(oldest->begin());
  --size_;
}

bool StrayCalls::ForEachHolding(const OpenSpan& request,
                                const std::function<bool(const Stray&)>& visit) const {
  const Nanos slack = BoundOf(request), widest = slack + widest_slack_;
  const Nanos length = request.end - request.start;
  for (size_t n = ClassOf(std::max<Nanos>(0, length - 2 * widest)); n < by_start_.size(); ++n) {
    if (by_start_[n].empty()) continue;
    const Nanos longest = n < 62 ? Nanos{1} << n : INT64_MAX / 4;
    auto at = by_start_[n].lower_bound(request.end - widest - longest);
    for (; at != by_start_[n].end() && at->first <= request.start + widest; ++at) {
      const OpenSpan& call = at->second.call;
      const Nanos within = slack + BoundOf(call);
      if (call.start <= request.start + within && request.end <= call.end + within &&
          !visit(at->second))
        return true;
    }
  }
  return request.end > complete_from_ + slack;
}

void StrayCalls::Forget(Nanos before) {
  for (auto& calls : by_start_)
    size_ -= std::erase_if(calls, [&](const auto& c) { return c.second.call.end < before; });
}

}  // namespace tomograph::correlate
