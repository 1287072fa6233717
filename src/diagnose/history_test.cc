#include "diagnose/history.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tomograph::diagnose {
namespace {

using telemetry::EntityId;
using telemetry::kNoEntity;
using telemetry::Quantity;
using telemetry::Window;
using telemetry::WindowSet;

constexpr EntityId kPay{7}, kDb{8};
constexpr Nanos kStep = 5 * kSecond;

Window Served(EntityId entity, int calls, double latency, double exclusive) {
  Window w;
  w.key = {entity, kNoEntity};
  for (int i = 0; i < calls; ++i) w.spans.latency.Add(latency);
  w.spans.seen = static_cast<uint64_t>(calls);
  w.spans.calls = calls;
  w.spans.exclusive_s = exclusive;
  return w;
}

WindowSet At(int step, std::vector<Window> windows) {
  WindowSet set;
  set.start = step * kStep;
  set.length = kStep;
  set.windows = std::move(windows);
  return set;
}

const CaseSeries* Find(const Case& c, EntityId entity, Quantity q) {
  for (const CaseSeries& s : c.series) {
    if (s.entity == entity && s.quantity == q) return &s;
  }
  return nullptr;
}

TEST(History, LeftOutWindowsAreMissingAndNotZero) {
  History h(10 * kMinute);
  h.Add(At(0, {Served(kPay, 10, 0.1, 1)}));
  h.Add(At(3, {Served(kPay, 20, 0.1, 1)}));
  const Case c = h.ToCase(0, kHour);
  ASSERT_EQ(c.times.size(), 4u);
  const CaseSeries* rate = Find(c, kPay, Quantity::kCallRate);
  ASSERT_NE(rate, nullptr);
  EXPECT_DOUBLE_EQ(rate->values[0], 2);
  EXPECT_TRUE(std::isnan(rate->values[1]));
  EXPECT_DOUBLE_EQ(rate->values[3], 4);
  EXPECT_DOUBLE_EQ(h.Latest({kPay, kNoEntity}, Quantity::kCallRate), 4);
}

TEST(History, ItTellsSinceWhenEachIsHeard) {
  History h(10 * kMinute);
  h.Add(At(0, {Served(kPay, 10, 0.1, 1)}));
  Window seen = Served(kDb, 10, 0.05, 0);  // by its caller, long before it speaks itself
  seen.key = {kDb, kPay};
  h.Add(At(1, {Served(kPay, 10, 0.1, 1), seen}));
  h.Add(At(4, {Served(kPay, 10, 0.1, 1), Served(kDb, 10, 0.05, 0.5)}));
  const Case c = h.ToCase(3 * kStep, kHour);
  EXPECT_EQ(c.heard_since.at(kPay), 0);
  EXPECT_EQ(c.heard_since.at(kDb), kStep);
}

TEST(History, TheFirstRestartIsSeenToo) {
  History h(10 * kMinute);
  for (int step = 0; step < 4; ++step) {
    Window w = Served(kPay, 10, 0.1, 1);
    if (step != 2) w.restarts = step == 3 ? 1 : 0;  // nothing tells at 2
    h.Add(At(step, {w}));
  }
  const Case c = h.ToCase(0, kHour);
  const CaseSeries* restarts = Find(c, kPay, Quantity::kRestarts);
  ASSERT_NE(restarts, nullptr);
  EXPECT_EQ(restarts->values[0], 0);
  EXPECT_EQ(restarts->values[1], 0);
  EXPECT_TRUE(std::isnan(restarts->values[2]));
  EXPECT_EQ(restarts->values[3], 1);
}

TEST(History, AQuantileStaysOneAndAMeanIsNamed) {
  History h(10 * kMinute);
  Window told;
  told.key = {kDb, kNoEntity};
  told.gauges[Quantity::kLatency].Add(0.4, 0);
  told.gauges[Quantity::kLatency].statistic = telemetry::Statistic::kP90;
  h.Add(At(0, {Served(kPay, 10, 0.1, 1), told}));
  const Case c = h.ToCase(0, kHour);
  EXPECT_EQ(Find(c, kDb, Quantity::kLatency)->statistic, telemetry::Statistic::kP90);
  EXPECT_EQ(Find(c, kPay, Quantity::kLatency)->statistic, telemetry::Statistic::kMean);
  EXPECT_EQ(h.StatisticOf({kDb, kNoEntity}, Quantity::kLatency), telemetry::Statistic::kP90);
  EXPECT_EQ(h.StatisticOf({kDb, kNoEntity}, Quantity::kCallRate), telemetry::Statistic::kValue);
}

TEST(History, AliveButNotCalledIsARateOfZeroWithoutLatency) {
  History h(10 * kMinute);
  h.Add(At(0, {Served(kPay, 10, 0.1, 1)}));
  Window idle;
  idle.key = {kPay, kNoEntity};
  idle.gauges[Quantity::kCpuUtilization].Add(0.01, 0);
  h.Add(At(1, {idle}));
  EXPECT_EQ(h.Latest({kPay, kNoEntity}, Quantity::kCallRate), 0);
  EXPECT_TRUE(std::isnan(h.Latest({kPay, kNoEntity}, Quantity::kLatency)));
  EXPECT_TRUE(std::isnan(h.Latest({kPay, kNoEntity}, Quantity::kErrorRatio)));
}

TEST(History, WhatOnlyCallersSawIsNoTelemetryOfTheCallee) {
  History h(10 * kMinute);
  h.Add(At(0, {Served(kDb, 10, 0.1, 0)}));
  EXPECT_EQ(Find(h.ToCase(0, kHour), kDb, Quantity::kLatency), nullptr);
}

TEST(History, SpansAndMetricsAreNotMixed) {
  History h(10 * kMinute);
  Window both = Served(kPay, 10, 0.1, 1);
  both.metrics = Served(kPay, 40, 0.2, 0).spans;
  h.Add(At(0, {both}));
  Window metrics_only;
  metrics_only.key = both.key;
  metrics_only.metrics = both.metrics;
  h.Add(At(1, {metrics_only}));
  const CaseSeries* rate = nullptr;
  const Case c = h.ToCase(0, kHour);
  rate = Find(c, kPay, Quantity::kCallRate);
  ASSERT_NE(rate, nullptr);
  EXPECT_DOUBLE_EQ(rate->values[0], 2);
  EXPECT_DOUBLE_EQ(rate->values[1], 0);
  for (int i = 2; i < 20; ++i) h.Add(At(i, {metrics_only}));  // the spans have stopped for good
  EXPECT_DOUBLE_EQ(h.Latest({kPay, kNoEntity}, Quantity::kCallRate), 8);
}

TEST(History, IsBoundedInTimeAndForgetsWhatIsGone) {
  History h(kMinute);
  h.Add(At(0, {Served(kDb, 10, 0.1, 1)}));
  for (int i = 1; i < 300; ++i) h.Add(At(i, {Served(kPay, 10, 0.1, 1)}));
  const Case c = h.ToCase(0, 10 * kHour);
  EXPECT_EQ(c.times.size(), 12u);
  EXPECT_EQ(Find(c, kDb, Quantity::kLatency), nullptr);
  EXPECT_EQ(h.series(), 3u);
}

TEST(History, RepeatedAndEarlierWindowsAreIgnored) {
  History h(kMinute);
  h.Add(At(5, {Served(kPay, 10, 0.1, 1)}));
  h.Add(At(5, {Served(kPay, 90, 0.1, 1)}));
  h.Add(At(2, {Served(kPay, 90, 0.1, 1)}));
  EXPECT_EQ(h.ToCase(0, kHour).times.size(), 1u);
  EXPECT_DOUBLE_EQ(h.Latest({kPay, kNoEntity}, Quantity::kCallRate), 2);
}

}  // namespace
}  // namespace tomograph::diagnose
