#include "correlate/rebuild/record_maker.h"

#include <span>

#include "correlate/requests/way_up.h"

namespace tomograph::correlate {
namespace {

using linking::CallRecord;
using telemetry::EntityId;
using telemetry::kNoEntity;

const OpenSpan* AnswerTo(const JoinedTrace& trace, size_t i) {
  for (const int32_t c : trace.children(i)) {
    const OpenSpan& child = trace.spans()[static_cast<size_t>(c)];
    if (child.incoming() && child.service != trace.spans()[i].service) return &child;
  }
  return nullptr;
}

/// The caller's span of what was received, by ids; kNone: it is not there.
int32_t CallerOf(const JoinedTrace& trace, size_t received) {
  const int32_t parent = trace.parent(received);
  if (parent == JoinedTrace::kNone) return parent;
  const OpenSpan& sent = trace.spans()[static_cast<size_t>(parent)];
  return sent.outgoing() && sent.service != trace.spans()[received].service ? parent
                                                                            : JoinedTrace::kNone;
}

}  // namespace

const std::vector<MadeRecord>& RecordMaker::Make(const LeavingTrace& trace,
                                                 const MissingJoins& missing,
                                                 const CallPlacer& placer, const LinkBook& links) {
  made_.clear();
  unanswered_.clear();
  FindMeetings(trace, missing, placer);
  for (size_t i = 0; i < trace.joined.spans().size(); ++i) {
    const OpenSpan& span = trace.joined.spans()[i];
    if ((!trace.Leaves(i) && !above_meeting_[i]) || span.service == kNoEntity) continue;
    if (span.incoming()) {
      Received(trace, i, missing, placer, links);
      if (!trace.Leaves(i)) continue;
      const auto call = placer.passed_on().CallOf(trace.joined, i);
      if (call && placer.passed_on().ReachesAny(*call))
        SentTo(placer.CalleeOf(*call), false, trace, i, *call, missing);
    } else if (span.outgoing() && !span.takes_connection && !HasInnerCall(trace.joined, i)) {
      Sent(trace, i, missing, placer);
    }
  }
  return made_;
}

void RecordMaker::FindMeetings(const LeavingTrace& trace, const MissingJoins& missing,
                               const CallPlacer& placer) {
  const std::span<const OpenSpan> spans = trace.joined.spans();
  above_meeting_.assign(spans.size(), false);
  meeting_.clear();
  for (size_t i = 0; i < spans.size(); ++i) {
    if (spans[i].incoming() && missing.WithinOpen(spans[i].service)) {
      meeting_.push_back(CallerOf(trace.joined, i));
    } else if (spans[i].outgoing() && AnswerTo(trace.joined, i) == nullptr) {
      const EntityId callee = placer.CalleeOf(spans[i]);
      if (missing.WithinOpen(callee) && missing.IntoOpen(callee))
        meeting_.push_back(static_cast<int32_t>(i));
    }
  }
  if (meeting_.size() < 2) return;
  for (const int32_t sent : meeting_) MarkAbove(trace, sent);
}

void RecordMaker::MarkAbove(const LeavingTrace& trace, int32_t sent) {
  // What may not have come yet is left out, so that the answer does not hang on when it comes.
  const auto come = [&](size_t i) { return trace.joined.spans()[i].end < trace.come; };
  while (sent != JoinedTrace::kNone) {
    const auto call = static_cast<size_t>(sent);
    const WayUp way = WayUpFrom(trace.joined, call);
    if (above_meeting_[call] || !way.found || !come(call) || !come(way.received)) return;
    above_meeting_[call] = above_meeting_[way.received] = true;
    sent = CallerOf(trace.joined, way.received);
  }
}

void RecordMaker::Received(const LeavingTrace& trace, size_t i, const MissingJoins& missing,
                           const CallPlacer& placer, const LinkBook& links) {
  const OpenSpan& span = trace.joined.spans()[i];
  const int32_t caller = CallerOf(trace.joined, i);
  if (trace.Leaves(i) && missing.IntoUnclear(span.service))
    Arrived(trace, i, caller, placer, links);
  if (!above_meeting_[i] && !missing.WithinOpen(span.service)) return;
  CallRecord record = RecordOf(trace.id, span, SpanPart::kReceived);
  if (caller != JoinedTrace::kNone) {
    const OpenSpan& sent = trace.joined.spans()[static_cast<size_t>(caller)];
    record.counterpart = RecordId(trace.id, sent.id, SpanPart::kCall);
  }
  made_.push_back({record, SpanPart::kReceived, i, i, false, kNoEntity});
}

void RecordMaker::Arrived(const LeavingTrace& trace, size_t i, int32_t caller,
                          const CallPlacer& placer, const LinkBook& links) {
  const OpenSpan& span = trace.joined.spans()[i];
  CallRecord record = RecordOf(trace.id, span, SpanPart::kArrived);
  record.peer =
      placer.passed_on().BehindProxy(span) ? PassedOn::ProxyOf(span) : placer.CallerOf(span);
  if (caller != JoinedTrace::kNone) {
    const OpenSpan& sent = trace.joined.spans()[static_cast<size_t>(caller)];
    record.known_parent = RecordId(trace.id, sent.id, SpanPart::kSent);
  } else if (span.parent != 0 || !links.Senders(span).empty()) {
    return;  // its caller's span is known by id
  }
  made_.push_back({record, SpanPart::kArrived, i, i, record.known_parent == 0, kNoEntity});
}

void RecordMaker::Sent(const LeavingTrace& trace, size_t i, const MissingJoins& missing,
                       const CallPlacer& placer) {
  const OpenSpan& span = trace.joined.spans()[i];
  const OpenSpan* answer = AnswerTo(trace.joined, i);
  if (above_meeting_[i] || missing.WithinOpen(span.service)) {
    const WayUp way = WayUpFrom(trace.joined, i);
    CallRecord record = RecordOf(trace.id, span, SpanPart::kCall);
    if (answer != nullptr) record.counterpart = RecordId(trace.id, answer->id, SpanPart::kReceived);
    if (way.found) {
      const OpenSpan& received = trace.joined.spans()[way.received];
      record.known_parent = RecordId(trace.id, received.id, SpanPart::kReceived);
    }
    if (way.found || !way.broken)
      made_.push_back({record, SpanPart::kCall, i, way.top, !way.found, kNoEntity});
  }
  if (!trace.Leaves(i)) return;
  SentTo(answer != nullptr ? answer->service : placer.CalleeOf(span), answer != nullptr, trace, i,
         span, missing);
}

void RecordMaker::SentTo(EntityId callee, bool answered, const LeavingTrace& trace, size_t i,
                         const OpenSpan& call, const MissingJoins& missing) {
  const bool told = callee != kNoEntity && missing.IntoOpen(callee);
  if (!answered && call.peer != kNoEntity) unanswered_.push_back({call, told ? callee : kNoEntity});
  if (!told) return;
  CallRecord record = RecordOf(trace.id, call, SpanPart::kSent, callee);
  if (call.incoming()) record.peer = call.peer;  // each host's proxy is another caller
  made_.push_back(
      {record, SpanPart::kSent, i, i, false, call.peer_is_address ? call.peer : kNoEntity});
}

}  // namespace tomograph::correlate
