#include "correlate/requests/call_counter.h"

#include <algorithm>

#include "correlate/rebuild/span_record.h"
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

/// A root client span is that of a job, or of a request whose context was lost on the way to it.
bool AsksWithoutRequest(const OpenSpan& span) { return span.outgoing() && span.parent == 0; }

/// What a span tells that no other side of it is known of.
CallPlacer::Call CallOf(const OpenSpan& span) {
  CallPlacer::Call call;
  call.teller = span.service;
  call.other = span.peer;
  call.operation = span.operation;
  call.by_address = span.peer_is_address;
  call.incoming = span.incoming();
  call.from = call.to = span.start;
  return call;
}

bool AnySeen(const std::vector<LinkedSpan>& linked) {
  return std::any_of(linked.begin(), linked.end(), [](const LinkedSpan& l) { return l.seen; });
}

bool IsCallOfItsService(const OpenSpan& span, const OpenSpan* parent) {
  if (AsksWithoutRequest(span)) return false;  // CountJobs sees to these
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
                                      CallPlacer* placer, const LinkBook& links,
                                      WindowBuilder* windows, Hearing* hearing,
                                      MissingJoins* missing, OpenCalls* open) {
  windows_ = windows;
  hearing_ = hearing;
  missing_ = missing;
  open_ = open;
  passed_on_ = &placer->passed_on();
  addresses_ = addresses;
  links_ = &links;
  steps_.Begin(traces->kept_from());
  joins_ = {};
  sent_.clear();
  unanswered_.clear();
  messages_.clear();
  jobs_.clear();
  parentless_.clear();
  passing_on_.clear();
  open_calls_.clear();
  pairs_.clear();
  trace_number_ = 0;
  traces->ForEach(windows->start(), windows->end(), [&](const JoinedTrace& t) { CountTrace(t); });
  CountJobs();
  for (const WindowBuilder::Cell& cell : windows->cells()) {
    const telemetry::Window& w = cell.window;
    if (w.key.caller != kNoEntity) continue;
    senders_.insert(w.key.entity);
    hearing->Add(w.key.entity, EdgeWitness::kSpans, static_cast<double>(w.spans.seen),
                 w.spans.calls);
  }
  LearnAddresses(addresses, placer);
  WeighClaims(addresses, placer);
  CountUnanswered(placer);
  CountMessages(*placer);
  TellOpen(*placer);
  steps_.Finish(windows);
  for (const auto& [service, records] : sent_) {
    if (WindowBuilder::Cell* cell = windows->AtIfRoom(WindowKey{service, kNoEntity}))
      cell->window.records += records;
  }
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
      ++sent_[span.service];
      if (span.parent != 0) ++(parent != nullptr ? joins_.joined : joins_.orphans);
      if (const auto senders = links_->Senders(span); span.parent == 0 && !senders.empty()) {
        if (AnySeen(senders))
          ++joins_.joined;
        else if (!senders.front().maybe_forgotten)
          ++joins_.orphans;
      }
      CountMissingJoins(trace, i);
    }
    if (span.incoming()) receivers_.insert(span.service);
    if (span.kind == telemetry::SpanKind::kServer) servers_.insert(span.service);
    if (span.outgoing()) passed_on_->SeeCaller(span.service);
    if (AsksWithoutRequest(span)) jobs_.push_back({span, trace_number_});
    if (IsCallOfItsService(span, parent)) {
      if (WindowBuilder::Cell* cell = windows_->At(WindowKey{span.service, kNoEntity}))
        windows_->AddCall(cell, span);
      if (parent != nullptr && !parent->outgoing() && parent->service != span.service) {
        if (WindowBuilder::Cell* cell = windows_->At(WindowKey{span.service, parent->service})) {
          windows_->AddCall(cell, span);
          windows_->Witness(cell, EdgeWitness::kSpans, 1, span);
        }
      }
    }
    if (parent != nullptr && IsLateAnswer(*parent, span)) CountLateAnswer(*parent, span);
    if (span.links != 0) CountLinked(trace, i);
    if (span.takes_connection) CountTaking(trace, i);
    if (span.outgoing()) CountOutgoing(trace, i);
    if (NamesSender(span, parent)) unanswered_.push_back(TracedCall{span, trace_number_});
    if (ended && !span.outgoing()) CountExclusive(trace, i);
    if (ended && IsCallOfItsService(span, parent) && !span.outgoing())
      steps_.Count(trace, i, *addresses_);
  }
}

