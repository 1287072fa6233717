#include "correlate/rebuild/trace_shelf.h"

#include <algorithm>

namespace tomograph::correlate {
namespace {

using telemetry::JoinBasis;

constexpr int kDeepest = 10'000;  // joins on the way up; what is deeper is a loop or an attack

}  // namespace

int ShelvedTrace::Find(uint64_t span) const {
  const auto at =
      std::lower_bound(spans.begin(), spans.end(), span,
                       [](const ShelvedSpan& s, uint64_t wanted) { return s.span.id < wanted; });
  return at != spans.end() && at->span.id == span ? static_cast<int>(at - spans.begin()) : -1;
}

bool TraceShelf::Add(const LeavingTrace& leaving) {
  const auto spans = leaving.joined.spans();
  size_t leave = 0;
  for (size_t i = 0; i < spans.size(); ++i) leave += leaving.Leaves(i) ? 1 : 0;
  const auto known = traces_.find(leaving.id);
  const size_t here = known == traces_.end() ? 0 : known->second.spans.size();
  if (span_count_ + leave > max_spans_ || here + leave > max_spans_ / 4) {
    if (here == 0) return false;
    known->second.trimmed = true;
    known->second.awaits_more = false;
    return false;
  }
  ShelvedTrace& trace = traces_[leaving.id];
  trace.trimmed = trace.trimmed || leaving.cut_off || (leaving.trimmed && here == 0);
  trace.awaits_more = leave < spans.size();
  for (size_t i = 0; i < spans.size(); ++i) {
    if (!leaving.Leaves(i)) continue;
    ShelvedSpan shelved{spans[i], {}};
    shelved.above.none = 1;
    if (spans[i].parent != 0) {
      shelved.above.none = 0;
      shelved.above.basis = JoinBasis::kId;
      shelved.above.parent = {leaving.id, spans[i].parent};
    }
    trace.start = std::min(trace.start, spans[i].start);
    trace.end = std::max(trace.end, spans[i].end);
    trace.spans.push_back(shelved);
  }
  const auto by_id = [](const ShelvedSpan& a, const ShelvedSpan& b) {
    return a.span.id < b.span.id;
  };
  std::inplace_merge(trace.spans.begin(), trace.spans.begin() + static_cast<ptrdiff_t>(here),
                     trace.spans.end(), by_id);
  const auto again = std::unique(
      trace.spans.begin(), trace.spans.end(),
      [](const ShelvedSpan& a, const ShelvedSpan& b) { return a.span.id == b.span.id; });
  trace.spans.erase(again, trace.spans.end());
  span_count_ += trace.spans.size() - here;
  return true;
}

bool TraceShelf::IsAbove(const SpanRef& span, SpanRef from) const {
  for (int depth = 0; depth < kDeepest; ++depth) {
    if (from == span) return true;
    const ShelvedSpan* at = Find(from);
    if (at == nullptr || at->above.parent.span == 0) return false;
    from = at->above.parent;
  }
  return true;
}

bool TraceShelf::Join(const SpanRef& ref, const Above& above) {
  const auto trace = traces_.find(ref.trace);
  if (trace == traces_.end()) return false;
  const int at = trace->second.Find(ref.span);
  if (at < 0) return false;
  if (above.decided() && IsAbove(ref, above.parent)) return false;
  trace->second.spans[static_cast<size_t>(at)].above = above;
  return true;
}

void TraceShelf::Remove(telemetry::TraceId id) {
  const auto at = traces_.find(id);
  if (at == traces_.end()) return;
  span_count_ -= at->second.spans.size();
  traces_.erase(at);
}

const ShelvedSpan* TraceShelf::Find(const SpanRef& ref) const {
  const auto trace = traces_.find(ref.trace);
  if (trace == traces_.end()) return nullptr;
  const int at = trace->second.Find(ref.span);
  return at < 0 ? nullptr : &trace->second.spans[static_cast<size_t>(at)];
}

}  // namespace tomograph::correlate
