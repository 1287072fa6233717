#include "correlate/requests/call_counter.h"

#include <algorithm>

#include "correlate/requests/way_up.h"

namespace tomograph::correlate {
namespace {

using telemetry::EntityId;
using telemetry::kNoEntity;
using telemetry::WindowKey;

const OpenSpan* ParentOf(const JoinedTrace& trace, size_t i) {
  const int32_t parent = trace.parent(i);
  return parent == JoinedTrace::kNone ? nullptr : &trace.spans()[static_cast<size_t>(parent)];
}

bool IsCallOfItsService(const OpenSpan& span, const OpenSpan* parent) {
  return span.incoming() || span.parent == 0 ||
         (parent != nullptr && parent->service != span.service);
}

/// The part of `span` inside `range` that none of its children covers.
Nanos SelfTime(const JoinedTrace& trace, size_t i, TimeRange range) {
  const OpenSpan& span = trace.spans()[i];
  const Nanos end = std::min(span.end, range.to);
  Nanos covered_to = std::max(span.start, range.from);
  Nanos self = std::max<Nanos>(0, end - covered_to);
  for (const int32_t c : trace.children(i)) {  // by start
    const OpenSpan& child = trace.spans()[static_cast<size_t>(c)];
    const Nanos from = std::max(child.start, covered_to);
    const Nanos to = std::min(child.end, end);
    if (to <= from) continue;
    self -= to - from;
    covered_to = to;
  }
  return self;
}

}  // namespace

CallCounter::Joins CallCounter::Count(TraceAssembler* traces, AddressBook* addresses,
                                      WindowBuilder* windows, MissingJoins* missing) {
  windows_ = windows;
  missing_ = missing;
  addresses_ = addresses;
  steps_.Begin(traces->kept_from());
  joins_ = {};
  unanswered_.clear();
  pairs_.clear();
  trace_number_ = 0;
  traces->ForEach(windows->start(), windows->end(), [&](const JoinedTrace& t) { CountTrace(t); });
  for (const WindowBuilder::Cell& cell : windows->cells())
    if (cell.window.key.caller == kNoEntity) senders_.insert(cell.window.key.entity);
  // Only now is it known who answers where, whatever the order of the traces.
  for (const auto& [pair, times] : pairs_)
    addresses->Observe(pair.first, pair.second, static_cast<double>(times));
  CountUnanswered(addresses);
  steps_.Finish(windows);
  return joins_;
}

void CallCounter::CountTrace(const JoinedTrace& trace) {
  windows_->NextTrace();
  ++trace_number_;
  for (size_t i = 0; i < trace.spans().size(); ++i) {
    const OpenSpan& span = trace.spans()[i];
    if (span.end < windows_->start()) continue;
    const OpenSpan* parent = ParentOf(trace, i);
    const bool ended = windows_->Ended(span);
    if (ended) {
      ++joins_.spans;
      if (span.parent != 0) ++(parent != nullptr ? joins_.joined : joins_.orphans);
      CountMissingJoins(trace, i);
    }
    if (IsCallOfItsService(span, parent)) {
      if (WindowBuilder::Cell* cell = windows_->At(WindowKey{span.service, kNoEntity}))
        windows_->AddCall(cell, span);
      if (parent != nullptr && !parent->outgoing() && parent->service != span.service) {
        if (WindowBuilder::Cell* cell = windows_->At(WindowKey{span.service, parent->service})) {
          windows_->AddCall(cell, span);
          windows_->Witness(cell, EdgeBasis::kSpans, 1);
        }
      }
    }
    if (span.takes_connection) CountTaking(trace, i);
    if (span.outgoing()) CountOutgoing(trace, i);
    if (ended && !span.outgoing()) CountExclusive(trace, i);
    if (ended && IsCallOfItsService(span, parent) && !span.outgoing())
      steps_.Count(trace, i, *addresses_);
  }
}

void CallCounter::CountOutgoing(const JoinedTrace& trace, size_t i) {
  const OpenSpan& call = trace.spans()[i];
  const OpenSpan* answer = nullptr;
  for (const int32_t c : trace.children(i)) {
    const OpenSpan& child = trace.spans()[static_cast<size_t>(c)];
    if (child.incoming() || child.service != call.service) {
      answer = &child;
      break;
    }
    if (child.outgoing()) return;  // one library calls through another: the inner span is the call
  }
  if (answer == nullptr) {
    if (call.peer != kNoEntity) unanswered_.push_back(Unanswered{call, trace_number_});
    return;
  }
  WindowBuilder::Cell* cell = windows_->At(WindowKey{answer->service, call.service});
  if (cell == nullptr) return;
  windows_->AddCall(cell, call);
  windows_->Witness(cell, EdgeBasis::kSpans, 1);
  if (!windows_->Ended(call)) return;
  if (call.peer != kNoEntity && call.peer != answer->service)
    ++pairs_[{call.peer, answer->service}];
  const Nanos wait = (call.end - call.start) - (answer->end - answer->start);
  if (call.kind == telemetry::SpanKind::kClient && wait >= 0) windows_->AddWait(cell, call, wait);
}

void CallCounter::CountMissingJoins(const JoinedTrace& trace, size_t i) {
  const OpenSpan& span = trace.spans()[i];
  if (span.incoming()) {
    missing_->CountReceived(span.service, span.parent == 0);
  } else if (span.outgoing() && !span.takes_connection) {
    missing_->CountCall(span.service, WayUpFrom(trace, i).lacks_request());
  }
}

void CallCounter::CountExclusive(const JoinedTrace& trace, size_t i) {
  const OpenSpan& span = trace.spans()[i];
  if (WindowBuilder::Cell* cell = windows_->At(WindowKey{span.service, kNoEntity}))
    windows_->AddExclusive(cell, span, SelfTime(trace, i, {span.start, span.end}));
}

// Making a new connection is a span of its own below the one that waits for it.
void CallCounter::CountTaking(const JoinedTrace& trace, size_t i) {
  const OpenSpan& span = trace.spans()[i];
  const OpenSpan* parent = ParentOf(trace, i);
  if (parent != nullptr && parent->takes_connection) return;
  if (WindowBuilder::Cell* cell = windows_->At(WindowKey{span.service, kNoEntity}))
    windows_->AddTaking(cell, span, SelfTime(trace, i, {windows_->start(), windows_->end()}));
}

void CallCounter::CountUnanswered(AddressBook* addresses) {
  uint64_t trace = 0;
  for (const Unanswered& u : unanswered_) {
    if (u.trace != trace) windows_->NextTrace();
    trace = u.trace;
    const AddressBook::Answer callee = addresses->Resolve(u.call.peer);
    // Nobody has been seen to answer at this address: no entity to draw an edge to.
    if (u.call.peer_is_address && callee.entity == u.call.peer) continue;
    if (WindowBuilder::Cell* cell = windows_->At(WindowKey{callee.entity, u.call.service})) {
      windows_->AddCall(cell, u.call);
      windows_->Witness(cell, EdgeBasis::kClientSpans, callee.confidence);
    }
    if (SendsSpans(callee.entity)) {
      if (windows_->Ended(u.call)) missing_->CountUnanswered(callee.entity);
      continue;
    }
    if (WindowBuilder::Cell* cell = windows_->At(WindowKey{callee.entity, kNoEntity}))
      windows_->AddCall(cell, u.call);
  }
}

}  // namespace tomograph::correlate
