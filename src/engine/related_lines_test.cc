#include "engine/related_lines.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace tomograph::engine {
namespace {

using telemetry::EntityId;

constexpr size_t kWindows = 300;

telemetry::Picture Noise(size_t entities, uint64_t seed) {
  Random random(seed);
  telemetry::Picture picture;
  picture.window_length = 5 * kSecond;
  for (size_t i = 0; i < kWindows; ++i)
    picture.window_starts.push_back(1'700'000'000 * kSecond + static_cast<Nanos>(i) * 5 * kSecond);
  for (size_t e = 1; e <= entities; ++e) {
    telemetry::TimeLine line;
    line.entity = EntityId{e};
    line.name = "latency_mean";
    double v = 0;
    for (size_t i = 0; i < kWindows; ++i) line.values.push_back(v = 0.8 * v + random.Normal(0, 1));
    picture.lines.push_back(std::move(line));
  }
  return picture;
}

TEST(RelatedLines, AFollowerIsFoundAmongNoise) {
  telemetry::Picture picture = Noise(20, 1);
  for (size_t i = kWindows; i-- > 3;)
    picture.lines[4].values[i] = 0.5 * picture.lines[4].values[i] + picture.lines[0].values[i - 3];
  const auto answer = RelatedLines(picture, {EntityId{1}, "latency_mean"});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->compared, 19U);
  ASSERT_EQ(answer->related.size(), 1U);
  const telemetry::RelatedLine& related = answer->related[0];
  EXPECT_EQ(related.entity, EntityId{5});
  EXPECT_DOUBLE_EQ(related.lag_s, 15);
  EXPECT_LT(related.q, 0.001);
  EXPECT_FALSE(related.clocks_known);
}

TEST(RelatedLines, NoiseIsRelatedToNothing) {
  int called = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto answer = RelatedLines(Noise(20, seed + 10), {EntityId{1}, "latency_mean"});
    ASSERT_TRUE(answer.ok());
    called += answer->related.empty() ? 0 : 1;
  }
  EXPECT_LE(called, 2);
}

TEST(RelatedLines, OfManyEntitiesTheNearOnesAreCompared) {
  telemetry::Picture picture = Noise(30, 2);
  for (const auto& [caller, callee] : {std::pair<uint64_t, uint64_t>{1, 2}, {2, 3}, {3, 4}}) {
    telemetry::Edge edge;
    edge.caller = EntityId{caller};
    edge.callee = EntityId{callee};
    picture.edges.push_back(edge);
  }
  const auto answer = RelatedLines(picture, {EntityId{1}, "latency_mean"});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->compared, 2U);
}

TEST(RelatedLines, WhatIsNotThereIsSaidAndCounted) {
  telemetry::Picture picture = Noise(3, 3);
  picture.lines[1].values.assign(kWindows, 1);
  EXPECT_EQ(RelatedLines(picture, {EntityId{9}, "latency_mean"}).status().code(),
            StatusCode::kNotFound);
  const auto answer = RelatedLines(picture, {EntityId{1}, "latency_mean"});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->not_identifiable, 1U);
  telemetry::CorrelationQuestion never{EntityId{1}, "latency_mean", {0, 1}};
  const auto nothing = RelatedLines(picture, never);
  ASSERT_TRUE(nothing.ok());
  EXPECT_EQ(nothing->not_identifiable, nothing->compared);
}

}  // namespace
}  // namespace tomograph::engine
