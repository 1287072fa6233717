#include "correlate/rebuild/request_rebuilder.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "correlate/rebuild/hop_clocks.h"
#include "correlate/rebuild/linked_parents.h"
#include "correlate/rebuild/lost_spans.h"
#include "correlate/rebuild/record_maker.h"
#include "correlate/rebuild/request_tree.h"
#include "correlate/rebuild/span_record.h"
#include "correlate/rebuild/stray_calls.h"
#include "correlate/rebuild/trace_shelf.h"

namespace tomograph::correlate {
namespace {

using linking::CallRecord;
using linking::Link;
using telemetry::EntityId;
using telemetry::InferredJoin;
using telemetry::JoinBasis;
using telemetry::kNoEntity;
using telemetry::TraceId;
using telemetry::UnknownParent;

// A join between services that is as sure tells the linker the other side of a call, as an id
// would.
constexpr float kSureOfHop = .8;
constexpr double kLikelier = .5;  // than all else together

bool AllLeave(const LeavingTrace& trace) {
  for (size_t i = 0; i < trace.joined.spans().size(); ++i)
    if (!trace.Leaves(i)) return false;
  return true;
}

/// How the ids of a trace hang together, as far as it has come.
struct Shape {
  bool misses_parent = false;  // a span names one that is not there
  bool circle = false;         // ids run in one
  /// Every span stands below a root.
  bool whole() const { return !misses_parent && !circle; }
};

Shape ShapeOf(const JoinedTrace& trace, std::vector<int32_t>* below) {
  Shape shape;
  below->clear();
  for (size_t i = 0; i < trace.spans().size(); ++i) {
    if (trace.parent(i) != JoinedTrace::kNone) continue;
    const OpenSpan& top = trace.spans()[i];
    if (top.parent == top.id) shape.circle = true;
    if (top.parent != 0 && top.parent != top.id) shape.misses_parent = true;
    below->push_back(static_cast<int32_t>(i));
  }
  for (size_t k = 0; k < below->size(); ++k) {
    const auto children = trace.children(static_cast<size_t>((*below)[k]));
    below->insert(below->end(), children.begin(), children.end());
  }
  if (below->size() < trace.spans().size()) shape.circle = true;
  return shape;
}

/// A server's span lies within its client's, whatever the server goes on to do: by law.
linking::LinkerOptions NestedHops(linking::LinkerOptions options) {
  options.hand_offs = false;
  options.more_calls = false;
  return options;
}

}  // namespace

RebuilderOptions::RebuilderOptions() {
  linker.horizon = 30 * kSecond;
  linker.learn_time = kMinute;
  linker.learn_records = 20'000;
  linker.max_records = 1'000'000;
}

struct RequestRebuilder::Impl {
  using Servers = RequestRebuilder::Servers;

  /// A record of the linker's, as what it was made from.
  struct Ref {
    SpanRef span;
    SpanRef joined;  // what a join moves: the top of the span's own part of the trace
    SpanPart part = SpanPart::kCall;
    EntityId service = kNoEntity;
    EntityId address = kNoEntity;
    Nanos start = 0;
    bool undecided = false;
    bool all_sent = true;    // whoever may have sent it is known to the linker,
    bool all_placed = true;  // and no call of which nobody knows the callee may have been it

    /// What it may be joined to may end by its own clock as early as this.
    Nanos earliest() const {
      return start - (part == SpanPart::kArrived ? HopClocks::kReach : linking::kHandOff);
    }
  };

  Impl(const RebuilderOptions& o, const telemetry::Interner* s)
      : options(o),
        strings(*s),
        hops(NestedHops(o.linker)),
        within(o.linker),
        strays(o.max_waiting_spans),
        too_few(o.max_waiting_spans),
        shelf(o.max_waiting_spans),
        linked_parents(o.max_waiting_links, &shelf),
        gallery(o.max_kept) {}

  // ---- what comes in ----

