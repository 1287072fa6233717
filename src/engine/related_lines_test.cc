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

// A load that two things are made of: a counter which the host of entity 1 tells every 15 s, by a
// clock that is 20 s ahead, and, 10 s later, the line of entity 2.
class CounterTest : public ::testing::Test {
 protected:
  static constexpr Nanos kAhead = 20 * kSecond, kLag = 10 * kSecond;
  static constexpr EntityId kHost{77};

  CounterTest() {
    Random random(5);
    double v = 0, total = 0;
    for (size_t i = 0; i < kWindows; ++i) {
      load_.push_back(10 + (v = 0.9 * v + random.Normal(0, 1)));
      if (i >= 2) picture_.lines[1].values[i] = load_[i - 2] + random.Normal(0, 0.3);
    }
    series_.reading = telemetry::Reading::kCounter;
    series_.host = kHost;
    for (size_t i = 0; i < kWindows; ++i) {
      if (i % 3 == 0) series_.samples.push_back({picture_.window_starts[i] + kAhead, total});
      total += load_[i] * 5;
    }
  }

  void KnowTheClock() {
    telemetry::ClockSegment segment;
    segment.from = picture_.window_starts.front() - kHour;
    segment.to = picture_.window_starts.back() + kHour;
    segment.offset = kAhead;
    segment.below = segment.above = {kSecond, kSecond, kSecond};
    segment.measured = segment.applied = true;
    telemetry::HostClock clock;
    clock.id = kHost;
    clock.segments = {segment};
    picture_.clocks = {clock};
    picture_.clock_bounds[EntityId{2}] = kSecond;
  }

  telemetry::CorrelationAnswer Ask() {
    telemetry::CorrelationQuestion question;
    question.entity = EntityId{1};
    question.series = {{series_, ""}};
    auto answer = RelatedLines(picture_, question);
    EXPECT_TRUE(answer.ok());
    EXPECT_EQ(answer->series.size(), 1U);
    EXPECT_FALSE(answer->related.empty());
    if (answer->related.empty()) answer->related.resize(1);
    return *answer;
  }

  static void ExpectTheTruth(const telemetry::RelatedLine& found) {
    EXPECT_EQ(found.entity, EntityId{2});
    EXPECT_LT(found.q, 0.001);
    EXPECT_LE(found.lag_lower_s, 10);
    EXPECT_GE(found.lag_upper_s, 10);
    EXPECT_LT(found.lag_upper_s - found.lag_lower_s, 45);
    EXPECT_NEAR(found.lag_s, 10, 7.5);
    EXPECT_TRUE(found.clocks_known);
  }

  telemetry::Picture picture_ = Noise(10, 4);
  std::vector<double> load_;
  telemetry::SampledSeries series_;
};

TEST_F(CounterTest, IsFoundBeforeTheLineThatFollowsItByAClockThatIsKnown) {
  KnowTheClock();
  const auto answer = Ask();
  ExpectTheTruth(answer.related[0]);
  EXPECT_EQ(answer.related.size(), 1U);
  EXPECT_EQ(answer.compared, 10U);
  const telemetry::SeriesOnGrid& on_grid = answer.series[0];
  EXPECT_EQ(on_grid.samples, kWindows / 3);
  EXPECT_EQ(on_grid.interval, 15 * kSecond);
  EXPECT_EQ(on_grid.clock_bound, kSecond);
  EXPECT_TRUE(on_grid.corrected);
  EXPECT_EQ(on_grid.cell, 15 * kSecond) << "three windows come to one sample";
  EXPECT_EQ(on_grid.cells, kWindows / 3 - 1) << "the last sample ends what is known";
  EXPECT_EQ(on_grid.restarts + on_grid.ignored, 0U);
}

TEST_F(CounterTest, OfAnUnknownClockKeepsItsTimesAndSaysSo) {
  const auto answer = Ask();
  EXPECT_NEAR(answer.related[0].lag_s, 10 - 20, 15) << "a cell";
  EXPECT_LE(answer.related[0].lag_lower_s, 10 - 20);
  EXPECT_FALSE(answer.related[0].clocks_known);
  EXPECT_FALSE(answer.series[0].corrected);
  EXPECT_EQ(answer.series[0].clock_bound, telemetry::kUnknownBound);
}

