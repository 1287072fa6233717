#include "correlate/requests/trace_assembler.h"

#include <algorithm>
#include <tuple>

#include "base/random.h"

namespace tomograph::correlate {
namespace {

uint64_t HashOf(telemetry::TraceId id) { return MixBits(id.lo ^ MixBits(id.hi)); }

/// A total order, so that of two records with one id the same one wins whatever came first. What is
/// not counted, since the store had it, comes before what repeats it.
bool Before(const OpenSpan& a, const OpenSpan& b) {
  if (a.id != b.id) return a.id < b.id;
  const auto rest = [](const OpenSpan& s) {
    return std::tuple(s.start, s.end, s.parent, s.service, s.peer, s.kind, s.failed, s.weight,
                      s.counted_as);
  };
  return rest(a) < rest(b);
}

constexpr size_t kTypicalSpans = 8;

}  // namespace

void JoinedTrace::Join(std::span<const OpenSpan> spans) {
  spans_ = spans;
  const size_t n = spans.size();
  parent_.assign(n, kNone);
  child_begin_.assign(n + 1, 0);
  for (size_t i = 0; i < n; ++i) {
    const uint64_t wanted = spans[i].parent;
    if (wanted == 0 || wanted == spans[i].id) continue;
    const auto at = std::lower_bound(spans.begin(), spans.end(), wanted,
                                     [](const OpenSpan& s, uint64_t id) { return s.id < id; });
    if (at == spans.end() || at->id != wanted) continue;
    parent_[i] = static_cast<int32_t>(at - spans.begin());
    ++child_begin_[static_cast<size_t>(parent_[i]) + 1];
  }
  for (size_t i = 0; i < n; ++i) child_begin_[i + 1] += child_begin_[i];
  children_.resize(child_begin_[n]);
  for (size_t i = n;
       i-- > 0;) {  // fills every group from its end, which leaves child_begin_ shifted
    if (parent_[i] != kNone)
      children_[--child_begin_[static_cast<size_t>(parent_[i]) + 1]] = static_cast<int32_t>(i);
  }
  child_begin_.erase(child_begin_.begin());
  child_begin_.push_back(static_cast<uint32_t>(children_.size()));
  for (size_t i = 0; i < n; ++i) {
    std::sort(children_.begin() + child_begin_[i], children_.begin() + child_begin_[i + 1],
              [&](int32_t a, int32_t b) {
                return std::tuple(spans[a].start, a) < std::tuple(spans[b].start, b);
              });
  }
}

void TraceAssembler::Add(telemetry::TraceId id, const OpenSpan& span) {
  Trace& trace = traces_[FindOrAdd(id)];
  if (trace.spans.empty()) {
    trace.spans.reserve(kTypicalSpans);
    trace.start = span.start;
    trace.end = span.end;
    trace.sorted = true;
    trace.trimmed = false;
  } else {
    trace.start = std::min(trace.start, span.start);
    trace.end = std::max(trace.end, span.end);
    trace.sorted = trace.sorted && trace.spans.back().id < span.id;
  }
  trace.spans.push_back(span);
  ++open_spans_;
}

const OpenSpan* TraceAssembler::Find(const SpanRef& ref) {
  if (table_.empty()) return nullptr;
  const size_t mask = table_.size() - 1;
  for (size_t at = HashOf(ref.trace) & mask; table_[at] != 0; at = (at + 1) & mask) {
    Trace& trace = traces_[table_[at] - 1];
    if (trace.id != ref.trace) continue;
    Sort(&trace);
    return Find(trace, ref.span);
  }
  return nullptr;
}

uint32_t TraceAssembler::FindOrAdd(telemetry::TraceId id) {
  if ((used_ + 1) * 2 > table_.size()) Rehash(std::max<size_t>(1024, table_.size() * 2));
  const size_t mask = table_.size() - 1;
  size_t at = HashOf(id) & mask;
  for (; table_[at] != 0; at = (at + 1) & mask) {
    if (traces_[table_[at] - 1].id == id) return table_[at] - 1;
  }
  uint32_t slot;
  if (free_.empty()) {
    slot = static_cast<uint32_t>(traces_.size());
    traces_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  traces_[slot].id = id;
  table_[at] = slot + 1;
  ++used_;
  return slot;
}

void TraceAssembler::Rehash(size_t size) {
  table_.assign(size, 0);
  for (uint32_t slot = 0; slot < traces_.size(); ++slot) {
    if (traces_[slot].spans.empty()) continue;
    size_t at = HashOf(traces_[slot].id) & (size - 1);
    while (table_[at] != 0) at = (at + 1) & (size - 1);
    table_[at] = slot + 1;
  }
}

/// Removes the trace from the table and closes the hole behind it, so that no tombstones gather.
void TraceAssembler::Release(uint32_t slot) {
  const size_t mask = table_.size() - 1;
  size_t hole = HashOf(traces_[slot].id) & mask;
  while (table_[hole] != slot + 1) hole = (hole + 1) & mask;
  for (size_t at = (hole + 1) & mask; table_[at] != 0; at = (at + 1) & mask) {
    const size_t home = HashOf(traces_[table_[at] - 1].id) & mask;
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    table_[hole] = table_[at];
    hole = at;
  }
  table_[hole] = 0;
  --used_;
  traces_[slot].spans = {};
  free_.push_back(slot);
}

std::vector<uint32_t> TraceAssembler::Touching(Nanos from, Nanos to) const {
  std::vector<uint32_t> slots;
  for (uint32_t slot = 0; slot < traces_.size(); ++slot) {
    const Trace& t = traces_[slot];
    if (!t.spans.empty() && t.end >= from && t.start < to) slots.push_back(slot);
  }
  OrderById(&slots);
  return slots;
}

std::vector<uint32_t> TraceAssembler::Leaving(Nanos before) const {
  std::vector<uint32_t> slots;
  for (uint32_t slot = 0; slot < traces_.size(); ++slot) {
    const Trace& t = traces_[slot];
    if (t.spans.empty() || t.start >= before) continue;
    const bool leaves =
        t.end < before || std::any_of(t.spans.begin(), t.spans.end(),
                                      [&](const OpenSpan& s) { return s.end < before; });
    if (leaves) slots.push_back(slot);
  }
  OrderById(&slots);
  return slots;
}

void TraceAssembler::OrderById(std::vector<uint32_t>* slots) const {
  std::sort(slots->begin(), slots->end(),
            [&](uint32_t a, uint32_t b) { return traces_[a].id < traces_[b].id; });
}

void TraceAssembler::Sort(Trace* trace) {
  if (trace->sorted) return;
  std::vector<OpenSpan>& spans = trace->spans;
  std::sort(spans.begin(), spans.end(), Before);
  const auto same_id = [](const OpenSpan& a, const OpenSpan& b) { return a.id == b.id; };
  for (size_t i = spans.size(); i-- > 1;) {
    if (!same_id(spans[i - 1], spans[i])) continue;
    ++duplicates_[spans[i].counted_as];
    // Whichever of the two was there when it was seen.
    if (spans[i].settled) spans[i - 1].settled = true;
    if (spans[i].calls_on) spans[i - 1].calls_on = true;
    if (spans[i].told_parent) spans[i - 1].told_parent = true;
  }
  const auto end = std::unique(spans.begin(), spans.end(), same_id);
  open_spans_ -= static_cast<size_t>(spans.end() - end);
  spans.erase(end, spans.end());
  trace->sorted = true;
}

const OpenSpan* TraceAssembler::Find(const Trace& trace, uint64_t id) {
  if (id == 0) return nullptr;
  const auto at =
      std::lower_bound(trace.spans.begin(), trace.spans.end(), id,
                       [](const OpenSpan& s, uint64_t wanted) { return s.id < wanted; });
  return at != trace.spans.end() && at->id == id ? &*at : nullptr;
}

OpenSpan* TraceAssembler::Find(Trace* trace, uint64_t id) {
  const OpenSpan* found = Find(*trace, id);
  return found == nullptr ? nullptr : trace->spans.data() + (found - trace->spans.data());
}

void TraceAssembler::FindWork(const Trace& trace) {
  // Libraries put spans of their own between a request and the calls that it makes; not so many
  // that a chain without end must be followed.
  constexpr int kMostBetween = 8;
  work_.assign(trace.spans.size(), {});
  for (const OpenSpan& call : trace.spans) {
    if (call.kind != telemetry::SpanKind::kClient) continue;
    const OpenSpan* above = Find(trace, call.parent);
    for (int i = 0; i < kMostBetween && above != nullptr && above->host == call.host; ++i) {
      if (above->kind != telemetry::SpanKind::kInternal) break;
      above = Find(trace, above->parent);
    }
    if (above == nullptr || !above->incoming() || above->host != call.host) continue;
    if (call.raw_start < above->raw_start || call.raw_end() > above->raw_end()) continue;
    Work& last = work_[static_cast<size_t>(above - trace.spans.data())];
    last = std::max(last, {call.raw_start, call.raw_end()});
  }
}

bool TraceAssembler::IsAlone(const OpenSpan& span) {
  // Above another client span of its service it is no call of its own, and a span of another
  // service below it is an answer of some kind.
  if (span.kind == telemetry::SpanKind::kClient) return !span.takes_connection && !span.calls_on;
  return span.kind == telemetry::SpanKind::kServer && span.parent != 0 && !span.told_parent;
}

void TraceAssembler::HoldAt(Nanos end, OpenSpan* span) {
  const Nanos moved = end - span->end;
  span->start += moved;
  span->end = end;
  if (span->clock_bound_s >= 0) span->clock_bound_s += static_cast<float>(ToSeconds(moved));
}

void TraceAssembler::FindExtent(Trace* trace) {
  trace->start = INT64_MAX;
  trace->end = INT64_MIN;
  for (const OpenSpan& s : trace->spans) {
    trace->start = std::min(trace->start, s.start);
    trace->end = std::max(trace->end, s.end);
  }
}

const JoinedTrace& TraceAssembler::JoinUntil(Trace* trace, Nanos to) {
  std::vector<OpenSpan>& spans = trace->spans;
  Sort(trace);
  const auto is_late = [&](const OpenSpan& s) { return s.start >= to; };
  if (std::none_of(spans.begin(), spans.end(), is_late)) {
    joined_.Join(spans);
  } else {
    visible_.clear();
    std::remove_copy_if(spans.begin(), spans.end(), std::back_inserter(visible_), is_late);
    joined_.Join(visible_);
  }
  return joined_;
}

std::vector<std::pair<telemetry::Format, uint64_t>> TraceAssembler::TakeDuplicates() {
  std::vector<std::pair<telemetry::Format, uint64_t>> found;
  for (size_t f = 1; f < duplicates_.size(); ++f) {
    if (duplicates_[f] > 0)
      found.emplace_back(static_cast<telemetry::Format>(f - 1), duplicates_[f]);
  }
  duplicates_.fill(0);
  return found;
}

void TraceAssembler::Forget(Nanos before, uint32_t slot) {
  Trace& trace = traces_[slot];
  if (trace.end < before) {
    open_spans_ -= trace.spans.size();
    Release(slot);
    return;
  }
  const auto gone = std::remove_if(trace.spans.begin(), trace.spans.end(),
                                   [&](const OpenSpan& s) { return s.end < before; });
  open_spans_ -= static_cast<size_t>(trace.spans.end() - gone);
  trace.spans.erase(gone, trace.spans.end());
  trace.trimmed = true;
  trace.start = INT64_MAX;
  for (const OpenSpan& s : trace.spans) trace.start = std::min(trace.start, s.start);
}

Nanos TraceAssembler::NextActivity(Nanos from) const {
  Nanos next = INT64_MAX;
  for (const Trace& trace : traces_) {
    if (trace.spans.empty() || trace.end < from) continue;
    for (const OpenSpan& span : trace.spans)
      if (span.end >= from) next = std::min(next, span.start);
  }
  return std::max(next, from);
}

size_t TraceAssembler::bytes() const {
  size_t room = visible_.capacity();
  for (const Trace& trace : traces_) room += trace.spans.capacity();
  return room * sizeof(OpenSpan) + traces_.capacity() * sizeof(Trace) +
         (table_.capacity() + free_.capacity()) * sizeof(uint32_t) + joined_.bytes();
}

}  // namespace tomograph::correlate
