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

Nanos EarliestOf(const OpenSpan& span) { return span.start - BoundOf(span); }
Nanos LatestOf(const OpenSpan& span) { return span.end + BoundOf(span); }

}  // namespace

void StrayCalls::Add(const Stray& stray) {
  const Nanos earliest = EarliestOf(stray.call);
  by_earliest_[ClassOf(LatestOf(stray.call) - earliest)].emplace(earliest, stray);
  if (++size_ <= most_) return;
  std::multimap<Nanos, Stray>* oldest = nullptr;
  for (auto& calls : by_earliest_) {
    if (calls.empty()) continue;
    if (oldest == nullptr || calls.begin()->first < oldest->begin()->first) oldest = &calls;
  }
  complete_from_ = std::max(complete_from_, LatestOf(oldest->begin()->second.call));
  oldest->erase(oldest->begin());
  --size_;
}

bool StrayCalls::ForEachHolding(const OpenSpan& request,
                                const std::function<bool(const Stray&)>& visit) const {
  const Nanos slack = BoundOf(request);
  const Nanos from = request.start + slack, to = request.end - slack;  // what is to be held
  for (size_t n = ClassOf(to - from); n < by_earliest_.size(); ++n) {
    const Nanos longest = n < 62 ? Nanos{1} << n : INT64_MAX / 4;
    auto at = by_earliest_[n].lower_bound(to - longest);
    for (; at != by_earliest_[n].end() && at->first <= from; ++at) {
      ++looked_at_;
      if (LatestOf(at->second.call) >= to && !visit(at->second)) return true;
    }
  }
  return request.end > complete_from_ + slack;
}

void StrayCalls::Forget(Nanos before) {
  for (auto& calls : by_earliest_)
    size_ -= std::erase_if(calls, [&](const auto& c) { return c.second.call.end < before; });
}

}  // namespace tomograph::correlate