TEST_F(CounterTest, ThatRestartsLosesOneStretch) {
  KnowTheClock();
  const double before = series_.samples[50].value - 1;
  for (size_t i = 50; i < series_.samples.size(); ++i) series_.samples[i].value -= before;
  const auto answer = Ask();
  ExpectTheTruth(answer.related[0]);
  EXPECT_EQ(answer.series[0].restarts, 1U);
  EXPECT_EQ(answer.series[0].cells, kWindows / 3 - 2);
}

TEST_F(CounterTest, WithGapsIsUnknownThere) {
  KnowTheClock();
  for (size_t i = 20; i < 30; ++i) series_.samples[i].value = std::nan("");
  series_.samples.erase(series_.samples.begin() + 70, series_.samples.begin() + 80);
  const auto answer = Ask();
  ExpectTheTruth(answer.related[0]);
  EXPECT_EQ(answer.series[0].ignored, 10U);
  EXPECT_EQ(answer.series[0].samples, kWindows / 3 - 20);
  EXPECT_EQ(answer.series[0].cells, kWindows / 3 - 1 - 2 * 11);
}

// On the windows themselves 12 of the 20 are found: what is new in the counter shows in one window
// of six, and does not say in which of the line's it came about.
TEST(RareSamples, AreComparedOverAsManyWindowsAsOneStandsFor) {
  int found = 0, right = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    telemetry::Picture picture = Noise(2, seed + 40);
    Random random(seed + 80);
    telemetry::CorrelationQuestion question;
    question.entity = EntityId{1};
    question.series.resize(1);
    question.series[0].series.reading = telemetry::Reading::kCounter;
    double v = 0, total = 0;
    for (size_t i = 0; i < kWindows; ++i) {
      v = 0.9 * v + random.Normal(0, 1);
      if (i % 6 == 0)
        question.series[0].series.samples.push_back({picture.window_starts[i], total});
      total += v + 100;
      picture.lines[1].values[i] = v + random.Normal(0, 1);
    }
    const auto answer = RelatedLines(picture, question);
    ASSERT_TRUE(answer.ok());
    EXPECT_EQ(answer->series[0].cell, 30 * kSecond);
    for (const telemetry::RelatedLine& line : answer->related) {
      if (line.entity != EntityId{2}) continue;
      ++found;
      right += line.lag_lower_s <= 0 && line.lag_upper_s >= 0 ? 1 : 0;
    }
  }
  EXPECT_GE(found, 16);
  EXPECT_GE(right, found - 1);
}

TEST_F(CounterTest, AmongSeveralIsTheOneThatIsRelated) {
  KnowTheClock();
  telemetry::CorrelationQuestion question;
  question.entity = EntityId{1};
  telemetry::SampledSeries constant = series_;
  for (telemetry::Sample& sample : constant.samples) sample.value = 4;
  question.series = {{constant, "latency"}, {series_, "call_rate"}};
  const auto answer = RelatedLines(picture_, question);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->compared, 9U + 10U) << "the first is what the latency of entity 1 is made of";
  EXPECT_EQ(answer->not_identifiable, 9U);
  ASSERT_EQ(answer->related.size(), 1U);
  EXPECT_EQ(answer->related[0].asked, 1U);
}

TEST_F(CounterTest, WithoutSamplesOrWindowsIsRelatedToNothing) {
  series_.samples.clear();
  telemetry::CorrelationQuestion question;
  question.entity = EntityId{1};
  question.series = {{series_, ""}};
  const auto nothing = RelatedLines(picture_, question);
  ASSERT_TRUE(nothing.ok());
  EXPECT_EQ(nothing->not_identifiable, nothing->compared);
  EXPECT_EQ(RelatedLines({}, question).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace tomograph::engine
