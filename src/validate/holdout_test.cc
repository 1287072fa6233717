#include "validate/holdout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>

#include "base/random.h"

namespace tomograph::validate {
namespace {

using telemetry::Accuracy;
using telemetry::Basis;
using telemetry::EntityId;
using telemetry::Estimate;
using telemetry::kNoEntity;
using telemetry::Quantity;
using telemetry::WindowKey;
using telemetry::WindowSet;

constexpr Nanos kWindow = 5 * kSecond;

/// Says of every window that so many are in flight: normal about 10, as sure as it is told to be.
class FakeModel : public reconstruct::StateModel {
 public:
  FakeModel(double sd, std::set<std::pair<EntityId, Nanos>>* shown) : sd_(sd), shown_(shown) {}
  std::string_view name() const override { return "fake"; }
  void Update(const WindowSet& windows, std::vector<Estimate>* estimates) override {
    for (const telemetry::Window& w : windows.windows) {
      if (w.gauges.count(Quantity::kInFlight) > 0) shown_->emplace(w.key.entity, windows.start);
      estimates->push_back(Said(w.key.entity, windows.start));
    }
  }
  Estimate Said(EntityId entity, Nanos start) const {
    Estimate e;
    e.state = "in_flight";
    e.entity = entity;
    e.start = start;
    e.basis = sd_ > 0 ? Basis::kInferred : Basis::kMissing;
    e.value = 10;
    e.i50 = {10 - .6745 * sd_, 10 + .6745 * sd_};
    e.i90 = {10 - 1.6449 * sd_, 10 + 1.6449 * sd_};
    return e;
  }

 private:
  const double sd_;
  std::set<std::pair<EntityId, Nanos>>* const shown_;
};

class HoldoutTest : public ::testing::Test {
 protected:
  /// Windows in which `entities` are measured exactly to have N(10, 1) in flight.
  void Run(double said_sd, int windows, uint64_t entities, size_t max_entities = 100) {
    Holdout::Models models;
    models.push_back(std::make_unique<FakeModel>(said_sd, &shown_));
    holdout_ = std::make_unique<Holdout>(std::move(models), max_entities);
    Random random(7);
    for (int i = 0; i < windows; ++i) {
      WindowSet set;
      set.start = i * kWindow;
      set.length = kWindow;
      for (uint64_t e = 1; e <= entities; ++e) {
        telemetry::Window w;
        w.key.entity = EntityId{e};
        telemetry::GaugeStats gauge;
        const double value = random.Normal(10, 1);
        gauge.Add(value, set.start);
        gauge.samples = 1'000'000;  // exactly
        gauge.sum = value * gauge.samples;
        w.gauges[Quantity::kInFlight] = gauge;
        set.windows.push_back(std::move(w));
      }
      holdout_->Update(set);
    }
  }
  Accuracy Of(EntityId entity) const {
    for (const Accuracy& a : holdout_->Scores())
      if (a.entity == entity) return a;
    return {};
  }

