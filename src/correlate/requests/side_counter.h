// SideCounter: of how many calls both sides came, the client's span and the server's below it, and
// of how many one did not (telemetry::CallSides).
//
// A span that is not there may be late, or still running: a client's span ends after its server's.
// So a call is counted once the side that ended first did so `settle` before the end of the window
// that is being closed, by when the other one has had that time to end and the watermark's lateness
// to come. Nothing is said of what ended later, at the end of a recording either.
//
// Left out: producers and consumers, between which any time may pass; client spans that failed
// without an answer are counted apart, since they may have reached nobody; and those of which
// nothing tells who should have answered, or only one that never sends spans (a database). That is
// told by the peer that the span names or its address, else by who answered this operation of its
// service before: where these are several, the call is shared out among them.
//
// One search in its trace for each server span. Not thread-safe.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "correlate/entities/address_book.h"
#include "correlate/requests/answer_shares.h"
#include "correlate/requests/trace_assembler.h"
#include "telemetry/window.h"

namespace tomograph::correlate {

class SideCounter {
 public:
  /// Counts what ended before `until` and was not counted; it may be evicted afterwards. `senders`:
  /// who has ever sent spans.
  void Count(Nanos until, TraceAssembler* traces, const AddressBook& addresses,
             const std::unordered_set<telemetry::EntityId>& senders, telemetry::WindowSet* set);

 private:
  /// What calls have in common that are counted together.
  struct Kind {
    telemetry::EntityId caller = telemetry::kNoEntity;
    telemetry::EntityId called = telemetry::kNoEntity;  // who answered, or the client's peer
    telemetry::StringId operation = telemetry::kEmptyString;
    bool failed = false;
    bool named = false;  // the client said whom it calls, not just an address
    auto operator<=>(const Kind&) const = default;
  };
  struct HashOfKind {
    size_t operator()(const Kind& kind) const;
  };
  using Counts = std::unordered_map<Kind, uint64_t, HashOfKind>;
  using Sides = std::map<telemetry::WindowKey, telemetry::CallSides>;
  static telemetry::EntityId OperationOf(const Kind& kind);
  void CountUnanswered(const Counts& unanswered, const AddressBook& addresses,
                       const std::unordered_set<telemetry::EntityId>& senders,
                       telemetry::WindowSet* set) const;

  AnswerShares by_operation_;  // who answers an operation of a client; keys are no entities
};

}  // namespace tomograph::correlate
