#include "correlate/rebuild/lost_spans.h"

#include <algorithm>

#include "base/random.h"

namespace tomograph::correlate {
namespace {

using telemetry::JoinBasis;

constexpr double kUnseen = .05;  // calls, of a pair that was never seen
constexpr double kNone = .06;    // weight of none of those that came
constexpr float kLikelier = .5;  // than not; below, a place would be a guess

uint64_t PairOf(uint64_t grandparent, uint64_t child) {
  return MixBits(grandparent ^ MixBits(child));
}

struct Hull {
  Nanos start = INT64_MAX, end = INT64_MIN;
  Nanos slack = 0;
};

Nanos SlackOf(const OpenSpan& span) {
  return span.clock_bound_s < 0 ? kMillisecond : FromSeconds(span.clock_bound_s);
}

/// Of every span: is it one of `children`, or does it stand below one?
std::vector<bool> BelowOrOf(const std::vector<int32_t>& children, const ShelvedTrace& trace) {
  const size_t n = trace.spans.size();
  std::vector<bool> below(n, false), known(n, false);
  for (const int32_t c : children)
    below[static_cast<size_t>(c)] = known[static_cast<size_t>(c)] = true;
  std::vector<size_t> way;
  for (size_t i = 0; i < n; ++i) {
    way.clear();
    size_t at = i;
    while (!known[at]) {
      known[at] = true;  // ids that run in a circle end here
      way.push_back(at);
      const Above& above = trace.spans[at].above;
      const int parent = above.basis == JoinBasis::kId ? trace.Find(above.parent.span) : -1;
      if (parent < 0) break;
      at = static_cast<size_t>(parent);
    }
    if (!below[at]) continue;
    for (const size_t passed : way) below[passed] = true;
  }
  return below;
}

void Count(uint64_t key, std::unordered_map<uint64_t, uint32_t>* counts) {
  if (counts->size() < LostSpans::kMaxPairs || counts->count(key) > 0) ++(*counts)[key];
}

double CountOf(uint64_t key, const std::unordered_map<uint64_t, uint32_t>& counts) {
  const auto at = counts.find(key);
  return at == counts.end() ? 0 : at->second;
}

}  // namespace

uint64_t LostSpans::KeyOf(const OpenSpan& span) {
  return MixBits(static_cast<uint64_t>(span.service) ^
                 MixBits((uint64_t{static_cast<uint32_t>(span.operation)} << 8) |
                         static_cast<uint64_t>(span.kind)));
}

void LostSpans::Learn(const LeavingTrace& trace) {
  if (MixBits(trace.id.lo) % kEvery != 0) return;
  for (size_t i = 0; i < trace.joined.spans().size(); ++i) {
    const int32_t parent = trace.joined.parent(i);
    if (parent == JoinedTrace::kNone || !trace.Leaves(i)) continue;
    const int32_t grandparent = trace.joined.parent(static_cast<size_t>(parent));
    if (grandparent == JoinedTrace::kNone) continue;
    const uint64_t child = KeyOf(trace.joined.spans()[i]);
    Count(PairOf(KeyOf(trace.joined.spans()[static_cast<size_t>(grandparent)]), child), &pairs_);
    Count(child, &children_);
  }
}

double LostSpans::Weight(const OpenSpan& grandparent, const OpenSpan& child) const {
  const uint64_t key = KeyOf(child);
  return (CountOf(PairOf(KeyOf(grandparent), key), pairs_) + kUnseen) /
         (CountOf(key, children_) + 1);
}

Above LostSpans::Place(telemetry::TraceId id, const ShelvedTrace& trace,
                       const std::vector<int32_t>& children) const {
  Above above{JoinBasis::kUnknown, {}, 0, 1, {}, 0};
  if (trace.spans.size() > kMaxSpans) return above;
  Hull hull;
  for (const int32_t c : children) {
    const OpenSpan& child = trace.spans[static_cast<size_t>(c)].span;
    hull.start = std::min(hull.start, child.start);
    hull.end = std::max(hull.end, child.end);
    hull.slack = std::max(hull.slack, SlackOf(child));
  }
  struct Candidate {
    double weight;
    Nanos length;
    int index;
  };
  std::vector<Candidate> candidates;
  double sum = kNone;
  const std::vector<bool> below = BelowOrOf(children, trace);
  for (size_t g = 0; g < trace.spans.size(); ++g) {
    const OpenSpan& span = trace.spans[g].span;
    const Nanos slack = hull.slack + SlackOf(span);
    if (span.start > hull.start + slack || span.end < hull.end - slack) continue;
    if (below[g]) continue;
    double weight = 0;
    for (const int32_t c : children)
      weight = std::max(weight, Weight(span, trace.spans[static_cast<size_t>(c)].span));
    candidates.push_back({weight, span.end - span.start, static_cast<int>(g)});
    sum += weight;
  }
  if (candidates.empty()) return above;
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight   ? a.weight > b.weight
           : a.length != b.length ? a.length < b.length
                                  : a.index < b.index;
  });
  const auto ref = [&](const Candidate& c) {
    return SpanRef{id, trace.spans[static_cast<size_t>(c.index)].span.id};
  };
  above.basis = JoinBasis::kInferred;
  above.parent = ref(candidates[0]);
  above.posterior = static_cast<float>(candidates[0].weight / sum);
  above.none = static_cast<float>(kNone / sum);
  if (candidates.size() > 1) {
    above.runner_up = ref(candidates[1]);
    above.runner_up_posterior = static_cast<float>(candidates[1].weight / sum);
  }
  if (above.posterior < kLikelier) {
    return {JoinBasis::kUnknown, {}, 0, 1 - above.posterior, above.parent, above.posterior};
  }
  return above;
}

}  // namespace tomograph::correlate