  void Take(const LeavingTrace& trace, const MissingJoins& missing, const OpenCalls& open,
            const CallPlacer& placer, const LinkBook& links, const Servers& serve) {
    known_places = &placer;
    servers = &serve;
    lost_spans.Learn(trace);
    for (size_t i = 0; i < trace.joined.spans().size(); ++i) {
      if (trace.Leaves(i) && trace.joined.parent(i) != JoinedTrace::kNone) ++totals.by_id;
    }
    static const std::vector<MadeRecord> kNone;
    const bool looks = missing.any() || missing.any_unclear();
    const auto& records = looks ? maker.Make(trace, missing, placer, links) : kNone;
    if (looks) {
      for (const RecordMaker::Unanswered& u : maker.unanswered()) {
        strays.Add({u.call, u.told_to});
        const EntityId callee = u.told_to == kNoEntity ? placer.CalleeOf(u.call) : kNoEntity;
        if (servers->count(callee) > 0) too_few.Add({WithinReach(u.call), callee});
      }
    }
    const bool all_leave = AllLeave(trace);
    const bool known = (all_leave ? judged.erase(trace.id) : judged.count(trace.id)) > 0;
    const bool linked = links.in_use() && LinkedParents::Concern(trace, links);
    const bool may_be_answered = !all_leave && !known && Wanted(trace) && AwaitsAnswer(trace);
    if (records.empty() && !linked && !may_be_answered && shelf.traces().count(trace.id) == 0) {
      CountParents(trace, open, links);
      if (!known) TakeAsItIs(trace, open, links, all_leave);
      return;
    }
    if (!shelf.Add(trace)) {
      CountParents(trace, open, links);
      refused += records.size();
      for (size_t i = 0; i < trace.joined.spans().size(); ++i) {
        const uint64_t span = trace.joined.spans()[i].id;
        if (trace.Leaves(i) && shelf.Find({trace.id, span}) == nullptr) Forget(trace.id, span);
      }
      return;
    }
    if (known) shelf.traces().at(trace.id).shown = true;
    if (linked) linked_parents.Join(trace, links);
    for (const MadeRecord& made : records) {
      const OpenSpan& span = trace.joined.spans()[made.span];
      Ref ref = RefTo(trace, made);
      ref.all_placed = !MayBeCalled(span, open, links, /*looked_for=*/true);
      if (!refs.emplace(made.record.id, ref).second) continue;  // it was sent again
      if (ref.undecided) ++undecided[ref.earliest()];
      if (ref.undecided && ref.part == SpanPart::kArrived) ++parents.waiting;
      Hand(made.record, ref, span);
    }
    CountParents(trace, open, links);
    MarkOpen(trace, open, links, &shelf);
  }

  /// Where the clocks of the two hosts are not known, what it became lies within this.
  static OpenSpan WithinReach(OpenSpan call) {
    call.start -= HopClocks::kReach;
    call.end += HopClocks::kReach;
    return call;
  }

  static Ref RefTo(const LeavingTrace& trace, const MadeRecord& made) {
    const OpenSpan& span = trace.joined.spans()[made.span];
    const SpanRef top{trace.id, trace.joined.spans()[made.top].id};
    return {{trace.id, span.id}, top,  made.part, span.service, made.address, span.start,
            made.undecided,      true, true};
  }

  /// Is it being looked for who sent what was received?
  bool LookedFor(TraceId trace, const OpenSpan& span) const {
    const auto at = refs.find(RecordId(trace, span.id, SpanPart::kArrived));
    return at != refs.end() && at->second.undecided;
  }

  static bool MayBeCalled(const OpenSpan& span, const OpenCalls& open, const LinkBook& links,
                          bool looked_for = false) {
    return span.incoming() && span.parent == 0 && links.Senders(span).empty() &&
           open.MayBe(span.service, span.kind, span.start, span.end, looked_for);
  }

