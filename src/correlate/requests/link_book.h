// LinkBook: what spans link to. Whom a consumer links to, or whose producer anybody does, is a
// fact: that span sent what the linking one works on; one that receives a batch names several.
// Other links tell of what is related (an earlier attempt, the same session), and of no call.
//
// An OpenSpan holds the number of its links; a link is found for as long as its span is open, and
// what it leads to for as long as that is open, or was a producer's and is among the last kMostSent
// of these that left. Once one was forgotten nobody knows of a span that is not here whether it
// never came. Bounded by kMostLinks; what that refuses, and who was forgotten, is counted. Not
// thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <unordered_map>
#include <vector>

#include "correlate/requests/trace_assembler.h"

namespace tomograph::correlate {

/// What a link leads to.
struct LinkedSpan {
  SpanRef ref;
  bool seen = false;             // it came; else nothing of the following is known
  bool maybe_forgotten = false;  // it is not here, and may have come
  bool sends = false;            // it is a producer's
  telemetry::EntityId service = telemetry::kNoEntity;
  telemetry::StringId operation = telemetry::kEmptyString;
};

class LinkBook {
 public:
  static constexpr size_t kMostLinks = 2'000'000;  // of open spans
  static constexpr size_t kMostSent = 200'000;
  static constexpr Nanos kMemory = 10 * kMinute;  // for which a link tells that links are in use

  /// `traces` outlives it.
  explicit LinkBook(TraceAssembler* traces) : traces_(traces) {}

  struct Entry {
    SpanRef span;                  // that has the links
    std::vector<SpanRef> targets;  // each once; at least one
    Nanos end = 0;                 // of `span`
  };

  /// Returns the number to keep in OpenSpan::links, 0 when nothing is left of them: links to the
  /// span itself and to its parent tell nothing more.
  uint32_t Add(const SpanRef& span, const OpenSpan& open, std::vector<SpanRef> targets);
  /// nullptr: there is none.
  const Entry* Of(const OpenSpan& span) const;
  /// What it links to, in the order of the links.
  std::vector<LinkedSpan> Linked(const OpenSpan& span) const;
  /// Those of them that sent what the span works on, came they or not.
  std::vector<LinkedSpan> Senders(const OpenSpan& span) const;
  static LinkedSpan Seen(const SpanRef& ref, const OpenSpan& span) {
    return {ref, true, false, Sends(span), span.service, span.operation};
  }
  /// Is a link to `target` one to what sent what the span works on?
  static bool IsSender(const OpenSpan& span, const LinkedSpan& target) {
    return span.kind == telemetry::SpanKind::kConsumer || target.sends;
  }
  /// Does an open span link to it?
  bool IsTarget(const SpanRef& ref) const { return targets_.count(ref) > 0; }
  /// Did any span with links end within kMemory before what was forgotten last?
  bool in_use() const { return in_use_; }
  /// Does the span send something that others may link to?
  static bool Sends(const OpenSpan& span) { return span.kind == telemetry::SpanKind::kProducer; }

  /// A span that may be linked to leaves the assembler: links to it will still be known.
  void KeepSent(const SpanRef& ref, const OpenSpan& span);
  /// Spans that ended before `before` have left.
  void Forget(Nanos before);
  /// Calls visit(const Entry&) for those of spans that end within [from, to), as they said it; by
  /// their ends, of equals as they came.
  template <typename Visit>
  void ForEach(Nanos from, Nanos to, Visit&& visit) const {
    for (auto at = by_end_.lower_bound(from); at != by_end_.end() && at->first < to; ++at)
      visit(entries_.at(at->second));
  }
  uint64_t refused() const { return refused_; }
  uint64_t forgotten() const { return forgotten_; }  // senders
  size_t bytes() const;

 private:
  struct HashOf {
    size_t operator()(const SpanRef& ref) const;
  };
  LinkedSpan Look(const SpanRef& target) const;

  TraceAssembler* const traces_;
  std::unordered_map<uint32_t, Entry> entries_;
  std::multimap<Nanos, uint32_t> by_end_;
  std::unordered_map<SpanRef, uint32_t, HashOf> targets_;  // -> links to it
  std::unordered_map<SpanRef, LinkedSpan, HashOf> sent_;
  std::deque<SpanRef> sent_order_;
  uint32_t last_ = 0;
  size_t links_ = 0;
  Nanos newest_ = INT64_MIN;  // end of a span with links
  bool in_use_ = false;
  uint64_t refused_ = 0, forgotten_ = 0;
};

}  // namespace tomograph::correlate
