#include "correlate/rebuild/lost_spans.h"

#include <algorithm>

#include "base/random.h"

namespace tomograph::correlate {
namespace {

using telemetry::JoinBasis;

constexpr double kUnseen = .05;  // weight of a pair that was never seen
constexpr double kNone = .1;     // weight of none of those that came
constexpr float kLikelier = .5;  // than not; below, a place would be a guess
constexpr int kDeepest = 10'000;

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

/// Does `child` stand below the one at `from`, or is it that one?
bool Below(const ShelvedTrace& trace, int from, const std::vector<int32_t>& children) {
  for (int depth = 0; from >= 0 && depth < kDeepest; ++depth) {
    if (std::find(children.begin(), children.end(), from) != children.end()) return true;
    const Above& above = trace.spans[static_cast<size_t>(from)].above;
    from = above.basis == JoinBasis::kId ? trace.Find(above.parent.span) : -1;
  }
  return false;
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
    const uint64_t pair = PairOf(KeyOf(trace.joined.spans()[static_cast<size_t>(grandparent)]),
                                 KeyOf(trace.joined.spans()[i]));
    if (pairs_.size() >= kMaxPairs && pairs_.count(pair) == 0) continue;
    ++pairs_[pair];
  }
}

double LostSpans::Seen(const OpenSpan& grandparent, const OpenSpan& child) const {
  const auto at = pairs_.find(PairOf(KeyOf(grandparent), KeyOf(child)));
  return at == pairs_.end() ? 0 : at->second;
}

Above LostSpans::Place(telemetry::TraceId id, const ShelvedTrace& trace,
                       const std::vector<int32_t>& children) const {
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
  for (size_t g = 0; g < trace.spans.size(); ++g) {
    const OpenSpan& span = trace.spans[g].span;
    const Nanos slack = hull.slack + SlackOf(span);
    if (span.start > hull.start + slack || span.end < hull.end - slack) continue;
    if (Below(trace, static_cast<int>(g), children)) continue;
    double weight = kUnseen;
    for (const int32_t c : children)
      weight = std::max(weight, Seen(span, trace.spans[static_cast<size_t>(c)].span) + kUnseen);
    candidates.push_back({weight, span.end - span.start, static_cast<int>(g)});
    sum += weight;
  }
  Above above{JoinBasis::kNone, {}, 0, 1, {}, 0};
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
    return {JoinBasis::kNone, {}, 0, 1 - above.posterior, above.parent, above.posterior};
  }
  return above;
}

}  // namespace tomograph::correlate
