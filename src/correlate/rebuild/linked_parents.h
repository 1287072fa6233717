// LinkedParents: where a span hangs that names no parent and links to what sent it what it works on
// (LinkBook): below the first of these that is here. A batch comes of several, and is shown once.
// While none of them is here it waits: what a consumer came of is lost until that comes, or was not
// found where it may have been here and is forgotten.
//
// Bounded: links beyond `most` are refused and counted. Not thread-safe.
#pragma once

#include <set>
#include <utility>
#include <vector>

#include "correlate/rebuild/trace_shelf.h"
#include "correlate/requests/link_book.h"

namespace tomograph::correlate {

class LinkedParents {
 public:
  /// `shelf` outlives it.
  LinkedParents(size_t most, TraceShelf* shelf) : most_(most), shelf_(*shelf) {}

  /// Does the trace link, is it linked to, or may it be by what is still to come?
  static bool Concern(const LeavingTrace& trace, const LinkBook& links);
  /// Of a trace that has just been laid on the shelf.
  void Join(const LeavingTrace& trace, const LinkBook& links);
  /// Of a trace that is about to be taken from it.
  void Forget(telemetry::TraceId trace);

  uint64_t joined() const { return joined_; }
  uint64_t links() const { return links_; }
  uint64_t unknown() const { return unknown_; }  // of these, to spans that were not seen
  uint64_t refused() const { return refused_; }

 private:
  void Note(const SpanRef& ref, const OpenSpan& span, std::vector<LinkedSpan> linked);
  bool HangBelow(const SpanRef& span, const SpanRef& target);
  void JoinWhatWaitsFor(const SpanRef& target);

  const size_t most_;
  TraceShelf& shelf_;
  std::set<std::pair<SpanRef, SpanRef>> waiting_;  // what is linked to, and what links to it
  size_t kept_ = 0;
  uint64_t joined_ = 0, links_ = 0, unknown_ = 0, refused_ = 0;
};

}  // namespace tomograph::correlate