  void CountParents(const LeavingTrace& trace, const OpenCalls& open, const LinkBook& links) {
    for (size_t i = 0; i < trace.joined.spans().size(); ++i) {
      const OpenSpan& span = trace.joined.spans()[i];
      if (!trace.Leaves(i) || !span.incoming()) continue;
      const int32_t up = trace.joined.parent(i);
      const OpenSpan* parent =
          up == JoinedTrace::kNone ? nullptr : &trace.joined.spans()[static_cast<size_t>(up)];
      if (span.takes_from_queue() && SentByNoParent(span, parent) && links.Senders(span).empty() &&
          !LookedFor(trace.id, span)) {
        ++parents.from_queue;
        untold.push_back({span.service, span.start});
      } else if (parent != nullptr) {
        ++parents.by_id;
      } else if (span.parent != 0) {
        // It may have left before.
        ++(shelf.Find({trace.id, span.parent}) != nullptr ? parents.by_id : parents.lost);
      } else if (const auto senders = links.Senders(span); !senders.empty()) {
        const bool seen = std::any_of(senders.begin(), senders.end(),
                                      [](const LinkedSpan& sender) { return sender.seen; });
        ++(seen                              ? parents.by_id
           : senders.front().maybe_forgotten ? parents.not_found
                                             : parents.lost);
      } else if (!LookedFor(trace.id, span)) {
        ++(MayBeCalled(span, open, links) ? parents.not_looked_for : parents.root);
        untold.push_back({span.service, span.start});
      }
    }
  }

  /// What may have been called by nobody knows whom is no root.
  void MarkOpen(const LeavingTrace& trace, const OpenCalls& open, const LinkBook& links,
                TraceShelf* on) {
    for (const OpenSpan& span : trace.joined.spans()) {
      // Somebody put there what it took, so that it is no root.
      const bool from_queue =
          span.takes_from_queue() && span.parent == 0 && links.Senders(span).empty();
      if (!from_queue && !MayBeCalled(span, open, links)) continue;
      if (LookedFor(trace.id, span)) continue;
      const SpanRef ref{trace.id, span.id};
      const ShelvedSpan* present = on->Find(ref);
      if (present == nullptr || present->above.basis != JoinBasis::kRoot) continue;
      on->Join(ref, Above::Unknown(from_queue ? UnknownParent::kFromQueue
                                              : UnknownParent::kNotLookedFor));
    }
  }

  /// A request of which it is still to be told who sent it waits for that.
  void Hand(const CallRecord& record, const Ref& made, const OpenSpan& span) {
    const bool sent = made.part == SpanPart::kSent, arrives = made.part == SpanPart::kArrived;
    const bool takes_times = HopClocks::Takes(record);
    if (sent && takes_times) {
      hop_clocks.Sent(record, span.host);
    } else if (arrives && takes_times) {
      hop_clocks.Received(record, span.host, span.service);
    } else if (sent || arrives) {
      hops.Add({&record, 1});
    }
    if (sent || arrives) return;
    const uint64_t arrived = RecordId(made.span.trace, made.span.span, SpanPart::kArrived);
    const auto hop = refs.find(arrived);
    if (made.part == SpanPart::kReceived && hop != refs.end() && hop->second.undecided &&
        held.emplace(arrived, record).second) {
      held_ends.insert(record.end);
    } else {
      within.Add({&record, 1});
    }
  }

  /// The hop is decided: who sent it is the other side, unless that is in doubt.
  void Release(const Link& hop) {
    const auto at = held.find(hop.call);
    if (at == held.end()) return;
    CallRecord record = at->second;
    held.erase(at);
    held_ends.erase(held_ends.find(record.end));
    const auto sent = refs.find(hop.request);
    if (sent != refs.end() && hop.posterior >= kSureOfHop) {
      const SpanRef span = sent->second.span;
      record.counterpart = RecordId(span.trace, span.span, SpanPart::kCall);
    }
    within.Add({&record, 1});
  }

  /// Nothing is to be inferred. It is judged once: when it is whole, although some of it may leave
  /// later, or, for what is wrong with it, when nothing more can come.
  void TakeAsItIs(const LeavingTrace& trace, const OpenCalls& open, const LinkBook& links,
                  bool all_leave) {
    const Shape shape = ShapeOf(trace.joined, &below);
    const bool lost = shape.misses_parent && all_leave && !trace.trimmed && !trace.cut_off;
    if (lost || shape.circle || (shape.whole() && Wanted(trace))) ShowAtOnce(trace, open, links);
    if (!all_leave && (shape.circle || shape.whole())) judged.insert(trace.id);
  }

  // ---- what is decided ----

