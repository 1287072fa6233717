// TraceAssembler: spans of one trace, however they came (other batches, any order, twice), brought
// together and joined by their ids.
//
// Traces are kept open until nothing in them ended within the time that Evict names. A span id that
// comes twice counts once. Not thread-safe. Add is one hash probe and an append; joining is done
// once a window for the traces that touch it.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/batch.h"

namespace tomograph::correlate {

struct SpanRef {
  telemetry::TraceId trace;
  uint64_t span = 0;  // 0: none
  bool operator==(const SpanRef&) const = default;
  bool operator<(const SpanRef& o) const {
    return trace == o.trace ? span < o.span : trace < o.trace;
  }
};

/// What correlation keeps of a span.
struct OpenSpan {
  uint64_t id = 0;
  uint64_t parent = 0;  // 0: a root
  Nanos start = 0;      // corrected, as far as its host's clock is known (see Revise)
  Nanos end = 0;
  Nanos raw_start = 0;                              // as its host's clock showed it
  telemetry::EntityId host = telemetry::kNoEntity;  // whose clock that was
  telemetry::EntityId service = telemetry::kNoEntity;
  telemetry::EntityId peer =
      telemetry::kNoEntity;  // callee; of an incoming span: who called, or the queue
  float weight = 1;          // >= 1
  telemetry::SpanKind kind = telemetry::SpanKind::kUnspecified;
  bool failed : 1 = false;
  bool weight_known : 1 = false;
  bool takes_connection : 1 = false;  // waits for a connection, and calls nobody
  // `peer` stands for an address: a key of AddressBook, no entity.
  bool peer_is_address : 1 = false;
  bool logged : 1 = false;  // a row of a table, as access logs are
  // What SettleCalls has seen: it with its other side; something below it that is its call or an
  // answer; its parent, which knows by now.
  bool settled : 1 = false, calls_on : 1 = false, told_parent : 1 = false;
  uint8_t counted_as = kNotCounted;  // the ledger's format, plus one
  float clock_bound_s = -1;          // how wrong `start` may be against other hosts; < 0: not known
  telemetry::StringId operation = telemetry::kEmptyString;
  // Evidence for joins without ids; 0: not known.
  uint32_t connection = 0;  // the port from which the call came
  uint32_t worker = 0;      // process and thread
  // In which its host-local addresses mean something (telemetry::NetworkOf), as a hash; 0: not
  // known.
  uint32_t network = 0;
  float bytes_in = 0, bytes_out = 0;
  uint32_t links = 0;  // number in LinkBook; 0: it links to nothing

  static constexpr uint8_t kNotCounted = 0;
  static uint8_t CountedAs(telemetry::Format format) {
    return static_cast<uint8_t>(static_cast<uint8_t>(format) + 1);
  }
  Nanos raw_end() const { return raw_start + (end - start); }
  bool outgoing() const {
    return kind == telemetry::SpanKind::kClient || kind == telemetry::SpanKind::kProducer;
  }
  bool incoming() const {
    return kind == telemetry::SpanKind::kServer || kind == telemetry::SpanKind::kConsumer;
  }
  /// It names the queue that it took a message from.
  bool takes_from_queue() const {
    return incoming() && peer != telemetry::kNoEntity && !peer_is_address;
  }
};

/// Does no parent tell who sent what was received? `parent`: null where it is not there. One that
/// polls a queue does so below a span of its own, which sent nothing.
inline bool SentByNoParent(const OpenSpan& received, const OpenSpan* parent) {
  if (received.parent == 0) return true;
  return received.takes_from_queue() && parent != nullptr && parent->service == received.service &&
         !parent->incoming() && !parent->outgoing();
}

/// The spans of a trace as far as they started before some instant, ordered by id, each once.
class JoinedTrace {
 public:
  static constexpr int32_t kNone = -1;

