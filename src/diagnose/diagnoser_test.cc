#include "diagnose/diagnoser.h"

#include <gmock/gmock.h>

#include "base/random.h"

namespace tomograph::diagnose {
namespace {

using telemetry::EntityId;
using telemetry::EntityKind;
using telemetry::kNoEntity;
using telemetry::Quantity;

constexpr Nanos kStep = 5 * kSecond;
constexpr Nanos kStart = 1'700'000'000 * kSecond;

enum class Telemetry { kSpans, kMetrics, kQuantiles };

// web -> pay -> db (which tells nothing itself): Poisson traffic, exponential latencies.
class Shop {
 public:
  explicit Shop(double calls_per_s, Telemetry telemetry = Telemetry::kSpans, uint64_t seed = 1)
      : rate_(calls_per_s), telemetry_(telemetry), random_(seed), diagnoser_({}, &identities_) {
    web_ = identities_.entities.FindOrAdd(EntityKind::kService, "", "web");
    pay_ = identities_.entities.FindOrAdd(EntityKind::kService, "", "pay");
    db_ = identities_.entities.FindOrAdd(EntityKind::kDatabase, "", "db");
  }

  void Run(int windows, double pay_ms = 20, double failed = 0) {
    for (int i = 0; i < windows; ++i) {
      telemetry::WindowSet set;
      set.start = now_;
      set.length = kStep;
      const uint64_t n = random_.Poisson(rate_ * ToSeconds(kStep));
      telemetry::Window web, pay, db, web_pay, pay_db;
      web.key = {web_, kNoEntity};
      pay.key = {pay_, kNoEntity};
      db.key = {db_, kNoEntity};
      web_pay.key = {pay_, web_};
      pay_db.key = {db_, pay_};
      for (uint64_t k = 0; k < n; ++k) {
        const double at_db = random_.Exponential(0.004),
                     at_pay = at_db + random_.Exponential(pay_ms / 1e3);
        const double at_web = at_pay + 0.001 + random_.Exponential(0.01);
        const bool fails = random_.Uniform() < failed;
        Call(&db, at_db, 0, false);
        Call(&pay_db, at_db, 0, false);
        Call(&pay, at_pay, at_pay - at_db, fails);
        Call(&web_pay, at_pay + 0.001, 0, fails);
        Call(&web, at_web, at_web - at_pay, fails);
      }
      pay.gauges[Quantity::kCpuUtilization].Add(0.1, now_);
      set.windows = {web, pay, web_pay, db, pay_db};
      if (telemetry_ != Telemetry::kSpans) set.windows = {web, pay};
      if (telemetry_ == Telemetry::kQuantiles) OnlyQuantiles(&set);
      Hand(std::move(set));
    }
  }
  void Silence(int windows) {
    for (int i = 0; i < windows; ++i) {
      telemetry::WindowSet set;
      set.start = now_;
      set.length = kStep;
      Hand(std::move(set));
    }
  }
  const std::vector<telemetry::Incident>& incidents() const { return diagnoser_.incidents(); }
  Diagnoser& diagnoser() { return diagnoser_; }
  std::string Name(EntityId id) const { return identities_.entities.Name(id); }
  Nanos now() const { return now_; }
  EntityId pay() const { return pay_; }

 private:
  void Call(telemetry::Window* w, double latency, double exclusive, bool failed) {
    telemetry::CallStats& c = telemetry_ == Telemetry::kSpans ? w->spans : w->metrics;
    ++c.seen;
    c.calls += 1;
    c.failed += failed ? 1 : 0;
    c.latency.Add(latency);
    if (telemetry_ == Telemetry::kSpans) c.exclusive_s += exclusive;
  }
  /// As of a sender that tells the p90 of its latency and counts nothing.
  void OnlyQuantiles(telemetry::WindowSet* set) const {
    for (telemetry::Window& w : set->windows) {
      telemetry::GaugeStats& p90 = w.gauges[Quantity::kLatency];
      p90.statistic = telemetry::Statistic::kP90;
      p90.Add(w.metrics.latency.Quantile(0.9), now_);
      w.metrics = {};
    }
  }
  void Hand(telemetry::WindowSet set) {
    std::vector<telemetry::Edge> edges;
    for (const auto& [caller, callee] : {std::pair(web_, pay_), std::pair(pay_, db_)}) {
      telemetry::Edge e;
      e.caller = caller;
      e.callee = callee;
      e.last_seen = set.end();
      edges.push_back(e);
    }
    if (telemetry_ != Telemetry::kSpans) edges.clear();
    diagnoser_.Update(set, {}, edges);
    now_ += kStep;
  }