/// Only now is it known who answers requests, whatever the order of the traces.
void CallCounter::CountJobs() {
  uint64_t trace = 0;
  for (const TracedCall& job : jobs_) {
    const bool serves = receivers_.count(job.call.service) > 0;
    if (serves) {
      if (!windows_->Ended(job.call)) continue;
      hearing_->Add(job.call.service, EdgeWitness::kSpans, 1, job.call.weight);
      senders_.insert(job.call.service);
      continue;
    }
    if (job.trace != trace) windows_->NextTrace();
    trace = job.trace;
    if (WindowBuilder::Cell* cell = windows_->At(WindowKey{job.call.service, kNoEntity}))
      windows_->AddCall(cell, job.call);
  }
}

/// A received span of which no id tells who sent it, but an address or a queue.
bool CallCounter::NamesSender(const OpenSpan& span, const OpenSpan* parent) const {
  if (!span.incoming() || span.peer == kNoEntity || !SentByNoParent(span, parent)) return false;
  return span.peer_is_address || links_->Senders(span).empty();
}

/// Did it begin only after the window in which its caller's span ended, and found no answer?
bool CallCounter::IsLateAnswer(const OpenSpan& call, const OpenSpan& answer) const {
  if (!call.outgoing() || call.end >= windows_->start()) return false;
  const Nanos length = windows_->end() - windows_->start();
  const Nanos windows_ago = (windows_->start() - 1 - call.end) / length;
  const bool other = answer.incoming() || answer.service != call.service;
  return other && answer.start >= windows_->start() - windows_ago * length;
}

/// What was handed over asynchronously is a call when it arrives.
void CallCounter::CountLateAnswer(const OpenSpan& call, const OpenSpan& answer) {
  WindowBuilder::Cell* cell = windows_->At(WindowKey{answer.service, call.service});
  if (cell == nullptr) return;
  windows_->AddCall(cell, answer);
  windows_->Witness(cell, EdgeWitness::kSpans, 1, answer);
}

