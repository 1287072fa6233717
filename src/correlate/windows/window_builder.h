// WindowBuilder: adds up the calls of one interval, per entity and edge.
//
// Fed trace by trace (NextTrace), because traces are what samplers draw: the calls that one trace
// makes to one entity are kept or lost together, so the design variance is summed over traces, not
// over spans:
//     Var(sum w y) = sum over traces of (sum over its calls of y w sqrt(1 - 1/w))^2
// which is (1-p)/p^2 Y^2 when the calls of a trace share p = 1/w, and too large rather than too
// small when they do not. Fed in the same order it gives the same windows to the bit. Not
// thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "correlate/requests/trace_assembler.h"
#include "correlate/topology/edge_book.h"
#include "telemetry/window.h"

namespace tomograph::correlate {

class WindowBuilder {
 public:
  struct Example {
    uint64_t span = 0;
    Nanos duration = 0;
    bool failed = false;
  };
  /// A window in the making. Its address is stable.
  struct Cell {
    telemetry::Window window;
    uint64_t trace = 0;                      // whose part the next four hold:
    double calls = 0, failed = 0, busy = 0;  // sums of y w sqrt(1 - 1/w)
    double taking = 0;                       // sum of w y
    std::vector<Example> examples;
    std::array<EdgeSight, telemetry::kEdgeWitnessCount> sights;  // of an edge: who speaks of it
  };
  struct EdgeSeen {
    telemetry::WindowKey key;
    EdgeWitness by;
    EdgeSight sight;
  };

  WindowBuilder(Nanos start, Nanos length, size_t max_windows);

  /// nullptr when there are max_windows others already (counted).
  Cell* At(telemetry::WindowKey key);
  /// Likewise, for more of what is counted already.
  Cell* AtIfRoom(telemetry::WindowKey key);
  /// nullptr when there is none: nothing is added or counted.
  Cell* Find(telemetry::WindowKey key);

  void NextTrace() { ++trace_; }
  /// A call that ended in this interval, or was in flight during a part of it, or both.
  void AddCall(Cell* cell, const OpenSpan& call);
  /// Its time on the way: how much longer it took for the caller than for the callee.
  void AddWait(Cell* cell, const OpenSpan& call, Nanos wait);
  void AddExclusive(Cell* cell, const OpenSpan& span, Nanos exclusive);
  /// A wait for a connection, `waited` of it in this interval.
  void AddTaking(Cell* cell, const OpenSpan& span, Nanos waited);
  /// The call, which `by` tells of, went from this edge's caller to its callee with that
  /// confidence.
  void Witness(Cell* cell, EdgeWitness by, double confidence, const OpenSpan& call) {
    const bool by_callee = by == EdgeWitness::kSpans && !call.outgoing();
    Sight(cell, by).Add(confidence, Ended(call) ? call.weight : 0, by_callee);
  }
  static EdgeSight& Sight(Cell* cell, EdgeWitness by) {
    return cell->sights[static_cast<size_t>(by)];
  }
  bool Has(telemetry::WindowKey key) const;

  Nanos start() const { return start_; }
  Nanos end() const { return start_ + length_; }
  bool Ended(const OpenSpan& span) const { return span.end >= start_ && span.end < end(); }
  uint64_t refused() const { return refused_; }
  const std::deque<Cell>& cells() const { return cells_; }

  /// Ends the building: the windows ordered by key, and the edges that were witnessed.
  telemetry::WindowSet Finish(std::vector<EdgeSeen>* edges);

 private:
  void OpenTrace(Cell* cell);
  void CloseTrace(Cell* cell);

  Nanos start_, length_;
  size_t max_windows_;
  uint64_t trace_ = 1;
  uint64_t refused_ = 0;
  std::deque<Cell> cells_;
  std::vector<uint32_t> table_;  // open addressing: index + 1
};

}  // namespace tomograph::correlate
