#include "telemetry/edge.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tomograph::telemetry {
namespace {

constexpr std::array<std::string_view, kEdgeWitnessCount> kWitnessNames = {
    "flows", "access log", "consumer spans", "client metrics", "client spans", "inferred", "spans"};

/// What was seen of the source until `at`; false: nothing yet.
bool CutAt(Nanos at, EdgeSource* source) {
  auto& stretches = source->stretches;
  while (!stretches.empty() && stretches.back().from > at) {
    source->calls -= stretches.back().calls;
    stretches.pop_back();
  }
  if (stretches.empty()) return false;
  EdgeStretch& last = stretches.back();
  if (at < last.to) {  // in the midst of it: as many of its calls as of its time
    const double before = ToSeconds(at - last.from) / ToSeconds(last.to - last.from);
    source->calls -= last.calls * (1 - before);
    last = {last.from, at, last.calls * before, EdgeState::kActive};
  }
  source->last_seen = last.to;
  return true;
}

/// One witness that sees calls is enough; and one that would see them is worth more than one that
/// cannot.
EdgeState StateOf(const std::vector<EdgeSource>& sources) {
  EdgeState state = EdgeState::kUnseen;
  for (const EdgeSource& s : sources) {
    if (s.stretches.back().then == EdgeState::kActive) return EdgeState::kActive;
    if (s.stretches.back().then == EdgeState::kStopped) state = EdgeState::kStopped;
  }
  return state;
}

/// Since when calls have come without a pause by anybody's word.
Nanos ActiveSince(const std::vector<EdgeSource>& sources, Nanos last_seen) {
  Nanos since = last_seen;
  for (bool moved = true; moved;) {
    moved = false;
    for (const EdgeSource& source : sources) {
      for (const EdgeStretch& s : source.stretches) {
        const bool going_on = s.then == EdgeState::kActive || s.to >= since;
        if (!going_on || s.from >= since) continue;
        since = s.from;
        moved = true;
      }
    }
  }
  return since;
}

}  // namespace

std::string_view EdgeWitnessName(EdgeWitness w) { return kWitnessNames[static_cast<size_t>(w)]; }

std::string_view EdgeStateName(EdgeState s) {
  return s == EdgeState::kActive ? "active" : s == EdgeState::kStopped ? "stopped" : "unseen";
}

double CombinedConfidence(const std::vector<EdgeSource>& sources) {
  double ids = 0, named = 0, logged = 0, flows = 0;
  for (const EdgeSource& s : sources) {
    double* of = s.by == EdgeWitness::kFlows           ? &flows
                 : s.by <= EdgeWitness::kConsumerSpans ? &logged
                 : s.by <= EdgeWitness::kClientSpans   ? &named
                                                       : &ids;
    *of = std::max(*of, s.confidence);
  }
  return 1 - (1 - ids) * std::min((1 - named) * (1 - logged), 1 - flows);
}

void SumUp(Nanos at, Edge* edge) {
  edge->first_seen = INT64_MAX;
  edge->last_seen = INT64_MIN;
  for (const EdgeSource& s : edge->sources) {
    edge->first_seen = std::min(edge->first_seen, s.stretches.front().from);
    edge->last_seen = std::max(edge->last_seen, s.last_seen);
  }
  edge->basis = EdgeWitnessName(edge->sources.front().by);
  edge->state = StateOf(edge->sources);
  edge->since = edge->state == EdgeState::kActive ? ActiveSince(edge->sources, edge->last_seen)
                                                  : edge->last_seen;
  const double unconfirmed_s = ToSeconds(std::max<Nanos>(0, at - edge->last_seen));
  edge->confidence =
      CombinedConfidence(edge->sources) * std::exp(-edge->ends_per_s * unconfirmed_s);
}

std::optional<Edge> EdgeAt(const Edge& edge, Nanos at) {
  Edge then = edge;
  std::erase_if(then.sources, [&](EdgeSource& source) { return !CutAt(at, &source); });
  if (then.sources.empty()) return std::nullopt;
  SumUp(at, &then);
  return then;
}

}  // namespace tomograph::telemetry
