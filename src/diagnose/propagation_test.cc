#include "diagnose/propagation.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "diagnose/constructed_case.h"

namespace tomograph::diagnose {
namespace {

using telemetry::EntityId;
using telemetry::Movement;
using telemetry::Order;
using telemetry::Quantity;

constexpr size_t kSteps = 100;

/// A level that rises at `onset` s after the start, in noise of 2 %.
std::vector<double> Rising(double onset, double normal, double ill, uint64_t seed) {
  Random random(seed);
  std::vector<double> values;
  for (size_t i = 0; i < kSteps; ++i) {
    const double after = std::clamp(static_cast<double>(i + 1) - onset / 5, 0.0, 1.0);
    values.push_back((normal + after * (ill - normal)) * random.Normal(1, 0.02));
  }
  return values;
}

struct Chain {
  ConstructedCase c{60, 40};
  std::vector<EntityId> members;
  Nanos start = 0;

  // gateway -> checkout -> payment
  Chain(double gateway, double checkout, double payment, Quantity quantity = Quantity::kLatency) {
    c.Calls("gateway", "checkout").Calls("checkout", "payment").AlertOn("gateway", quantity);
    uint64_t seed = 1;
    for (const auto& [name, onset] :
         {std::pair{"gateway", gateway}, {"checkout", checkout}, {"payment", payment}}) {
      c.AddValues(name, "", quantity, Rising(onset, 0.1, 0.5, seed++));
      members.push_back(Service(name));
    }
    start = c.incident().times.front();
  }
  std::vector<Movement> Trace() { return TracePropagation(c.incident(), members); }
};

TEST(Propagation, HarmTravelsFromCalleeToCaller) {
  Chain chain(320, 308, 296);
  const std::vector<Movement> trace = chain.Trace();
  ASSERT_EQ(trace.size(), 3U);
  EXPECT_EQ(trace[0].entity, Service("payment"));
  EXPECT_EQ(trace[0].from, telemetry::kNoEntity);
  EXPECT_EQ(trace[1].from, Service("payment"));
  EXPECT_EQ(trace[2].from, Service("checkout"));
  for (size_t i = 0; i < 3; ++i) {
    const Nanos truth = chain.start + (296 + 12 * static_cast<Nanos>(i)) * kSecond;
    // 90 %: now and then it is just outside.
    EXPECT_LE(trace[i].lower, truth + kSecond);
    EXPECT_GE(trace[i].upper, truth - kSecond);
    EXPECT_TRUE(trace[i].up);
    if (i == 0) continue;
    EXPECT_EQ(trace[i].order, Order::kClear);
    EXPECT_LE(trace[i].lag_lower_s, 12);
    EXPECT_GE(trace[i].lag_upper_s, 12);
  }
}

TEST(Propagation, LoadTravelsFromCallerToCallee) {
  Chain chain(296, 308, 320, Quantity::kCallRate);
  const std::vector<Movement> trace = chain.Trace();
  ASSERT_EQ(trace.size(), 3U);
  EXPECT_EQ(trace[0].entity, Service("gateway"));
  EXPECT_EQ(trace[1].from, Service("gateway"));
  EXPECT_EQ(trace[2].from, Service("checkout"));
  EXPECT_EQ(trace[2].order, Order::kClear);
}

TEST(Propagation, WhatComesAtOnceIsUnclearAndTheWrongWayRoundContradicted) {
  Chain at_once(300, 300, 300);
  for (const Movement& m : at_once.Trace()) {
    if (m.from == telemetry::kNoEntity) continue;
    EXPECT_EQ(m.order, Order::kUnclear);
  }
  Chain reversed(280, 300, 320);
  const std::vector<Movement> trace = reversed.Trace();
  ASSERT_EQ(trace.size(), 3U);
  EXPECT_EQ(trace[0].entity, Service("gateway"));
  EXPECT_EQ(trace[0].order, Order::kContradicted);
  EXPECT_LT(trace[0].lag_s, 0);
}

TEST(Propagation, AClockThatMayBeWrongMakesAnOrderUnclear) {
  Chain chain(320, 308, 296);
  chain.c.incident().clock_bounds[Service("payment")] = 60 * kSecond;
  const std::vector<Movement> trace = chain.Trace();
  ASSERT_EQ(trace.size(), 3U);
  EXPECT_TRUE(trace[0].clock_known);
  EXPECT_GE(trace[0].upper - trace[0].lower, 120 * kSecond);
  EXPECT_EQ(trace[1].order, Order::kUnclear);
  EXPECT_FALSE(trace[1].clock_known);
}

TEST(Propagation, NothingIsSaidOfWhatDoesNotChangeOrIsNotThere) {
  ConstructedCase c(60, 40);
  c.Add("payment", Quantity::kLatency, 0.1, 0.1);
  c.AddValues("payment", "", Quantity::kCallRate, std::vector<double>(kSteps, std::nan("")));
  c.AlertOn("payment", Quantity::kLatency);
  EXPECT_TRUE(TracePropagation(c.incident(), {Service("payment"), Service("unseen")}).empty());
  EXPECT_TRUE(TracePropagation({}, {}).empty());
}

TEST(Propagation, OppositeDirectionsAreNoPath) {
  ConstructedCase c(60, 40);
  c.Calls("gateway", "payment").AlertOn("gateway", Quantity::kLatency);
  c.Add("gateway", Quantity::kLatency, 0.1, 0.5).Add("payment", Quantity::kLatency, 0.5, 0.1);
  for (const Movement& m : TracePropagation(c.incident(), {Service("gateway"), Service("payment")}))
    EXPECT_EQ(m.from, telemetry::kNoEntity);
}

}  // namespace
}  // namespace tomograph::diagnose