  const double rate_;
  const Telemetry telemetry_;
  Random random_;
  telemetry::Identities identities_;
  EntityId web_, pay_, db_;
  Diagnoser diagnoser_;
  Nanos now_ = kStart;
};

TEST(Diagnoser, HealthyTrafficRaisesNothing) {
  for (const double rate : {0.3, 3.0, 30.0}) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      Shop shop(rate, Telemetry::kSpans, seed);
      shop.Run(240);
      EXPECT_TRUE(shop.incidents().empty()) << rate << " calls/s, seed " << seed;
    }
  }
}

class BothWays : public testing::TestWithParam<Telemetry> {};

TEST_P(BothWays, ASlowServiceIsFoundNamedAndClosed) {
  Shop shop(20, GetParam());
  shop.Run(24);
  const Nanos fault = shop.now();
  shop.Run(8, 200);
  ASSERT_EQ(shop.incidents().size(), 1u);
  const telemetry::Incident& incident = shop.incidents()[0];
  EXPECT_EQ(incident.closed, 0);
  EXPECT_EQ(shop.Name(incident.diagnosis.alert.entity), "web");
  EXPECT_EQ(incident.opened, fault);
  ASSERT_FALSE(incident.diagnosis.hypotheses.empty());
  const telemetry::Hypothesis& first = incident.diagnosis.hypotheses[0];
  EXPECT_EQ(shop.Name(first.entity), "pay") << incident.diagnosis.summary;
  EXPECT_EQ(first.cause, "slow_dependency");
  EXPECT_LE(std::abs(first.onset - fault), kStep);
  EXPECT_THAT(incident.members, testing::SizeIs(2));

  shop.Run(20);
  ASSERT_EQ(shop.incidents().size(), 1u);
  EXPECT_GT(shop.incidents()[0].closed, fault);
  EXPECT_EQ(shop.Name(shop.incidents()[0].diagnosis.hypotheses[0].entity), "pay");
}
INSTANTIATE_TEST_SUITE_P(Diagnoser, BothWays,
                         testing::Values(Telemetry::kSpans, Telemetry::kMetrics));

TEST(Diagnoser, AQuantileOfTheLatencyIsEnough) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    Shop shop(20, Telemetry::kQuantiles, seed);
    shop.Run(120);
    EXPECT_TRUE(shop.incidents().empty()) << "seed " << seed;
    shop.Run(8, 200);
    ASSERT_EQ(shop.incidents().size(), 1u) << "seed " << seed;
    EXPECT_THAT(shop.incidents()[0].members, testing::SizeIs(2));
  }
}

TEST(Diagnoser, WhatCameFirstIsNotTheIncidentBefore) {
  Shop shop(20);
  shop.Run(40);
  shop.Run(12, 400);
  shop.Run(40);
  ASSERT_EQ(shop.incidents().size(), 1u);
  ASSERT_GT(shop.incidents()[0].closed, 0);
  const Nanos fault = shop.now();
  shop.Run(8, 20, 0.5);
  ASSERT_EQ(shop.incidents().size(), 2u);
  const auto& movements = shop.incidents()[0].propagation;
  ASSERT_FALSE(movements.empty());
  for (const telemetry::Movement& m : movements) EXPECT_GT(m.upper, fault - 2 * kStep);
}

TEST(Diagnoser, TheOnsetIsNotThatOfTheIncidentBefore) {
  for (const int between : {20, 30, 60}) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      Shop shop(20, Telemetry::kSpans, seed);
      shop.Run(40);
      shop.Run(12, 400);
      shop.Run(between);
      const Nanos fault = shop.now();
      for (int i = 0; i < 8; ++i) {
        shop.Run(1, 20, 0.5);
        if (shop.incidents().size() < 2) continue;
        ASSERT_GE(shop.incidents()[0].opened, fault);
        EXPECT_GT(shop.incidents()[0].diagnosis.hypotheses[0].onset, fault - 2 * kStep)
            << between << ", seed " << seed << ", window " << i;
      }
      EXPECT_EQ(shop.incidents().size(), 2u);
    }
  }
}

/// It lent the real outage its beginning.
TEST(Diagnoser, ABlipThatCalmedDownIsNotTheBeginningOfWhatComesAfter) {
  for (const int calm : {5, 6}) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      Shop shop(20, Telemetry::kSpans, seed);
      shop.Run(40);
      shop.Run(1, 400);
      shop.Run(calm);
      ASSERT_EQ(shop.incidents().size(), 1u) << "seed " << seed;
      ASSERT_EQ(shop.incidents()[0].closed, 0) << "seed " << seed;
      const std::string blip = shop.incidents()[0].id;
      const Nanos fault = shop.now();
      shop.Run(8, 20, 0.6);
      ASSERT_EQ(shop.incidents().size(), 2u) << "seed " << seed;
      EXPECT_EQ(shop.incidents()[1].id, blip);
      EXPECT_EQ(shop.incidents()[1].closed, fault);
      const telemetry::Incident& incident = shop.incidents()[0];
      EXPECT_EQ(incident.opened, fault) << "seed " << seed;
      EXPECT_EQ(incident.closed, 0);
      EXPECT_EQ(incident.diagnosis.alert.time, fault);
      EXPECT_THAT(incident.diagnosis.alert.text, testing::HasSubstr("failed share"));
      EXPECT_EQ(incident.diagnosis.hypotheses[0].cause, "failing");
      EXPECT_LE(std::abs(incident.diagnosis.hypotheses[0].onset - fault), kStep);
    }
  }
}