  /// The linker answers all links together, in which one may be less likely than another choice
  /// would be for its call alone. That one is shown where it is likelier than all else together.
  /// Where nothing is, the answer stays: of many small shares of a sample the greatest is too
  /// great, and is told as no greater than the answer's.
  static Link Likeliest(Link link) {
    if (link.by_id) return link;
    Link::Choice& next = link.others.front();
    if (next.posterior > std::max(link.posterior, static_cast<float>(kLikelier))) {
      std::swap(link.request, next.request);
      std::swap(link.posterior, next.posterior);
      std::stable_sort(link.others.begin(), link.others.end(),
                       [](const auto& a, const auto& b) { return a.posterior > b.posterior; });
    }
    for (Link::Choice& other : link.others)
      other.posterior = std::min(other.posterior, link.posterior);
    return link;
  }

  /// What a proxy passed on stays on its host: what came from elsewhere was none of it.
  bool IsImpossible(uint64_t sent, uint64_t arrived) const {
    const auto from = refs.find(sent), to = refs.find(arrived);
    if (from == refs.end() || to == refs.end()) return false;
    const ShelvedSpan* call = shelf.Find(from->second.span);
    const ShelvedSpan* received = shelf.Find(to->second.span);
    return call != nullptr && received != nullptr && call->span.incoming() &&
           !PassedOn::MayBe(call->span, received->span);
  }

  /// The same among those that are possible.
  Link AmongPossible(Link link) const {
    if (link.by_id) return link;
    std::vector<Link::Choice> possible{{link.request, link.posterior}};
    possible.insert(possible.end(), link.others.begin(), link.others.end());
    float excluded = 0;
    for (Link::Choice& choice : possible) {
      if (choice.posterior <= 0 || !IsImpossible(choice.request, link.call)) continue;
      excluded += choice.posterior;
      choice = {};
    }
    if (excluded == 0) return link;
    std::stable_sort(possible.begin(), possible.end(),
                     [](const auto& a, const auto& b) { return a.posterior > b.posterior; });
    for (Link::Choice& choice : possible)
      choice.posterior = std::min(1.f, choice.posterior / std::max(1e-6f, 1 - excluded));
    link.request = possible.front().request;
    link.posterior = possible.front().posterior;
    link.others = {};
    std::copy(possible.begin() + 1, possible.end(), link.others.begin());
    return link;
  }

  void DecideHop(const Link& decided) {
    const Link link = Likeliest(AmongPossible(decided));
    Decide(link);
    Release(link);
  }

  void Decide(const Link& link) {
    const auto at = refs.find(link.call);
    if (at == refs.end() || !at->second.undecided) return;
    Ref& call = at->second;
    call.undecided = false;
    if (const auto waiting = undecided.find(call.earliest()); --waiting->second == 0)
      undecided.erase(waiting);
    InferredJoin join;
    join.kind = call.part == SpanPart::kCall ? InferredJoin::Kind::kCall : InferredJoin::Kind::kHop;
    join.trace = call.span.trace;
    join.span = call.span.span;
    const auto request = refs.find(link.request);
    const double elsewhere = Elsewhere(call);
    const bool somebody = link.request != 0 && request != refs.end() &&
                          Somebody(call, request->second, link, elsewhere, &join);
    if (call.part == SpanPart::kArrived) {
      --parents.waiting;
      if (somebody) ++parents.inferred;
    }
    if (!somebody) {
      // "Nobody" is none of those that the linker was told of.
      join.none = (link.request == 0 && call.all_sent ? link.posterior : 0) * elsewhere;
      Nobody(call, elsewhere, &join);
    }
    if (on_join) on_join(join);
  }

  /// That every call which may have been this one's went elsewhere, of those that the linker was
  /// not told of.
  double Elsewhere(const Ref& call) const {
    if (call.part != SpanPart::kArrived || known_places == nullptr) return 1;
    const ShelvedSpan* received = shelf.Find(call.span);
    if (received == nullptr) return 1;
    double elsewhere = 1;
    const bool all = strays.ForEachHolding(received->span, [&](const StrayCalls::Stray& stray) {
      if (stray.told_to != call.service)
        elsewhere *= 1 - known_places->MayBeOf(stray.call, received->span);
      return elsewhere > 0;
    });
    return all && NoneOfTooFew(received->span) ? elsewhere : 0;
  }

