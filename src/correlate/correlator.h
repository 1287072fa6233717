// Correlator: normalised batches in, windows, topology and assembled traces out. Spans are counted
// by their corrected times (clocks/clock_model.h), as of the window that they end in; records of
// other kinds by their raw ones. One shard's state; not thread-safe. Event time: a window is closed
// when the watermark passes its end plus `lateness`; the same records in any order and chunking
// within that bound give the same windows.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "base/nanotime.h"
#include "correlate/clocks/clock_model.h"
#include "correlate/rebuild/request_rebuilder.h"
#include "telemetry/batch.h"
#include "telemetry/identities.h"
#include "telemetry/loss_ledger.h"
#include "telemetry/picture.h"
#include "telemetry/window.h"

namespace tomograph::correlate {

inline constexpr TimeRange kAnyTime{INT64_MIN, INT64_MAX};

struct CorrelatorOptions {
  Nanos window_length = 5 * kSecond;
  Nanos lateness = 10 * kSecond;      // how long a window waits for late records
  size_t max_open_spans = 4'000'000;  // beyond: the oldest traces are closed early (counted)
  size_t max_windows = 50'000;        // entities and edges per interval
  bool correct_clocks = true;         // false: raw times, for measuring what correction does
  ClockOptions clocks;
  RebuilderOptions rebuilder;
};

class Correlator {
 public:
  /// What is left out of the windows is counted in `ledger` (may be null) as set aside.
  Correlator(CorrelatorOptions options, telemetry::Identities* identities,
             telemetry::LossLedger* ledger = nullptr);
  ~Correlator();

  /// Nothing that ended before `from` is looked at: it is too old. Before the first Add.
  void Begin(Nanos from);
  /// Takes what ended within `believable`: one wrong clock must not hold windows open, fill the
  /// memory, or be the beginning or end of the recording.
  void Add(const telemetry::Batch& batch, TimeRange believable = kAnyTime);
  /// The same for what was counted when it first came: nothing of it reaches the ledger.
  void Replay(const telemetry::Batch& batch);
  /// Event time has reached `watermark`: hands out every window that ends by watermark - lateness,
  /// in order.
  void Advance(Nanos watermark, const std::function<void(telemetry::WindowSet&&)>& sink);
  /// End of input: hands out all that is left.
  void Finish(const std::function<void(telemetry::WindowSet&&)>& sink);

  /// Ordered by caller, callee.
  std::vector<telemetry::Edge> Edges() const;
  /// Entities that stand for an address at which nobody was ever seen to answer.
  std::set<telemetry::EntityId> OwnerUnknown() const;
  /// Addresses that calls went to which are in no edge, and how many, the most first. Of no more
  /// addresses than CallPlacer keeps.
  std::vector<std::pair<std::string, uint64_t>> Unplaced() const;
  const ClockModel& clocks() const;
  const RequestRebuilder& requests() const;
  /// Every join by inference, as it is decided; before the first Add.
  void OnJoin(RequestRebuilder::JoinSink sink);
  /// By how much the times of each service's spans in the last windows may be off: the widest bound
  /// of its hosts. Absent where one of them is not bounded.
  std::map<telemetry::EntityId, Nanos> ClockBounds() const;
  /// Greatest event time seen, 0 before the first record.
  Nanos newest() const;
  /// What the limits cost so far.
  struct Limits {
    uint64_t windows_closed_early = 0;  // to get below max_open_spans; what came for them was late
    uint64_t calls_refused = 0;         // of entities or edges beyond max_windows
    uint64_t edges_refused = 0;
    uint64_t late_spans = 0;
    uint64_t calls_unplaced = 0;     // by an address that was between two owners, somebody's by
                                     // belief, or one of too many that are nobody's
    uint64_t flows_unplaced = 0;     // connections, likewise
    uint64_t links_refused = 0;      // of open spans to others, beyond the link book's room
    uint64_t senders_forgotten = 0;  // that may still be linked to, beyond the link book's room
    uint64_t sights_refused = 0;     // of who answers where, beyond the address book's room
  };
  Limits limits() const;
  size_t bytes() const;  // approximate, for the memory bound

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::correlate