/// Each link to a sender is a message, and so a call, when it is worked on.
void CallCounter::CountLinked(const JoinedTrace& trace, size_t i) {
  const OpenSpan& span = trace.spans()[i];
  const OpenSpan* parent = ParentOf(trace, i);
  // Who receives a batch and who works on one message of it both link to it.
  const LinkBook::Entry* told =
      parent != nullptr && parent->service == span.service ? links_->Of(*parent) : nullptr;
  for (const LinkedSpan& sent : links_->Senders(span)) {
    if (!sent.seen || sent.service == span.service) continue;
    if (told != nullptr &&
        std::find(told->targets.begin(), told->targets.end(), sent.ref) != told->targets.end())
      continue;
    if (WindowBuilder::Cell* cell = windows_->At(WindowKey{span.service, sent.service})) {
      windows_->AddCall(cell, span);
      windows_->Witness(cell, EdgeWitness::kSpans, 1, span);
    }
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
  const bool sends_to_queue = call.kind == telemetry::SpanKind::kProducer &&
                              call.peer != kNoEntity && !call.peer_is_address;
  if (sends_to_queue) messages_.push_back({{call, trace_number_}, answer != nullptr});
  if (answer == nullptr) {
    if (windows_->Ended(call)) NoteOpen(trace, i);
    if (call.peer != kNoEntity) {
      unanswered_.push_back(TracedCall{call, trace_number_});
    } else if (windows_->Ended(call)) {
      hearing_->AddUnplaced(call.service, 1);
    }
    return;
  }
  WindowBuilder::Cell* cell = windows_->At(WindowKey{answer->service, call.service});
  if (cell == nullptr) return;
  windows_->AddCall(cell, call);
  windows_->Witness(cell, EdgeWitness::kSpans, 1, call);
  open_->SendsIds(call.service);
  open_->TakesIds(answer->service);
  if (!windows_->Ended(call)) return;
  if (call.peer != kNoEntity && call.peer != answer->service) {
    Pair& pair = pairs_[{call.peer, call.operation, answer->service}];
    pair.first = std::min(pair.first, call.start);
    pair.last = std::max(pair.last, call.start);
    ++pair.times;
    const bool told = call.network != 0 && answer->network != 0;
    pair.elsewhere = pair.elsewhere || (told && call.network != answer->network);
  }
  const Nanos wait = (call.end - call.start) - (answer->end - answer->start);
  if (call.kind == telemetry::SpanKind::kClient && wait >= 0) windows_->AddWait(cell, call, wait);
}

void CallCounter::CountMissingJoins(const JoinedTrace& trace, size_t i) {
  const OpenSpan& span = trace.spans()[i];
  if (span.incoming()) {
    const bool parentless = span.parent == 0 && links_->Senders(span).empty();
    missing_->CountReceived(span.service, parentless);
    if (parentless) {
      parentless_.push_back(span);
      passed_on_->SeeReceived(span);
    }
    if (const auto call = passed_on_->CallOf(trace, i)) passing_on_.push_back(*call);
  } else if (span.outgoing() && !span.takes_connection) {
    missing_->CountCall(span.service, WayUpFrom(trace, i).lacks_request());
  }
}

/// Whom it may have reached is only known when all have told their addresses.
void CallCounter::NoteOpen(const JoinedTrace& trace, size_t i) {
  constexpr size_t kMostKinds = 10'000, kHighest = 1'000;
  const OpenSpan& call = trace.spans()[i];
  if (call.takes_connection) return;
  if (open_calls_.size() >= kMostKinds) return open_->AddUntold();
  OpenCall kind;
  kind.caller = call.service;
  kind.message = call.kind == telemetry::SpanKind::kProducer;
  auto at = static_cast<int32_t>(i);
  for (size_t up = 0; up < kHighest && at != JoinedTrace::kNone; ++up) {
    kind.for_whom.push_back(trace.spans()[static_cast<size_t>(at)].service);
    at = trace.parent(static_cast<size_t>(at));
  }
  std::sort(kind.for_whom.begin(), kind.for_whom.end());
  kind.for_whom.erase(std::unique(kind.for_whom.begin(), kind.for_whom.end()), kind.for_whom.end());
  open_calls_.insert_or_assign({call.peer, std::move(kind)}, call);
}

void CallCounter::TellOpen(const CallPlacer& placer) {
  for (const auto& [key, call] : open_calls_) {
    OpenCall open = key.second;
    open.callee = placer.CalleeOf(call);
    // A queue passes on what it gets.
    if (open.message && !SendsSpans(open.callee)) open.callee = kNoEntity;
    if (open.callee != kNoEntity && !SendsSpans(open.callee)) continue;
    open.nobodys =
        open.callee == kNoEntity && !open.message &&
        addresses_->Resolve(call.peer, call.start).certainty == AddressBook::Certainty::kNobody;
    open.by_times =
        open.callee == kNoEntity && !open.message && placer.TimesAloneTell(call, windows_->start());
    open_->Add(std::move(open));
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

/// Only now is it known who answers where, whatever the order of the traces.
void CallCounter::LearnAddresses(AddressBook* addresses, CallPlacer* placer) const {
  for (const auto& [who, pair] : pairs_) {
    const auto& [address, operation, service] = who;
    // From an address that does not leave the host to another host: by way of a relay.
    if (pair.elsewhere && placer->StaysOnHost(address)) {
      addresses->ObserveRelayed(address, service, pair.first, pair.last, pair.times);
    } else {
      addresses->Observe(address, service, pair.first, pair.last, pair.times);
    }
  }
  addresses->Settle();
  for (const auto& [who, pair] : pairs_) {
    const auto& [address, operation, service] = who;
    placer->ObserveShared(address, operation, service, pair.first, pair.last, pair.times);
  }
  addresses->Settle();
}

/// Whose addresses may be of which there is no word.
void CallCounter::WeighClaims(AddressBook* addresses, CallPlacer* placer) {
  AddressClaims& claims = placer->claims();
  for (const OpenSpan& r : parentless_)
    claims.AddRequest(r.service, r.start, r.end, SlackOf(r.clock_bound_s),
                      PassedOn::CalledWithin(r));
  for (const auto& [call, trace] : unanswered_) {
    if (call.incoming() || !windows_->Ended(call)) continue;
    claims.Add({call.peer, call.service, placer->CalleeOf(call),
                placer->TimesAloneTell(call, windows_->start()), call.start, call.end,
                SlackOf(call.clock_bound_s)});
  }
  for (const OpenSpan& call : passing_on_) {
    if (!passed_on_->ReachesAny(call)) continue;
    claims.Add({call.peer, call.service, placer->CalleeOf(call), /*open=*/true, call.start,
                call.end, SlackOf(call.clock_bound_s), call.network});
  }
  const auto heard = [this](EntityId service) {
    return hearing_->Find(service, EdgeWitness::kSpans) != nullptr;
  };
  claims.Settle(windows_->start(), windows_->end(), heard, addresses,
                [this](EntityId service) { missing_->CountUnclear(service); });
  addresses->Settle();
  for (const OpenSpan& call : passing_on_) {
    const EntityId callee = placer->CalleeOf(call);
    // Nobody but who takes it tells that it was passed on.
    if (callee == kNoEntity || !heard(callee)) hearing_->AddMayBePassedOn(call.service, 1);
    if (callee == kNoEntity || !passed_on_->ReachesAny(call)) continue;
    missing_->CountUnanswered(callee);
    passed_on_->SeeCallee(call.network, callee);
  }
}

void CallCounter::CountUnanswered(CallPlacer* placer) {
  // Callers first: what they tell of themselves their callees need not tell again.
  for (const bool incoming : {false, true}) {
    uint64_t trace = 0;
    for (const TracedCall& u : unanswered_) {
      if (u.call.incoming() != incoming) continue;
      if (u.trace != trace) windows_->NextTrace();
      trace = u.trace;
      CountOneSided(u.call, placer);
    }
  }
}

CallPlacer::Place CallCounter::PlaceOf(const OpenSpan& span, const CallPlacer& placer) const {
  return placer.Find(CallOf(span), [this](EntityId caller, EntityId callee) {
    return windows_->Has(WindowKey{callee, caller});
  });
}

/// Who takes from a queue without context has it from whoever sends there, also where ids lead from
/// the sender to another one.
void CallCounter::CountMessages(const CallPlacer& placer) {
  for (const TracedCall& u : unanswered_) {
    if (u.call.takes_from_queue() && PlaceOf(u.call, placer).entity == u.call.peer)
      taken_from_.insert(u.call.peer);
  }
  uint64_t trace = 0;
  for (const auto& [sent, answered] : messages_) {
    const EntityId queue = sent.call.peer;
    if (taken_from_.count(queue) == 0) continue;
    if (!answered && PlaceOf(sent.call, placer).entity == queue) continue;  // it is counted
    if (sent.trace != trace) windows_->NextTrace();
    trace = sent.trace;
    if (WindowBuilder::Cell* cell = windows_->At(WindowKey{queue, sent.call.service})) {
      windows_->AddCall(cell, sent.call);
      windows_->Witness(cell, EdgeWitness::kClientSpans, CallPlacer::kOwnName, sent.call);
    }
    if (SendsSpans(queue)) continue;
    if (WindowBuilder::Cell* cell = windows_->At(WindowKey{queue, kNoEntity}))
      windows_->AddCall(cell, sent.call);
  }
}

void CallCounter::CountOneSided(const OpenSpan& span, CallPlacer* placer) {
  const bool incoming = span.incoming();
  const bool ended = windows_->Ended(span);
  const EdgeWitness by = !incoming              ? EdgeWitness::kClientSpans
                         : span.peer_is_address ? EdgeWitness::kAccessLogs
                                                : EdgeWitness::kConsumerSpans;
  if (by == EdgeWitness::kAccessLogs && ended) hearing_->Add(span.service, by, 1, span.weight);
  if (!incoming && ended) {
    const EntityId callee = placer->CalleeOf(span);
    if (SendsSpans(callee)) missing_->CountUnanswered(callee);
  }
  const CallPlacer::Call call = CallOf(span);
  const CallPlacer::Place place = PlaceOf(span, *placer);
  if (place.entity == span.service) return;  // itself, by way of a proxy
  if (place.entity == kNoEntity || place.later) {
    if (!ended) return;
    if (!incoming) hearing_->AddUnplaced(span.service, 1);
    EdgeSight sight;
    sight.Add(0, span.weight, false);
    if (place.later) {
      placer->Later(call, by, sight, {windows_->start(), windows_->end()});
    } else if (!incoming) {  // the world outside has addresses too
      placer->CountUnplaced(call, 1);
    }
    return;
  }
  const EntityId caller = incoming ? place.entity : span.service;
  const EntityId callee = incoming ? span.service : place.entity;
  // Several answer there: who does may show yet.
  if (!ended && call.by_address && callee == call.other) return;
  if (!incoming && ended && call.by_address) {
    for (const auto& [other, share] : placer->Others(call, place))
      hearing_->AddElsewhere(caller, other, share);
  }
  if (WindowBuilder::Cell* cell = windows_->At(WindowKey{callee, caller})) {
    const bool told_by_caller =
        WindowBuilder::Sight(cell, EdgeWitness::kSpans).confidence > 0 ||
        WindowBuilder::Sight(cell, EdgeWitness::kClientSpans).confidence > 0;
    if (!incoming || !told_by_caller) windows_->AddCall(cell, span);
    windows_->Witness(cell, by, place.confidence, span);
  }
  if (incoming || SendsSpans(callee)) return;
  if (WindowBuilder::Cell* cell = windows_->At(WindowKey{callee, kNoEntity}))
    windows_->AddCall(cell, span);
}

}  // namespace tomograph::correlate
