// LostSpans: where does a span belong that never came, but that others name as their parent?
//
// It hangs below a span of its own trace that lasts at least as long as those below it do (by
// corrected times). Which one is inferred from what was seen elsewhere with the middle in place:
//     P(g | children) = w(g) / (0.06 + sum of w over all that enclose it)
//     w(g) = (n(g, child) + 0.05) / (n(child) + 1),   of several children the greatest
// n(g, child): how often a span of g's service and operation was the grandparent of one like the
// child; n(child): how often anything was. 0.06 stands for none of those that came: more than a
// link weighs that was never seen, so that such a link is never likelier than not, and is the less
// likely the better the child is known. Of equals, the innermost. When nothing encloses it, or no
// place is likelier than not, it is shown as a root of its own part.
//
// Learned from one trace in kEvery; bounded. Placing costs one pass over the trace for each lost
// span; in a trace of more than kMaxSpans none is placed.
//
// Wrong when the lost span outlived its parent (messages), or when two in a row are lost.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "correlate/rebuild/trace_shelf.h"

namespace tomograph::correlate {

class LostSpans {
 public:
  static constexpr uint64_t kEvery = 16;
  static constexpr size_t kMaxPairs = 50'000;
  static constexpr size_t kMaxSpans = 2'000;

  void Learn(const LeavingTrace& trace);
  /// Above the span that `children` (indices into `trace`, at least one) name as their parent.
  Above Place(telemetry::TraceId id, const ShelvedTrace& trace,
              const std::vector<int32_t>& children) const;

 private:
  static uint64_t KeyOf(const OpenSpan& span);
  double Weight(const OpenSpan& grandparent, const OpenSpan& child) const;

  std::unordered_map<uint64_t, uint32_t> pairs_;     // hash of (grandparent, child) -> times
  std::unordered_map<uint64_t, uint32_t> children_;  // the same of all grandparents
};

}  // namespace tomograph::correlate