/// One that comes and goes is one incident, from its first time on.
TEST(Diagnoser, WhatComesAndGoesBeganWhenItFirstCame) {
  Shop shop(20);
  shop.Run(40);
  const Nanos fault = shop.now();
  for (int i = 0; i < 4; ++i) {
    shop.Run(4, 20, 0.6);
    shop.Run(5);
  }
  ASSERT_EQ(shop.incidents().size(), 1u);
  EXPECT_EQ(shop.incidents()[0].opened, fault);
}

TEST(Diagnoser, TheSameSymptomsAgainAreTheSameIncident) {
  Shop shop(20);
  shop.Run(40);
  for (int i = 0; i < 3; ++i) {
    shop.Run(3, 20, 0.5);
    shop.Run(6);
  }
  EXPECT_EQ(shop.incidents().size(), 1u);
}

TEST(Diagnoser, TheOnsetIsOfThisIncidentFromTheFirstWindowOn) {
  Shop shop(20);
  shop.Run(40);
  shop.Run(8, 20, 0.3);
  shop.Run(16);
  ASSERT_GT(shop.incidents()[0].closed, 0);
  const Nanos fault = shop.now();
  for (int window = 0; window < 6; ++window) {
    shop.Run(1, 20, 0.5);
    ASSERT_EQ(shop.incidents().size(), 2u);
    const telemetry::Hypothesis& first = shop.incidents()[0].diagnosis.hypotheses[0];
    EXPECT_LE(std::abs(first.onset - fault), kStep) << "window " << window;
    EXPECT_EQ(shop.Name(first.entity), "pay");
    EXPECT_EQ(first.cause, "failing");
  }
}

TEST(Diagnoser, FailuresAreFound) {
  Shop shop(20);
  shop.Run(24);
  shop.Run(8, 20, 0.3);
  ASSERT_EQ(shop.incidents().size(), 1u);
  const telemetry::Hypothesis& first = shop.incidents()[0].diagnosis.hypotheses[0];
  EXPECT_EQ(shop.Name(first.entity), "pay");
  EXPECT_EQ(first.cause, "failing");
}

telemetry::ChangeEvent DeployOfPay(const Shop& shop) {
  telemetry::ChangeEvent change;
  change.time = shop.now();
  change.kind = "deploy";
  change.source = "ci";
  change.id = "7";
  change.version = "2";
  change.entity = shop.pay();
  return change;
}

TEST(Diagnoser, ADeployIsTakenIntoAccount) {
  Shop shop(20);
  shop.Run(24);
  shop.diagnoser().AddChange(DeployOfPay(shop));
  shop.Run(8, 20, 0.3);
  ASSERT_EQ(shop.incidents().size(), 1u);
  EXPECT_EQ(shop.incidents()[0].diagnosis.hypotheses[0].cause, "bad_deploy");
}

TEST(Diagnoser, TheDeployThatAServiceCameToBeWithIsNotTaken) {
  Shop shop(20);
  shop.diagnoser().AddChange(DeployOfPay(shop));
  shop.Run(8);
  shop.Run(8, 20, 0.3);
  ASSERT_EQ(shop.incidents().size(), 1u);
  EXPECT_EQ(shop.incidents()[0].diagnosis.hypotheses[0].cause, "failing");
}

TEST(Diagnoser, MissingTelemetryRaisesNothing) {
  Shop shop(20);
  shop.Run(24);
  shop.Silence(30);
  EXPECT_TRUE(shop.incidents().empty());
  shop.Run(24);
  EXPECT_TRUE(shop.incidents().empty());
}

TEST(Diagnoser, AFaultDuringWarmUpIsNoIncidentYet) {
  Shop shop(20);
  shop.Run(3);
  shop.Run(2, 500);
  EXPECT_TRUE(shop.incidents().empty());
}

TEST(Diagnoser, TheSameWindowsGiveTheSameIncidents) {
  Shop a(20), b(20);
  for (Shop* shop : {&a, &b}) {
    shop->Run(24);
    shop->Run(8, 200);
  }
  ASSERT_EQ(a.incidents().size(), 1u);
  EXPECT_EQ(a.incidents()[0].id, b.incidents()[0].id);
  EXPECT_EQ(a.incidents()[0].diagnosis.summary, b.incidents()[0].diagnosis.summary);
  EXPECT_EQ(a.incidents()[0].diagnosis.hypotheses[0].posterior,
            b.incidents()[0].diagnosis.hypotheses[0].posterior);
}

}  // namespace
}  // namespace tomograph::diagnose