  /// `spans` must be ordered by id and outlive this. Reusable: keeps its memory.
  void Join(std::span<const OpenSpan> spans);
  std::span<const OpenSpan> spans() const { return spans_; }
  /// Index of the parent; kNone for a root and when the parent is not there.
  int32_t parent(size_t i) const { return parent_[i]; }
  /// Indices of the children, by start.
  std::span<const int32_t> children(size_t i) const {
    return std::span(children_).subspan(child_begin_[i], child_begin_[i + 1] - child_begin_[i]);
  }
  size_t bytes() const {
    return (parent_.capacity() + children_.capacity() + child_begin_.capacity()) * sizeof(int32_t);
  }

 private:
  std::span<const OpenSpan> spans_;
  std::vector<int32_t> parent_, children_;
  std::vector<uint32_t> child_begin_;
};

/// A trace some of whose spans have had their time: what they were joined to, they are joined to.
struct LeavingTrace {
  telemetry::TraceId id;
  const JoinedTrace& joined;
  Nanos before = 0;      // spans that ended before leave now
  bool trimmed = false;  // others left earlier: a parent that is not there may have been
  bool cut_off = false;  // the input ends here: a parent that is not there is not lost
  Nanos come = 0;        // what ended before has come, though some of it leaves later
  bool Leaves(size_t i) const { return joined.spans()[i].end < before; }
};

class TraceAssembler {
 public:
  void Add(telemetry::TraceId trace, const OpenSpan& span);
  /// Calls visit(const JoinedTrace&) for every trace with a span that overlaps [from, to), ordered
  /// by trace id. Only spans that start before `to` are shown: later ones may not have come yet.
  template <typename Visit>
  void ForEach(Nanos from, Nanos to, Visit&& visit) {
    for (uint32_t slot : Touching(from, to)) visit(JoinUntil(&traces_[slot], to));
  }
  /// The last call that a host made for what it was asked and that ended within it, raw; kNoWork:
  /// there is none.
  static constexpr Nanos kNoWork = INT64_MIN;
  struct Work {
    Nanos began = kNoWork, ended = kNoWork;
    auto operator<=>(const Work&) const = default;
  };
  /// Calls visit(parent, child, Work of the child) for every incoming span of the traces that
  /// overlap [from, to) whose parent is there and both of which start before `to`; in no particular
  /// order. Work is looked for `with_work` only.
  template <typename Visit>
  void ForEachAnswer(Nanos from, Nanos to, bool with_work, Visit&& visit) {
    for (Trace& trace : traces_) {
      if (trace.spans.empty() || trace.end < from || trace.start >= to) continue;
      Sort(&trace);
      if (with_work) FindWork(trace);
      for (size_t i = 0; i < trace.spans.size(); ++i) {
        const OpenSpan& child = trace.spans[i];
        if (!child.incoming() || child.start >= to) continue;
        const OpenSpan* parent = Find(trace, child.parent);
        if (parent == nullptr || parent == &child || parent->start >= to) continue;
        visit(*parent, child, with_work ? work_[i] : Work{});
      }
    }
  }
  /// Calls joined(client span, server span) once for every call of which both are there and one
  /// ended before `before`, and alone(span) for every other span of these kinds that did: a client
  /// span that nothing answers, a server span whose named parent is not there. To be called before
  /// Evict of the same time: what is evicted was asked for.
  template <typename Joined, typename Alone>
  void SettleCalls(Nanos before, Joined&& joined, Alone&& alone) {
    for (Trace& trace : traces_) {
      if (trace.spans.empty() || trace.start >= before) continue;
      Sort(&trace);
      SettlePairs(&trace, before, joined);
      for (const OpenSpan& span : trace.spans) {
        if (!span.settled && span.end < before && IsAlone(span)) alone(span);
      }
    }
  }
  /// Lets revise(OpenSpan*) move the spans in time that end at `from` or later: what ended before
  /// has been counted. One that would then end before `from` is held there, since it has not.
  template <typename Revision>
  void Revise(Nanos from, Revision&& revise) {
    for (Trace& trace : traces_) {
      if (trace.spans.empty() || trace.end < from) continue;
      for (OpenSpan& span : trace.spans) {
        if (span.end < from) continue;
        revise(&span);
        if (span.end < from) HoldAt(from, &span);
      }
      FindExtent(&trace);
    }
  }
  /// Spans whose id was there already, found since the last call; those that are counted.
  std::vector<std::pair<telemetry::Format, uint64_t>> TakeDuplicates();
  /// Forgets the spans that ended before `before`, after visit(const LeavingTrace&) for every trace
  /// that has such spans, ordered by trace id.
  template <typename Visit>
  void Evict(Nanos before, Visit&& visit) {
    kept_from_ = std::max(kept_from_, before);
    for (uint32_t slot : Leaving(before)) {
      Trace& trace = traces_[slot];
      Sort(&trace);
      joined_.Join(trace.spans);
      visit(LeavingTrace{trace.id, joined_, before, trace.trimmed});
      Forget(before, slot);
    }
  }
  /// nullptr: it has not come, or has left.
  const OpenSpan* Find(const SpanRef& ref);
  /// The first moment from `from` on at which a span is in flight; INT64_MAX when there is none.
  Nanos NextActivity(Nanos from) const;
  /// All that ended from here on and came is there.
  Nanos kept_from() const { return kept_from_; }
  size_t open_spans() const { return open_spans_; }
  size_t bytes() const;