  /// Of calls to the service that are too few for their clocks to be told, none was near.
  bool NoneOfTooFew(const OpenSpan& received) const {
    bool none = true;
    const bool all = too_few.ForEachHolding(received, [&](const StrayCalls::Stray& stray) {
      const OpenSpan& call = stray.call;
      const bool one_clock = call.host == received.host && call.host != kNoEntity;
      const bool clocks_known = call.clock_bound_s >= 0 && received.clock_bound_s >= 0;
      none = one_clock || clocks_known || stray.told_to != received.service;
      return none;
    });
    return none && all;
  }

  void Nobody(const Ref& call, double elsewhere, InferredJoin* join) {
    const auto mark = [&](const Above& above) {
      const ShelvedSpan* present = shelf.Find(call.joined);
      if (present != nullptr && present->above.basis != JoinBasis::kInferred)
        shelf.Join(call.joined, above);
    };
    if (call.part == SpanPart::kCall) {  // it should have somebody
      ++totals.not_found;
      return mark(Above::Unknown(UnknownParent::kNotFound, join->none));
    }
    const bool placed = elsewhere >= kLikelier && call.all_placed;
    if (join->none <= kLikelier || !placed) untold.push_back({call.service, call.start});
    if (join->none == 0) {
      ++totals.sender_unknown;
      ++parents.sender_unknown;
      return mark(Above::Unknown(UnknownParent::kClocks));
    }
    if (elsewhere < kLikelier || (!call.all_placed && join->none > kLikelier)) {
      ++parents.not_looked_for;
      if (!call.all_placed) join->none = 0;  // nor can it be told of a call that may be anybody's
      return mark(Above::Unknown(UnknownParent::kNotLookedFor, join->none));
    }
    if (join->none <= kLikelier) {
      ++parents.not_found;
      return mark(Above::Unknown(UnknownParent::kNotFound, join->none));
    }
    ++parents.root;
    const auto none = static_cast<float>(join->none);
    mark({JoinBasis::kRoot, {}, none, none, {}, 0});
  }

  /// False: it is not here any more, or would stand above itself.
  bool Somebody(const Ref& call, const Ref& request, const Link& link, double elsewhere,
                InferredJoin* join) {
    Above above{JoinBasis::kInferred, request.span, link.posterior, 0, {}, 0};
    for (const Link::Choice& other : link.others) {
      if (other.posterior <= 0) break;
      const auto ref = refs.find(other.request);
      if (other.request == 0) {
        above.none = call.all_sent ? static_cast<float>(other.posterior * elsewhere) : 0;
      } else if (above.runner_up.span == 0 && ref != refs.end()) {
        above.runner_up = ref->second.span;
        above.runner_up_posterior = other.posterior;
      }
    }
    // Several calls below one root may disagree on where it belongs: the surest is believed.
    const ShelvedSpan* present = shelf.Find(call.joined);
    if (present == nullptr) return false;
    const bool replaces = present->above.basis == JoinBasis::kInferred;
    const float before = replaces ? present->above.posterior : 0;
    if (!replaces || before < link.posterior) {
      if (!shelf.Join(call.joined, above)) return false;
      if (!replaces) ++totals.inferred;
      posterior_sum += link.posterior - before;
      if (call.part == SpanPart::kArrived) {
        edges.push_back(
            {request.service, call.service, request.address, call.start, link.posterior});
      }
    }
    join->posterior = link.posterior;
    join->parent_trace = request.span.trace;
    join->parent_span = request.span.span;
    join->none = above.none;
    join->runner_up_trace = above.runner_up.trace;
    join->runner_up_span = above.runner_up.span;
    join->runner_up_posterior = above.runner_up_posterior;
    return true;
  }

  void PlaceHops(Nanos until) {
    hop_clocks.Advance(until, {.sent =
                                   [&](const CallRecord& record) {
                                     hops.Add({&record, 1});
                                   },
                               .placed =
                                   [&](const CallRecord& record, bool all_sent) {
                                     const auto at = refs.find(record.id);
                                     if (at != refs.end()) at->second.all_sent = all_sent;
                                     hops.Add({&record, 1});
                                   },
                               .unknown =
                                   [&](uint64_t arrived) {
                                     Link link;  // of which nothing is likely
                                     link.call = arrived;
                                     DecideHop(link);
                                   }});
  }