  std::set<std::pair<EntityId, Nanos>> shown_;
  std::unique_ptr<Holdout> holdout_;
};

TEST_F(HoldoutTest, AFifthIsHiddenFromTheModelsForTermsAndTheRestIsNot) {
  Run(1, 2'000, 4);
  EXPECT_NEAR(static_cast<double>(Of(kNoEntity).scored), 8'000 / 5.0, 250);
  EXPECT_EQ(shown_.size() + Of(kNoEntity).scored, 8'000u);
  int changes = 0;
  for (int i = 1; i < 2'000; ++i)
    changes +=
        shown_.count({EntityId{1}, i * kWindow}) != shown_.count({EntityId{1}, (i - 1) * kWindow});
  EXPECT_GT(changes, 5);
  EXPECT_LE(changes, 2'000 / Holdout::kTerm);
}

TEST_F(HoldoutTest, WhoSaysHowSureItIsHoldsWhatItPromisesAndIsNotWidened) {
  Run(1, 4'000, 3);
  const Accuracy all = Of(kNoEntity);
  EXPECT_EQ(all.state, "in_flight");
  EXPECT_NEAR(all.in90, .9, .03);
  EXPECT_NEAR(all.in50, .5, .04);
  EXPECT_NEAR(all.width, 2 * 1.6449, 1e-6);
  EXPECT_NEAR(all.mean, 10, .1);
  EXPECT_LT(all.crps, all.last_value_crps);
  EXPECT_LE(all.worst200_in90, all.last200_in90);
  EXPECT_GT(all.worst200_in90, .78);
  EXPECT_LT(all.widened, 1.3);
}

TEST_F(HoldoutTest, WhoIsTooSureIsFoundOutAndWidenedUntilItHolds) {
  Run(.4, 12'000, 4);
  EXPECT_NEAR(Of(kNoEntity).in90, .49, .04);
  const double widened = Of(EntityId{2}).widened;
  EXPECT_NEAR(widened, 1 / .4, .6);
  const FakeModel model(.4, &shown_);
  std::vector<Estimate> estimates = {model.Said(EntityId{2}, 0), model.Said(EntityId{99}, 0),
                                     model.Said(EntityId{2}, 0)};
  estimates[2].basis = Basis::kObserved;
  holdout_->Widen(&estimates);
  EXPECT_NEAR(estimates[0].i90.upper - 10, widened * .4 * 1.6449, 1e-6);
  EXPECT_NE(estimates[0].note, "");
  EXPECT_GT(estimates[1].i90.upper - 10, 1.5 * .4 * 1.6449) << "nobody measures it: as the others";
  EXPECT_NEAR(estimates[2].i90.upper - 10, .4 * 1.6449, 1e-9) << "was counted";
}

TEST_F(HoldoutTest, AnotherStatesOrFewEntitiesSayNothingOfWhoIsNotMeasured) {
  Run(.4, 3'000, 2);
  const FakeModel model(.4, &shown_);
  std::vector<Estimate> estimates = {model.Said(EntityId{99}, 0), model.Said(EntityId{1}, 0)};
  estimates[1].state = "queue_depth";
  holdout_->Widen(&estimates);
  EXPECT_EQ(estimates[0].note, "");
  EXPECT_EQ(estimates[1].note, "");
}

TEST_F(HoldoutTest, AnEstimateThatIsMissingIsNoMiss) {
  Run(0, 1'000, 2);
  EXPECT_EQ(Of(kNoEntity).scored, 0u);
  EXPECT_GT(Of(kNoEntity).abstained, 100u);
  EXPECT_TRUE(std::isnan(Of(kNoEntity).in90));
}

TEST_F(HoldoutTest, IsBounded) {
  Run(1, 200, 50, 10);
  EXPECT_LE(holdout_->Scores().size(), 11u);
}

TEST(Measurement, WhatIsHiddenIsGoneAndNothingElse) {
  telemetry::Window w;
  w.key.entity = EntityId{1};
  w.metrics.calls = 40;
  w.metrics.calls_variance = 4;
  w.spans.seen = 3;
  for (const Quantity q : {Quantity::kCallRate, Quantity::kErrorRate, Quantity::kLatency,
                           Quantity::kInFlight, Quantity::kQueueDepth, Quantity::kReplicaLag})
    w.gauges[q].Add(8, 0);
  const std::vector<Measurement> all = MeasuredIn(w);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].state, "in_flight");
  EXPECT_EQ(all[0].value, 8);
  EXPECT_EQ(all[0].readings, 1);
  for (const Measurement& m : all) {
    telemetry::Window without = w;
    Hide(m.witness, &without);
    EXPECT_EQ(MeasuredIn(without).size(), 2u) << m.state;
    for (const Measurement& other : MeasuredIn(without)) EXPECT_NE(other.state, m.state);
    EXPECT_EQ(without.spans.seen, 3u);
    EXPECT_EQ(without.metrics.calls, 40);
  }
}

}  // namespace
}  // namespace tomograph::validate
