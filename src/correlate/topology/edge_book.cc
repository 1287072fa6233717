#include "correlate/topology/edge_book.h"

#include <algorithm>
#include <cmath>

namespace tomograph::correlate {

using telemetry::EdgeSource;
using telemetry::EdgeState;
using telemetry::EdgeStretch;
using telemetry::EntityId;

namespace {

constexpr double kUnlikely = 0.05;
constexpr double kMemory = 1000;          // windows that a rate is of
constexpr double kPriorLife_s = 86'400;   // a day, for one edge to end
constexpr double kMayHide = 0.1;          // of an edge's usual calls among those without a callee
constexpr Nanos kForgotten = 24 * kHour;  // when room is needed
constexpr Nanos kDecided = 2 * kMinute;   // so long after a call joins by inference are

Nanos PatienceWith(EdgeWitness by) { return by == EdgeWitness::kInferredJoins ? kDecided : 0; }

void MergeNearest(std::vector<EdgeStretch>* stretches) {
  auto nearest = stretches->begin();
  for (auto s = stretches->begin(); s + 1 != stretches->end(); ++s) {
    if ((s + 1)->from - s->to < (nearest + 1)->from - nearest->to) nearest = s;
  }
  EdgeStretch& next = *(nearest + 1);
  next.from = nearest->from;
  next.calls += nearest->calls;
  stretches->erase(nearest);
}

/// Calls told of after later ones.
void AddToPast(double calls, Nanos from, Nanos to, std::vector<EdgeStretch>* stretches) {
  for (auto s = stretches->rbegin(); s != stretches->rend(); ++s) {
    if (to >= s->from || s + 1 == stretches->rend() || from > (s + 1)->to) {
      s->from = std::min(s->from, from);
      s->calls += calls;
      return;
    }
  }
}

/// P(no window with calls in `silent` | `seen` such windows in `over`).
double ChanceOfNone(double seen, double over, double silent) {
  return std::pow(over / (over + silent), seen);
}

}  // namespace

void EdgeSight::Add(double its_confidence, double weight, bool by_callee_alone) {
  confidence = std::max(confidence, its_confidence);
  if (weight <= 0) return;  // in flight: seen, and counted where it ends
  ++records;
  calls += weight;
  if (by_callee_alone) ++by_callee;
}

bool EdgeBook::Observe(EntityId caller, EntityId callee, EdgeWitness by, const EdgeSight& sight,
                       Nanos from, Nanos to) {
  const Key key(caller, callee);
  auto at = edges_.find(key);
  if (at == edges_.end()) {
    if (edges_.size() >= max_edges_ && !MakeRoom()) return false;
    at = edges_.emplace(key, Between{}).first;
  }
  std::vector<Known>& known = at->second.known;
  auto k = std::find_if(known.begin(), known.end(),
                        [by](const Known& other) { return other.source.by <= by; });
  if (k == known.end() || k->source.by != by) {
    k = known.insert(k, Known{});
    k->source.by = by;
  }
  AddTo(sight, from, to, &*k);
  return true;
}

void EdgeBook::AddTo(const EdgeSight& sight, Nanos from, Nanos to, Known* k) {
  EdgeSource& s = k->source;
  std::vector<EdgeStretch>& stretches = s.stretches;
  s.confidence = sight.confidence;
  s.calls += sight.calls;
  k->usual.records += sight.records;
  k->usual.calls += sight.calls;
  k->usual.by_callee += sight.by_callee;
  if (!stretches.empty() && to <= s.last_seen) return AddToPast(sight.calls, from, to, &stretches);
  if (stretches.empty() || stretches.back().then != EdgeState::kActive) {
    stretches.push_back(EdgeStretch{from, to, 0, EdgeState::kActive});
    if (stretches.size() > kMaxStretches) MergeNearest(&stretches);
  }
  stretches.back().calls += sight.calls;
  stretches.back().to = to;
  CountWindow(to, k);
}

void EdgeBook::CountWindow(Nanos to, Known* k) {
  // The silence before this window is one that calls came back from.
  k->longest_heard = std::max(k->longest_heard, k->heard_since);
  k->longest = std::max(k->longest, k->windows_since);
  k->source.last_seen = to;
  k->seen += 1;
  k->heard += k->heard_since + 1;
  k->windows += k->windows_since + 1;
  const double keep = std::min(1.0, kMemory / k->windows);
  for (double* sum :
       {&k->seen, &k->heard, &k->windows, &k->usual.records, &k->usual.calls, &k->usual.by_callee})
    *sum *= keep;
  k->heard_since = k->windows_since = 0;
}

void EdgeBook::Judge(const Hearing& hearing, Nanos from, Nanos to) {
  const double passed = judged_until_ == INT64_MIN
                            ? 1
                            : std::max(1.0, ToSeconds(to - judged_until_) / ToSeconds(to - from));
  for (auto& [key, between] : edges_) {
    for (Known& k : between.known) {
      if (k.source.last_seen < to - PatienceWith(k.source.by))
        JudgeSilence(HeardOf(key, k, hearing, {from, to}), passed, &k);
      if (k.source.stretches.back().then == EdgeState::kActive) active_s_ += ToSeconds(to - from);
    }
  }
  judged_until_ = to;
  untold_.erase(untold_.begin(), untold_.lower_bound(to - kDecided));
}

void EdgeBook::JudgeSilence(double heard, double windows, Known* k) {
  EdgeState& then = k->source.stretches.back().then;
  if (then == EdgeState::kStopped) return;
  k->heard_since += heard;
  k->windows_since += windows;
  if (k->heard_since > k->longest_heard &&
      ChanceOfNone(k->seen, k->heard, k->heard_since) < kUnlikely) {
    then = EdgeState::kStopped;
    ++stops_;
    k->heard_since *= 2;  // should calls come back: borne twice as long the next time
  } else if (k->windows_since > k->longest &&
             ChanceOfNone(k->seen, k->windows, k->windows_since) < kUnlikely) {
    then = EdgeState::kUnseen;
  }
}

/// The part of the edge's usual records that this window would have shown; 0: its witness was
/// silent.
double EdgeBook::HeardOf(const Key& key, const Known& k, const Hearing& hearing,
                         TimeRange window) const {
  const auto [caller, callee] = key;
  const EdgeWitness by = k.source.by;
  const bool by_callee = by == EdgeWitness::kAccessLogs || by == EdgeWitness::kConsumerSpans;
  const bool of_calls = by >= EdgeWitness::kClientSpans;
  const bool of_spans = of_calls || by == EdgeWitness::kConsumerSpans;
  const Hearing::Heard* heard =
      hearing.Find(by_callee ? callee : caller, of_spans ? EdgeWitness::kSpans : by);
  if (heard == nullptr) return 0;
  if (of_calls) {
    // Calls that name nobody and that nobody's span answers may be this edge's.
    double unclear = heard->unplaced + hearing.Elsewhere(key);
    if (by == EdgeWitness::kInferredJoins)
      unclear = std::max(unclear + hearing.MayBePassedOn(caller), UntoldBy(callee, window));
    if (unclear > kMayHide * k.usual.records / k.seen) return 0;
    const bool callee_tells = 2 * k.usual.by_callee > k.usual.records;
    if (callee_tells && hearing.Find(callee, EdgeWitness::kSpans) == nullptr) return 0;
  }
  const double weight = k.usual.records > 0 ? k.usual.calls / k.usual.records : 1;
  return std::min(1.0, weight / heard->weight());
}

/// Requests to it of the window that inference has just decided.
double EdgeBook::UntoldBy(EntityId callee, TimeRange window) const {
  double untold = 0;
  const auto end = untold_.lower_bound(window.to - kDecided);
  for (auto of = untold_.lower_bound(window.from - kDecided); of != end; ++of) {
    const auto requests = of->second.find(callee);
    if (requests != of->second.end()) untold += requests->second;
  }
  return untold;
}

std::vector<telemetry::Edge> EdgeBook::Edges() const {
  const double ends_per_s = (1 + stops_) / (kPriorLife_s + active_s_);
  std::vector<telemetry::Edge> edges;
  edges.reserve(edges_.size());
  for (const auto& [key, between] : edges_) {
    telemetry::Edge e;
    e.caller = key.first;
    e.callee = key.second;
    e.ends_per_s = ends_per_s;
    for (const Known& k : between.known) e.sources.push_back(k.source);
    telemetry::SumUp(judged_until_, &e);
    edges.push_back(std::move(e));
  }
  return edges;
}

/// Edges that nothing has confirmed for a day make room.
bool EdgeBook::MakeRoom() {
  if (judged_until_ == INT64_MIN || judged_until_ < made_room_ + kMinute) return false;
  made_room_ = judged_until_;
  std::erase_if(edges_, [&](const auto& edge) {
    return std::all_of(edge.second.known.begin(), edge.second.known.end(), [&](const Known& k) {
      return k.source.last_seen < judged_until_ - kForgotten;
    });
  });
  return edges_.size() < max_edges_;
}

}  // namespace tomograph::correlate