  void Advance(Nanos until) {
    PlaceHops(until);
    hops.Advance(hop_clocks.placed_until() - HopClocks::kFarthest,
                 [&](const Link& link) { DecideHop(link); });
    const Nanos whole = held_ends.empty() ? until : std::min(until, *held_ends.begin());
    within.Advance(whole, [&](const Link& link) { Decide(Likeliest(link)); });
    Settle(until - options.linker.horizon - linking::kHandOff);
  }

  void Finish() {
    PlaceHops(INT64_MAX);
    hops.Finish([&](const Link& link) { DecideHop(link); });
    within.Finish([&](const Link& link) { Decide(Likeliest(link)); });
    Settle(INT64_MAX);
  }

  // ---- what is shown ----

  /// Who was called and sends spans of what it receives.
  EntityId AnswererOf(const OpenSpan& call) const {
    if (call.peer == kNoEntity || known_places == nullptr) return kNoEntity;
    const EntityId callee = known_places->CalleeOf(call);
    return callee != call.service && servers->count(callee) > 0 ? callee : kNoEntity;
  }

  /// Is there a call that is not answered, and of which the answer may still come?
  bool AwaitsAnswer(const LeavingTrace& trace) const {
    for (size_t i = 0; i < trace.joined.spans().size(); ++i) {
      const OpenSpan& call = trace.joined.spans()[i];
      if (trace.Leaves(i) || call.kind != telemetry::SpanKind::kClient) continue;
      if (trace.joined.children(i).empty() && AnswererOf(call) != kNoEntity) return true;
    }
    return false;
  }

  bool Wanted(const LeavingTrace& trace) const {
    for (const OpenSpan& span : trace.joined.spans()) {
      if (span.parent != 0) continue;
      return gallery.Wants(span.service, span.operation, span.end, span.end - span.start,
                           span.failed);
    }
    return false;
  }

  void ShowAtOnce(const LeavingTrace& trace, const OpenCalls& open, const LinkBook& links) {
    TraceShelf alone(SIZE_MAX);
    LeavingTrace all = trace;
    all.before = INT64_MAX;
    alone.Add(all);
    MarkOpen(all, open, links, &alone);
    RequestTrees trees(alone, lost_spans, strings, answerer);
    Show(trees.RootedIn(trace.id), alone);
  }

  void Show(std::vector<telemetry::RebuiltRequest> requests, const TraceShelf& from) {
    for (telemetry::RebuiltRequest& request : requests) {
      totals.lost_spans += request.lost;
      const ShelvedSpan* root = from.Find({request.root().trace, request.root().id});
      gallery.Add(root == nullptr ? telemetry::kEmptyString : root->span.operation,
                  std::move(request));
    }
  }

  /// Nothing more will be joined to what ended before `frontier`.
  void Settle(Nanos frontier) {
    if (!undecided.empty()) frontier = std::min(frontier, undecided.begin()->first);
    strays.Forget(frontier);
    too_few.Forget(frontier);
    std::vector<TraceId> settled;
    for (const auto& [id, trace] : shelf.traces())
      if (trace.end < frontier && !trace.awaits_more) settled.push_back(id);
    if (settled.empty()) return;
    std::vector<TraceId> gone;
    {
      RequestTrees trees(shelf, lost_spans, strings, answerer);
      for (const TraceId id : settled) {
        if (!shelf.traces().at(id).shown) Show(trees.RootedIn(id), shelf);
        shelf.traces().at(id).shown = true;
      }
      std::map<TraceId, bool> known;
      for (const TraceId id : settled)
        if (MayGo(id, frontier, trees, &known)) gone.push_back(id);
    }
    for (const TraceId id : gone) Remove(id);
  }

  /// A trace stays for as long as one that it hangs below may still be shown with it.
  bool MayGo(TraceId id, Nanos frontier, const RequestTrees& trees,
             std::map<TraceId, bool>* known) {
    const auto [at, fresh] = known->try_emplace(id, true);
    if (!fresh) return at->second;
    bool may = shelf.traces().at(id).end < frontier && !shelf.traces().at(id).awaits_more;
    for (const TraceId above : trees.TracesAbove(id))
      may = may && MayGo(above, frontier, trees, known);
    (*known)[id] = may;
    return may;
  }

  void Remove(TraceId id) {
    for (const ShelvedSpan& s : shelf.traces().at(id).spans) Forget(id, s.span.id);
    linked_parents.Forget(id);
    shelf.Remove(id);
  }

