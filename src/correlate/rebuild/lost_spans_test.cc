#include "correlate/rebuild/lost_spans.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace tomograph::correlate {
namespace {

using telemetry::EntityId;
using telemetry::JoinBasis;
using telemetry::TraceId;

constexpr EntityId kWeb{1}, kJob{2}, kCart{3};

OpenSpan Span(uint64_t id, uint64_t parent, EntityId service, Nanos start, Nanos end) {
  OpenSpan s;
  s.id = id;
  s.parent = parent;
  s.service = service;
  s.start = start * kSecond;
  s.end = end * kSecond;
  return s;
}

/// `times` traces grandparent -> middle -> cart, of those that are learned from.
void Learn(LostSpans* lost, EntityId grandparent, int times) {
  const std::vector<OpenSpan> spans = {Span(1, 0, grandparent, 0, 9), Span(2, 1, grandparent, 1, 8),
                                       Span(3, 2, kCart, 2, 7)};
  JoinedTrace joined;
  joined.Join(spans);
  for (uint64_t id = 0; times > 0; ++id) {
    if (MixBits(id) % LostSpans::kEvery != 0) continue;
    lost->Learn({{0, id}, joined, 10 * kSecond});
    --times;
  }
}

/// Cart's span 3 came, and spans of these services that may be above it; its parent 2 did not.
Above PlaceBelow(const LostSpans& lost, const std::vector<EntityId>& enclosing,
                 size_t elsewhere = 0) {
  ShelvedTrace trace;
  trace.spans.push_back({Span(3, 2, kCart, 2, 7), {JoinBasis::kId, {{}, 2}, 1, 0, {}, 0}});
  uint64_t id = 10;
  for (const EntityId service : enclosing)
    trace.spans.push_back({Span(id++, 0, service, 0, 9), {}});
  for (size_t i = 0; i < elsewhere; ++i) trace.spans.push_back({Span(id++, 0, kJob, 0, 1), {}});
  return lost.Place({}, trace, {0});
}

TEST(LostSpans, HangsWhereItHungElsewhere) {
  LostSpans lost;
  Learn(&lost, kWeb, 50);
  const Above above = PlaceBelow(lost, {kJob, kWeb});
  EXPECT_EQ(above.basis, JoinBasis::kInferred);
  EXPECT_EQ(above.parent.span, 11u);
  EXPECT_GT(above.posterior, .9);
}

TEST(LostSpans, ALinkThatWasNeverSeenIsNoPlace) {
  LostSpans lost;
  Above above = PlaceBelow(lost, {kJob});
  EXPECT_EQ(above.basis, JoinBasis::kUnknown) << "nothing is known";
  EXPECT_EQ(above.runner_up.span, 10u);
  Learn(&lost, kWeb, 50);
  above = PlaceBelow(lost, {kJob});
  EXPECT_EQ(above.basis, JoinBasis::kUnknown) << "it always hung elsewhere";
  EXPECT_LT(above.runner_up_posterior, .05);
}

TEST(LostSpans, ARareLinkIsNoLikelyPlace) {
  LostSpans lost;
  Learn(&lost, kWeb, 99);
  Learn(&lost, kJob, 1);
  EXPECT_EQ(PlaceBelow(lost, {kJob}).basis, JoinBasis::kUnknown);
  EXPECT_EQ(PlaceBelow(lost, {kWeb}).basis, JoinBasis::kInferred);
}

TEST(LostSpans, HugeTracesAreNotSearched) {
  LostSpans lost;
  Learn(&lost, kWeb, 50);
  EXPECT_EQ(PlaceBelow(lost, {kWeb}, LostSpans::kMaxSpans - 2).basis, JoinBasis::kInferred);
  EXPECT_EQ(PlaceBelow(lost, {kWeb}, LostSpans::kMaxSpans - 1).basis, JoinBasis::kUnknown);
}

}  // namespace
}  // namespace tomograph::correlate
