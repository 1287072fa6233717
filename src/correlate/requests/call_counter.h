// CallCounter: from the joined traces of one interval to the windows of entities and edges.
//
// An entity's calls are its server and consumer spans, root spans, and spans of any kind whose
// parent belongs to another service; of root client spans only those of an entity that never
// received a request (a job, a load generator): elsewhere the request was lost on the way to them.
// An edge's calls are the caller's client spans; where a call was joined without one, or its answer
// came windows later, the callee's span stands in. A client span that nobody's span answers (a
// database, a third party) gives an edge to the peer that it names, or to the service known to
// answer at that address, and if that entity sends no spans of its own also the entity's windows:
// what its callers saw of it. A root server span that names the address of its caller (an access
// log, for one) gives an edge from who lives there, and a consumer span that no id leads to a
// sender from the queue that it names; then whoever sends there has an edge to the queue, too,
// beside those that ids tell. A span that links to spans of other services gives an edge from each:
// what it works on came from them, through a queue or in some other way.
#pragma once

#include <map>
#include <tuple>
#include <unordered_set>
#include <vector>

#include "correlate/rebuild/missing_joins.h"
#include "correlate/rebuild/open_calls.h"
#include "correlate/requests/link_book.h"
#include "correlate/requests/step_counter.h"
#include "correlate/requests/trace_assembler.h"
#include "correlate/topology/call_placer.h"
#include "correlate/windows/window_builder.h"

namespace tomograph::correlate {

class CallCounter {
 public:
  explicit CallCounter(const telemetry::Identities* identities) : steps_(identities) {}

  struct Joins {
    uint64_t spans = 0;
    uint64_t joined = 0;   // named a parent, or linked to what they came of, that is there
    uint64_t orphans = 0;  // that is not
  };

  /// Counts all traces of the builder's interval. Learns addresses and who sends spans as it goes;
  /// notes who was heard, tells `missing` where spans lack ids, and `open` of calls that nobody
  /// knows the callee of. The sights of the interval that others bring to `addresses` are there
  /// already.
  Joins Count(TraceAssembler* traces, AddressBook* addresses, CallPlacer* placer,
              const LinkBook& links, WindowBuilder* windows, Hearing* hearing,
              MissingJoins* missing, OpenCalls* open);
  /// Who has ever sent spans.
  const std::unordered_set<telemetry::EntityId>& senders() const { return senders_; }
  /// Who has ever sent spans of servers.
  const std::unordered_set<telemetry::EntityId>& servers() const { return servers_; }

 private:
  struct TracedCall {
    OpenSpan call;
    uint64_t trace = 0;
  };
  struct Pair {
    Nanos first = INT64_MAX, last = INT64_MIN;
    double times = 0;
    bool elsewhere = false;  // answered in another network than the caller's
  };
  void CountTrace(const JoinedTrace& trace);
  void CountJobs();
  void CountOutgoing(const JoinedTrace& trace, size_t i);
  bool IsLateAnswer(const OpenSpan& call, const OpenSpan& answer) const;
  void CountLateAnswer(const OpenSpan& call, const OpenSpan& answer);
  void CountLinked(const JoinedTrace& trace, size_t i);
  void CountExclusive(const JoinedTrace& trace, size_t i);
  void CountTaking(const JoinedTrace& trace, size_t i);
  void LearnAddresses(AddressBook* addresses, CallPlacer* placer) const;
  void WeighClaims(AddressBook* addresses, CallPlacer* placer);
  void CountUnanswered(CallPlacer* placer);
  void CountMessages(const CallPlacer& placer);
  CallPlacer::Place PlaceOf(const OpenSpan& span, const CallPlacer& placer) const;
  void CountOneSided(const OpenSpan& call, CallPlacer* placer);
  void CountMissingJoins(const JoinedTrace& trace, size_t i);
  void NoteOpen(const JoinedTrace& trace, size_t i);
  void TellOpen(const CallPlacer& placer);

  bool NamesSender(const OpenSpan& span, const OpenSpan* parent) const;
  bool SendsSpans(telemetry::EntityId entity) const { return senders_.count(entity) > 0; }

  std::unordered_set<telemetry::EntityId> senders_;
  std::unordered_set<telemetry::EntityId> receivers_;  // likewise of what they received
  std::unordered_set<telemetry::EntityId> servers_;
  std::unordered_set<telemetry::EntityId> taken_from_;  // queues, by whom no id leads to a sender
  StepCounter steps_;
  // Of the interval at hand:
  WindowBuilder* windows_ = nullptr;
  Hearing* hearing_ = nullptr;
  MissingJoins* missing_ = nullptr;
  OpenCalls* open_ = nullptr;
  PassedOn* passed_on_ = nullptr;
  const AddressBook* addresses_ = nullptr;
  const LinkBook* links_ = nullptr;
  Joins joins_;
  uint64_t trace_number_ = 0;
  std::map<telemetry::EntityId, uint64_t> sent_;       // spans that ended, by service
  std::vector<TracedCall> unanswered_;                 // or whose caller is known by address alone
  std::vector<std::pair<TracedCall, bool>> messages_;  // to queues by name; did an id lead on?
  std::vector<TracedCall> jobs_;                       // client spans without a parent
  std::vector<OpenSpan> parentless_;                   // received, and ended
  std::vector<OpenSpan> passing_on_;                   // likewise, as the calls that it may be
  // Calls that nobody's span answers, the last one for each peer and all services above it.
  std::map<std::pair<telemetry::EntityId, OpenCall>, OpenSpan> open_calls_;
  // Calls by address that the caller named, operation, and service that answered.
  std::map<std::tuple<telemetry::EntityId, telemetry::StringId, telemetry::EntityId>, Pair> pairs_;
};

}  // namespace tomograph::correlate