  void Forget(TraceId trace, uint64_t span) {
    for (const SpanPart part :
         {SpanPart::kReceived, SpanPart::kCall, SpanPart::kSent, SpanPart::kArrived})
      refs.erase(RecordId(trace, span, part));
  }

  telemetry::RebuildStats Stats() const {
    telemetry::RebuildStats s = totals;
    s.waiting = refs.size();
    s.refused = refused + linked_parents.refused();
    s.by_id += linked_parents.joined();
    s.links = linked_parents.links();
    s.links_unknown = linked_parents.unknown();
    for (const linking::LinkerStats& l : {hops.stats(), within.stats()}) {
      s.records += l.records;
      s.learned += l.learned;
      s.refused += l.late + l.negative + l.too_long + l.impossible_time + l.impossible_slack +
                   l.too_many_services;
    }
    s.mean_posterior = s.inferred > 0 ? posterior_sum / static_cast<double>(s.inferred)
                                      : std::numeric_limits<double>::quiet_NaN();
    return s;
  }

  const RebuilderOptions options;
  const telemetry::Interner& strings;
  HopClocks hop_clocks;
  linking::RequestLinker hops, within;
  std::unordered_map<uint64_t, CallRecord> held;  // requests, by their record on the hop
  std::multiset<Nanos> held_ends;
  StrayCalls strays;
  StrayCalls too_few;  // of these, with whom they were made for, and the reach of their clocks
  const CallPlacer* known_places = nullptr;  // of the traces that were taken
  const Servers* servers = nullptr;          // likewise
  const RequestTrees::Answerer answerer = [this](const OpenSpan& call) { return AnswererOf(call); };
  TraceShelf shelf;
  LinkedParents linked_parents;
  LostSpans lost_spans;
  RequestGallery gallery;
  JoinSink on_join;
  std::unordered_map<uint64_t, Ref> refs;  // by record
  std::map<Nanos, uint32_t> undecided;     // calls by Ref::earliest
  std::set<TraceId> judged;                // and shown, if it is to be; more of them will leave
  std::vector<InferredEdge> edges;
  std::vector<UntoldRequest> untold;
  telemetry::RebuildStats totals;
  telemetry::ParentStats parents;
  double posterior_sum = 0;
  uint64_t refused = 0;
  RecordMaker maker;
  std::vector<int32_t> below;  // of the trace at hand
};

RequestRebuilder::RequestRebuilder(const RebuilderOptions& options,
                                   const telemetry::Interner* strings)
    : impl_(std::make_unique<Impl>(options, strings)) {}
RequestRebuilder::~RequestRebuilder() = default;

void RequestRebuilder::OnJoin(JoinSink sink) { impl_->on_join = std::move(sink); }
void RequestRebuilder::Take(const LeavingTrace& trace, const MissingJoins& missing,
                            const OpenCalls& open, const CallPlacer& placer, const LinkBook& links,
                            const Servers& servers) {
  impl_->Take(trace, missing, open, placer, links, servers);
}
void RequestRebuilder::Advance(Nanos until) { impl_->Advance(until); }
void RequestRebuilder::Finish() { impl_->Finish(); }
std::vector<InferredEdge> RequestRebuilder::TakeEdges() { return std::exchange(impl_->edges, {}); }
std::vector<UntoldRequest> RequestRebuilder::TakeUntold() {
  return std::exchange(impl_->untold, {});
}
std::vector<RequestGallery::Kept> RequestRebuilder::Recent() const { return impl_->gallery.All(); }
telemetry::RebuildStats RequestRebuilder::stats() const { return impl_->Stats(); }
telemetry::ParentStats RequestRebuilder::parents() const { return impl_->parents; }
std::vector<telemetry::HopClock> RequestRebuilder::HopClocksTold() const {
  return impl_->hop_clocks.Told();
}
size_t RequestRebuilder::bytes() const {
  return impl_->strays.bytes() + impl_->too_few.bytes() + impl_->hop_clocks.bytes() +
         impl_->hops.bytes() + impl_->within.bytes() + impl_->shelf.bytes() +
         impl_->held.size() * (sizeof(CallRecord) + 96) +
         impl_->refs.size() * (sizeof(Impl::Ref) + 32);
}

}  // namespace tomograph::correlate
