// LostSpans: where does a span belong that never came, but that others name as their parent?
//
// It hangs below a span of its own trace that lasts at least as long as those below it do (by
// corrected times). Which one is inferred from what was seen elsewhere with the middle in place:
//     P(g | children) = (n(g, child) + a) / sum over all g' and "none of these"
// n: how often a span of g's service and operation was the grandparent of one like the child. Of
// equals, the innermost. Learned from one trace in kEvery; bounded. When nothing encloses it, or no
// place is likelier than not, it is shown as a root of its own part.
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

  void Learn(const LeavingTrace& trace);
  /// Above the span that `children` (indices into `trace`, at least one) name as their parent.
  Above Place(telemetry::TraceId id, const ShelvedTrace& trace,
              const std::vector<int32_t>& children) const;

 private:
  static uint64_t KeyOf(const OpenSpan& span);
  double Seen(const OpenSpan& grandparent, const OpenSpan& child) const;

  std::unordered_map<uint64_t, uint32_t> pairs_;  // hash of (grandparent, child) -> times
};

}  // namespace tomograph::correlate
