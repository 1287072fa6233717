// RequestTrees: from shelved traces and their joins to whole requests, with lost spans in place.
// Made for one pass over the shelf; reads it only. A span stands in one request. Where ids run in a
// circle, the span of it that starts first is shown as a root whose parent was not found. What is
// left out for its number is not shown. A client's span that somebody should have answered, with
// nothing that was received or called below it, has lost its other side; a call that failed may
// have reached nobody.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "correlate/rebuild/lost_spans.h"
#include "correlate/rebuild/trace_shelf.h"
#include "telemetry/interner.h"
#include "telemetry/rebuilt_request.h"

namespace tomograph::correlate {

class RequestTrees {
 public:
  static constexpr size_t kMostSpans = 2'000;  // of one request
  static constexpr size_t kMostLinks = 500;    // likewise, beside those that joined a span

  /// Who sends spans of what it receives and was called by a span; or kNoEntity.
  using Answerer = std::function<telemetry::EntityId(const OpenSpan& call)>;

  /// All outlive this.
  RequestTrees(const TraceShelf& shelf, const LostSpans& lost_spans,
               const telemetry::Interner& strings, Answerer answerer);

  /// The requests whose root is in `trace`, which is on the shelf.
  std::vector<telemetry::RebuiltRequest> RootedIn(telemetry::TraceId trace);
  /// Traces of other spans that spans of `trace` hang below and that are on the shelf.
  std::vector<telemetry::TraceId> TracesAbove(telemetry::TraceId trace) const;

 private:
  /// A span, or one that is lost.
  struct Node {
    SpanRef ref;
    bool lost = false;
  };
  struct LostSpan {
    uint64_t id = 0;
    std::vector<int32_t> children;  // indices into the trace
    Above above;
  };
  /// Who is below whom in one trace.
  struct Local {
    std::vector<std::vector<int32_t>> children;  // by index of the parent
    std::vector<LostSpan> lost;
    std::vector<int32_t> opened;                         // where circles of ids were
    std::map<uint64_t, std::vector<size_t>> lost_below;  // span -> lost spans below it
  };

  static bool HangsBelowItself(const ShelvedTrace& trace, const std::vector<int32_t>& parents,
                               const std::vector<LostSpan>& placed, const LostSpan& lost);
  static const LostSpan* FindLost(const std::vector<LostSpan>& lost, uint64_t id);
  const Local& LocalOf(telemetry::TraceId trace);
  std::vector<Node> Children(const Node& node);
  const LostSpan* FindLost(const SpanRef& ref);
  telemetry::RebuiltRequest Build(const Node& root);
  telemetry::EntityId UnansweredBy(const Node& node, const std::vector<Node>& children) const;
  telemetry::RebuiltSpan SpanOf(const Node& node);
  telemetry::RebuiltSpan SpanOfLost(const SpanRef& ref, const LostSpan& lost);
  telemetry::RebuiltSpan::Choice ChoiceOf(const SpanRef& ref, double posterior) const;

  const TraceShelf& shelf_;
  const LostSpans& lost_spans_;
  const telemetry::Interner& strings_;
  const Answerer answerer_;
  std::map<SpanRef, std::vector<SpanRef>> joined_below_;  // by inference or link, across traces
  std::map<telemetry::TraceId, Local> locals_;
};

}  // namespace tomograph::correlate