 private:
  struct Trace {
    telemetry::TraceId id;
    Nanos start = 0;
    Nanos end = 0;
    bool sorted = true;
    bool trimmed = false;         // spans of it have left
    std::vector<OpenSpan> spans;  // empty: a free slot
  };

  uint32_t FindOrAdd(telemetry::TraceId id);
  void Rehash(size_t size);
  void Release(uint32_t slot);
  std::vector<uint32_t> Touching(Nanos from, Nanos to) const;
  std::vector<uint32_t> Leaving(Nanos before) const;
  void OrderById(std::vector<uint32_t>* slots) const;
  void Forget(Nanos before, uint32_t slot);
  const JoinedTrace& JoinUntil(Trace* trace, Nanos to);
  void Sort(Trace* trace);  // by id, each once
  static const OpenSpan* Find(const Trace& trace, uint64_t id);
  static OpenSpan* Find(Trace* trace, uint64_t id);
  /// Marks the sides that have found each other, and what has its calls or answers below it. A span
  /// that has found its parent is not searched for again, however long the trace lasts.
  template <typename Joined>
  static void SettlePairs(Trace* trace, Nanos before, Joined&& joined) {
    for (OpenSpan& span : trace->spans) {
      const bool server = span.kind == telemetry::SpanKind::kServer;
      if (span.told_parent && (!server || span.settled)) continue;
      OpenSpan* parent = Find(trace, span.parent);
      if (parent == nullptr) continue;
      span.told_parent = true;
      if (parent == &span) continue;
      if (span.outgoing() || span.service != parent->service) parent->calls_on = true;
      if (!server || span.settled || parent->kind != telemetry::SpanKind::kClient) continue;
      if (std::min(span.end, parent->end) >= before) continue;
      span.settled = parent->settled = true;
      joined(*parent, span);
    }
  }
  void FindWork(const Trace& trace);
  static bool IsAlone(const OpenSpan& span);
  static void HoldAt(Nanos end, OpenSpan* span);
  static void FindExtent(Trace* trace);

  std::vector<Trace> traces_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> table_;  // open addressing, linear probing: slot + 1, 0 empty
  size_t used_ = 0;
  size_t open_spans_ = 0;
  Nanos kept_from_ = INT64_MIN;
  std::array<uint64_t, telemetry::kFormatCount + 1> duplicates_{};  // by counted_as
  JoinedTrace joined_;
  std::vector<OpenSpan> visible_;
  std::vector<Work> work_;  // of the spans of the trace at hand
};

}  // namespace tomograph::correlate
