// EdgeBook: who calls whom over time, by which witnesses, and whether they still do.
//
// Per edge and kind of witness it keeps stretches of time with calls (telemetry/edge.h). Between
// two of them lies a silence, which is judged once a window:
//
//   S  windows with calls (records of them, never mind how many: calls come in bursts)
//   H  windows in which the witness was heard, T windows at all, from the first call to the last
//   h  windows since the last call in which the witness was heard, each as the part of the usual
//      records that its sampling would have shown: min(1, weight then / weight now)
//   t  windows since then at all
//
//   stopped  (H / (H + h))^S < 0.05 and h is longer than any silence that calls came back from:
//            with a Gamma(S, H) belief in the rate of windows with calls, this is the predictive
//            probability of none in h
//   unseen   the same of T and t: it would have been seen by now, had its witness been heard
//
// What is inferred is heard where inference tells: not while it finds no sender of as many requests
// to the callee, or nobody whom the caller, a proxy, passes as many on to. It tells two minutes
// later, and so is judged.
//
// A stop that was none (calls come back) doubles the silence that is borne. Rates forget: beyond a
// thousand windows the old ones fade.
//
// Wrong when a caller's calls to one callee pause in a pattern (nights, cron) that its history has
// not shown yet: the first such pause is called a stop, the next ones are not. A witness that is
// heard and loses just this edge's records (not by sampling, which its weights tell) looks like a
// stop.
//
// Bounded: `max_edges`, and of each witness kMaxStretches (the two nearest become one). Not
// thread-safe. Cost of Judge: linear in the edges.
#pragma once

#include <array>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "telemetry/edge.h"

namespace tomograph::correlate {

using telemetry::EdgeWitness;

/// What one kind of witness saw of one edge within one window.
struct EdgeSight {
  double confidence = 0;  // that the calls went between these two
  double records = 0;
  double calls = 0;      // weighted
  double by_callee = 0;  // of the records: those that the callee's telemetry alone tells of
  void Add(double its_confidence, double weight, bool by_callee_alone);
};

/// Which witnesses were heard in one window: they would have told of a call, had there been one.
class Hearing {
 public:
  struct Heard {
    double records = 0;
    double calls = 0;     // weighted
    double unplaced = 0;  // records of calls that nobody knows the callee of
    double weight() const { return records > 0 ? calls / records : 1; }
  };
  /// `teller` (the caller; of an access log the callee) sent telemetry of this kind.
  void Add(telemetry::EntityId teller, EdgeWitness by, double records, double calls) {
    Heard& heard = by_[static_cast<size_t>(by)][teller];
    heard.records += records;
    heard.calls += calls;
  }
  void AddUnplaced(telemetry::EntityId caller, double records) {
    by_[static_cast<size_t>(EdgeWitness::kSpans)][caller].unplaced += records;
  }
  /// What it received and may have passed on (requests/passed_on.h), nobody knows to whom.
  void AddMayBePassedOn(telemetry::EntityId service, double records) {
    may_be_passed_on_[service] += records;
  }
  double MayBePassedOn(telemetry::EntityId service) const {
    const auto found = may_be_passed_on_.find(service);
    return found == may_be_passed_on_.end() ? 0 : found->second;
  }
  /// Records of calls that were laid to somebody else at an address that `callee` answers at too.
  void AddElsewhere(telemetry::EntityId caller, telemetry::EntityId callee, double records) {
    elsewhere_[{caller, callee}] += records;
  }
  double Elsewhere(const std::pair<telemetry::EntityId, telemetry::EntityId>& edge) const {
    const auto found = elsewhere_.find(edge);
    return found == elsewhere_.end() ? 0 : found->second;
  }
  /// nullptr: not heard.
  const Heard* Find(telemetry::EntityId teller, EdgeWitness by) const {
    const auto& of = by_[static_cast<size_t>(by)];
    const auto found = of.find(teller);
    return found == of.end() || found->second.records <= 0 ? nullptr : &found->second;
  }

 private:
  std::array<std::unordered_map<telemetry::EntityId, Heard>, telemetry::kEdgeWitnessCount> by_;
  std::map<std::pair<telemetry::EntityId, telemetry::EntityId>, double> elsewhere_;
  std::unordered_map<telemetry::EntityId, double> may_be_passed_on_;
};

class EdgeBook {
 public:
  static constexpr size_t kMaxStretches = 32;

  explicit EdgeBook(size_t max_edges) : max_edges_(max_edges) {}

  /// Calls were seen between `from` and `to`, in this window or an earlier one. False when the edge
  /// is new and the book is full.
  bool Observe(telemetry::EntityId caller, telemetry::EntityId callee, EdgeWitness by,
               const EdgeSight& sight, Nanos from, Nanos to);
  /// In the window that begins at `from` it received a request of which inference does not tell who
  /// sent it. Told later, as inferred joins are.
  void AddUntold(telemetry::EntityId callee, Nanos from) { ++untold_[from][callee]; }
  /// The window [from, to) has passed.
  void Judge(const Hearing& hearing, Nanos from, Nanos to);
  bool Has(telemetry::EntityId caller, telemetry::EntityId callee) const {
    return edges_.contains({caller, callee});
  }
  /// As of the last window that was judged. Ordered by caller, callee.
  std::vector<telemetry::Edge> Edges() const;

 private:
  struct Known {
    telemetry::EdgeSource source;               // its `by`, stretches and so on
    EdgeSight usual;                            // sums, as far back as rates remember
    double seen = 0, heard = 0, windows = 0;    // S, H, T
    double heard_since = 0, windows_since = 0;  // h, t
    double longest_heard = 0, longest = 0;      // silences that calls came back from
  };
  struct Between {
    std::vector<Known> known;  // strongest first
  };
  using Key = std::pair<telemetry::EntityId, telemetry::EntityId>;

  static void CountWindow(Nanos to, Known* k);
  static void AddTo(const EdgeSight& sight, Nanos from, Nanos to, Known* k);
  void JudgeSilence(double heard, double windows, Known* k);
  double HeardOf(const Key& key, const Known& k, const Hearing& hearing, TimeRange window) const;
  double UntoldBy(telemetry::EntityId callee, TimeRange window) const;
  bool MakeRoom();

  size_t max_edges_;
  Nanos judged_until_ = INT64_MIN;
  Nanos made_room_ = INT64_MIN / 2;
  double stops_ = 0;
  double active_s_ = 0;  // of all edges
  std::map<Key, Between> edges_;
  // By start of the window; those that are still to be judged by inferred joins.
  std::map<Nanos, std::unordered_map<telemetry::EntityId, double>> untold_;
};

}  // namespace tomograph::correlate
