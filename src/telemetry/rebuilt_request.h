// RebuiltRequest: one request as a tree of spans. A join is a fact where an id tells it; else it is
// inferred, with a posterior and a runner-up. The raw spans stay what they were: joins, corrected
// times and lost spans are layers over them, each marked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/batch.h"
#include "telemetry/entity.h"

namespace tomograph::telemetry {

/// What a span's place in the tree goes by.
enum class JoinBasis : uint8_t {
  kRoot,      // it begins here: nothing that was seen could have caused it; see `none`
  kId,        // its parent's id, or a link to it: a fact
  kInferred,  // timing and whatever else tells something; see `posterior`
  kUnknown,   // something may be above it; see UnknownParent
};
std::string_view JoinBasisName(JoinBasis basis);  // "root", "id", "inferred", "unknown"

/// Why it is not known what is above a span.
enum class UnknownParent : uint8_t {
  kLost,          // an id names it, and it never came
  kNotFound,      // it was looked for, and none of those seen is likely enough
  kNotLookedFor,  // calls that may have been it went nobody knows where (open_calls.h)
  kClocks,        // the hosts' clocks do not let it be told
  kFromQueue,     // it was taken from a queue that it names, and no id tells as which message
};
std::string_view UnknownParentName(UnknownParent why);  // "lost", "not_found", ...

struct RebuiltSpan {
  /// Another span that it may belong to.
  struct Choice {
    TraceId trace;
    uint64_t span = 0;  // 0: there is no such choice
    EntityId service = kNoEntity;
    std::string operation;
    double posterior = 0;
  };

  TraceId trace;
  uint64_t id = 0;
  EntityId service = kNoEntity;
  EntityId peer = kNoEntity;
  EntityId unanswered_by = kNoEntity;  // of a call: who sends spans of what it receives, while none
                                       // is joined to this call
  std::string operation;
  SpanKind kind = SpanKind::kUnspecified;
  bool failed = false;
  /// It never came: others name it as their parent. Its times are the hull of theirs.
  bool lost = false;
  EntityId host = kNoEntity;         // whose clock `raw_start` and `raw_end` are of
  Nanos raw_start = 0, raw_end = 0;  // as that clock showed them
  Nanos start = 0, end = 0;          // corrected, as far as that clock is known
  double clock_bound_s = -1;         // how wrong the corrected times may be; < 0: not known
  int32_t parent = -1;               // in RebuiltRequest::spans
  JoinBasis basis = JoinBasis::kRoot;
  UnknownParent why = UnknownParent::kNotFound;  // of kUnknown
  double posterior = 1;                          // of `parent`; of kRoot: that it has none
  double none = 0;  // that nothing which was seen is above it; of kRoot 1 where none could be
  Choice runner_up;
  /// A span that it links to, beside its parent: what else it came of.
  struct Link {
    TraceId trace;
    uint64_t span = 0;
    EntityId service = kNoEntity;
    std::string operation;
    bool seen = false;  // else it is not known who did it
  };
  std::vector<Link> links;
};

struct RebuiltRequest {
  std::vector<RebuiltSpan> spans;  // the root first, parents before their children, those by start
  uint32_t by_id = 0, inferred = 0, lost = 0;  // joins by id and by inference; spans that are lost
  uint32_t unanswered = 0;                     // calls of which the other side is not here
  bool failed = false;                         // the root failed
  uint32_t left_out = 0;                       // spans beyond what one request may show
  double probability = 1;  // that all inferred joins, and that it begins here, are right, were they
                           // independent

  const RebuiltSpan& root() const { return spans.front(); }
};

/// How much of a request is here, as far as its own spans tell.
enum class Wholeness : uint8_t {
  kComplete,    // nothing is known to be missing
  kIncomplete,  // spans of it are lost, left out, or the other side of a call
  kFragment,    // what caused it was not found: a part of some request
};
std::string_view WholenessName(Wholeness w);  // "complete", "incomplete", "fragment"
Wholeness WholenessOf(const RebuiltRequest& request);

/// One join by inference, as it is decided.
struct InferredJoin {
  enum class Kind : uint8_t {
    kCall,  // within a service: a call and the received request that caused it
    kHop,   // between services: a received request and the call of its caller
  };
  Kind kind = Kind::kCall;
  TraceId trace, parent_trace, runner_up_trace;
  uint64_t span = 0;
  uint64_t parent_span = 0;  // 0: none of those that were seen, as far as `none`; else not known
  uint64_t runner_up_span = 0;
  double posterior = 0;  // of `parent_span`
  double none = 0;       // that it is none of those that were seen
  double runner_up_posterior = 0;
};

/// What the rebuilding of requests has come to so far.
struct RebuildStats {
  uint64_t by_id = 0;           // spans joined to their parent by its id or a link to it
  uint64_t inferred = 0;        // joins by inference
  uint64_t links = 0;           // of spans to others
  uint64_t links_unknown = 0;   // of these, to spans that were not seen
  uint64_t not_found = 0;       // calls whose request was not among those seen
  uint64_t sender_unknown = 0;  // requests of which the hosts' clocks do not let it be told
  uint64_t lost_spans = 0;
  uint64_t records = 0;       // sides of calls that inference has looked at
  uint64_t waiting = 0;       // of these, now
  uint64_t learned = 0;       // times that a model was learned anew
  uint64_t refused = 0;       // by limits, or as impossible
  double mean_posterior = 0;  // of the inferred joins; NaN: none
};

/// How it is known what called the requests that were received (spans of servers and consumers), so
/// far: each is one of these.
struct ParentStats {
  uint64_t by_id = 0;
  uint64_t inferred = 0;
  uint64_t root = 0;        // JoinBasis::kRoot
  uint64_t from_queue = 0;  // UnknownParent::kFromQueue: its message is unknown, the queue is not
  // UnknownParent:
  uint64_t lost = 0, not_found = 0, not_looked_for = 0, sender_unknown = 0;
  uint64_t waiting = 0;  // it is being looked for
  uint64_t unknown() const { return lost + not_found + not_looked_for + sender_unknown + waiting; }
  uint64_t all() const { return by_id + inferred + root + from_queue + unknown(); }
};

}  // namespace tomograph::telemetry
