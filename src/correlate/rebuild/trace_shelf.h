// TraceShelf: traces that wait until it is decided what their spans belong to. Spans come with the
// joins that ids tell; joins by inference are added as they are decided. Bounded: beyond max_spans,
// and of one trace beyond a quarter of that, nothing is taken (counted by the caller). Not
// thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "correlate/requests/link_book.h"
#include "correlate/requests/trace_assembler.h"
#include "telemetry/rebuilt_request.h"

namespace tomograph::correlate {

/// What stands above a span.
struct Above {
  telemetry::JoinBasis basis = telemetry::JoinBasis::kRoot;
  SpanRef parent;  // kId: named by the span, there or not; else: there when it was decided
  float posterior = 1;
  float none = 0;
  SpanRef runner_up;
  float runner_up_posterior = 0;
  telemetry::UnknownParent why = telemetry::UnknownParent::kNotFound;  // of kUnknown
  bool by_link = false;  // kId: by a link of the span, which may lead to another trace

  static Above Unknown(telemetry::UnknownParent why, double none = 0) {
    return {telemetry::JoinBasis::kUnknown, {}, 0, static_cast<float>(none), {}, 0, why};
  }
  /// It was there, in this trace or another, when it was decided.
  bool decided() const { return basis == telemetry::JoinBasis::kInferred || by_link; }
};

struct ShelvedSpan {
  OpenSpan span;
  Above above;
};

struct ShelvedTrace {
  Nanos start = INT64_MAX;
  Nanos end = INT64_MIN;
  bool trimmed = false;            // spans of it are not here: a parent that is not may be of them
  bool awaits_more = false;        // spans of it have come and will leave later
  bool shown = false;              // its own roots have been built
  std::vector<ShelvedSpan> spans;  // by id
  std::map<uint64_t, std::vector<LinkedSpan>> links;  // of its spans
  /// Index; -1: not there.
  int Find(uint64_t span) const;
};

class TraceShelf {
 public:
  explicit TraceShelf(size_t max_spans) : max_spans_(max_spans) {}

  /// The spans that leave, but for those that are here already. False: there is no room, and what
  /// is here of the trace stays trimmed.
  bool Add(const LeavingTrace& trace);
  /// False, and nothing is changed, if the span is not there, or if it would end up above itself.
  bool Join(const SpanRef& span, const Above& above);
  void Remove(telemetry::TraceId trace);
  const ShelvedSpan* Find(const SpanRef& ref) const;
  std::map<telemetry::TraceId, ShelvedTrace>& traces() { return traces_; }
  const std::map<telemetry::TraceId, ShelvedTrace>& traces() const { return traces_; }
  size_t spans() const { return span_count_; }
  size_t bytes() const { return span_count_ * sizeof(ShelvedSpan) + traces_.size() * 128; }

 private:
  bool IsAbove(const SpanRef& span, SpanRef from) const;

  const size_t max_spans_;
  size_t span_count_ = 0;
  std::map<telemetry::TraceId, ShelvedTrace> traces_;
};

}  // namespace tomograph::correlate
