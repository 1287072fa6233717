// RecordMaker: which spans of a trace the linker is told of, and as what.
//
//   within a service    what it received and what it called, where joins within are missing
//                       (missing_joins.h); a call that ids place below a request says so
//   into a service      its callers' calls and what it received, where joins into it are missing
//                       in doubt also what was received where calls may have gone that cannot be
//                       placed: who sent it is not known then, and not nobody. What a proxy with
//                       an access log alone received is its call, too (requests/passed_on.h)
//   above a meeting     several calls of a trace reach services that lose the context: what ids
//                       tell of who stands above them, although no join is missing there. One of
//                       these calls may wait for the others (linking/join_model.h)
//
// The other side of a call is told where ids join the two (CallRecord::counterpart).
// One pass over the trace; keeps nothing from one to the next but its memory.
#pragma once

#include <vector>

#include "correlate/linking/call_record.h"
#include "correlate/rebuild/missing_joins.h"
#include "correlate/rebuild/span_record.h"
#include "correlate/requests/link_book.h"
#include "correlate/requests/trace_assembler.h"
#include "correlate/topology/call_placer.h"

namespace tomograph::correlate {

struct MadeRecord {
  linking::CallRecord record;
  SpanPart part = SpanPart::kCall;
  size_t span = 0;         // of the trace, that it was made from
  size_t top = 0;          // what a join moves: the top of the span's own part of the trace
  bool undecided = false;  // the join above it is to be inferred
  telemetry::EntityId address = telemetry::kNoEntity;  // that a call named, if it was one
};

class RecordMaker {
 public:
  /// A call that nobody's span answers.
  struct Unanswered {
    OpenSpan call;
    telemetry::EntityId told_to = telemetry::kNoEntity;  // into whom it was told of
  };

  /// Valid until the next call. Of spans that leave; above a meeting also of those that leave
  /// later, so that these are told twice.
  const std::vector<MadeRecord>& Make(const LeavingTrace& trace, const MissingJoins& missing,
                                      const CallPlacer& placer, const LinkBook& links);
  /// Those of the trace that was made last which leave and name whom they call. Likewise.
  const std::vector<Unanswered>& unanswered() const { return unanswered_; }

 private:
  void FindMeetings(const LeavingTrace& trace, const MissingJoins& missing,
                    const CallPlacer& placer);
  void MarkAbove(const LeavingTrace& trace, int32_t sent);
  void Received(const LeavingTrace& trace, size_t i, const MissingJoins& missing,
                const CallPlacer& placer, const LinkBook& links);
  void Arrived(const LeavingTrace& trace, size_t i, int32_t caller, const CallPlacer& placer,
               const LinkBook& links);
  void Sent(const LeavingTrace& trace, size_t i, const MissingJoins& missing,
            const CallPlacer& placer);
  void SentTo(telemetry::EntityId callee, bool answered, const LeavingTrace& trace, size_t i,
              const OpenSpan& call, const MissingJoins& missing);

  std::vector<MadeRecord> made_;
  std::vector<Unanswered> unanswered_;
  std::vector<bool> above_meeting_;  // by span
  std::vector<int32_t> meeting_;     // calls that may meet
};

}  // namespace tomograph::correlate
