#include "diagnose/excess_flow.h"

#include <gtest/gtest.h>

#include "diagnose/constructed_case.h"
#include "diagnose/posterior.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Quantity;

const double kNan = std::nan("");

Blame BlameOf(const Case& incident, const std::string& service) {
  const CaseView view(incident);
  const ExcessFlow flow = ComputeExcessFlow(view);
  for (int e = 0; e < view.size(); ++e) {
    if (view.id(e) == Service(service)) return flow.blame[static_cast<size_t>(e)];
  }
  ADD_FAILURE() << service << " is not in the case";
  return {};
}

// 10 calls/s each; the database got 300 ms slower, and so did everybody above it:
// 10 * 5 * 0.3 = 15 s per step at every level, of which only the database's arises in it.
ConstructedCase Chain() {
  ConstructedCase c(12, 6);
  c.Serves("web", 0.1, 0.4).Serves("shop", 0.05, 0.35).Serves("db", 0.01, 0.31);
  c.Calls("web", "shop").Calls("shop", "db");
  c.AlertOn("web", Quantity::kLatency);
  return c;
}

TEST(ExcessFlow, TheDeepestOfAChainIsToBlame) {
  ConstructedCase c = Chain();
  EXPECT_GT(BlameOf(c.incident(), "db").latency, 0.95);
  EXPECT_LT(BlameOf(c.incident(), "shop").latency, 0.05);
  EXPECT_LT(BlameOf(c.incident(), "web").latency, 0.05);
}

TEST(ExcessFlow, ExcessIsSecondsPerStep) {
  ConstructedCase c = Chain();
  const CaseView view(c.incident());
  const Excess web =
      ExcessOf(view, view.ServerFlow(view.alerting(), Harm::kLatency), Harm::kLatency);
  EXPECT_NEAR(web.amount, 15, 0.5);
  EXPECT_GE(web.scale, 0.05 * 0.1 * 50 * 0.99);  // the floor: 5 % of 50 calls of 100 ms
}

TEST(ExcessFlow, BlameIsSharedByWhatEachAdds) {
  ConstructedCase c(12, 6);
  c.Serves("web", 0.1, 0.5).Serves("shop", 0.05, 0.15).Calls("web", "shop");
  c.AlertOn("web", Quantity::kLatency);
  // web adds 300 of 400 ms, shop 100.
  EXPECT_NEAR(BlameOf(c.incident(), "web").latency, 0.75, 0.05);
  EXPECT_NEAR(BlameOf(c.incident(), "shop").latency, 0.25, 0.05);
}

TEST(ExcessFlow, WithoutAGraphOnlyTheAlertingEntityHandsDown) {
  ConstructedCase c = Chain();
  c.incident().edges.clear();
  EXPECT_LT(BlameOf(c.incident(), "web").latency, 0.05);
  EXPECT_GT(BlameOf(c.incident(), "db").latency, 0.9);
}

TEST(ExcessFlow, SomebodyTheAlertingEntityDoesNotCallIsHardlyBlamed) {
  ConstructedCase c = Chain();
  c.Serves("batch", 0.1, 0.9);
  EXPECT_LT(BlameOf(c.incident(), "batch").latency, 0.06);
}

TEST(ExcessFlow, AFailureIsLaidToWhereItArises) {
  ConstructedCase c(12, 6);
  for (const char* s : {"web", "shop"}) {
    c.Add(s, Quantity::kCallRate, 10, 10).Add(s, Quantity::kErrorRatio, 0, 0.4);
  }
  c.Calls("web", "shop").AlertOn("web", Quantity::kErrorRatio);
  EXPECT_GT(BlameOf(c.incident(), "shop").errors, 0.8);
  EXPECT_LT(BlameOf(c.incident(), "web").errors, 0.1);
}

TEST(ExcessFlow, ASlowNetworkIsLaidToTheHostAllOfWhoseLinksAreSlow) {
  ConstructedCase c(12, 6);
  // pay's own calls to db take 240 ms more, and calls to pay 60 ms more than pay itself sees.
  c.Serves("web", 0.1, 0.4).Serves("pay", 0.02, 0.26).Serves("cart", 0.02, 0.02);
  c.CallsSeen("web", "pay", 0.021, 0.321).CallsSeen("web", "cart", 0.021, 0.021);
  c.CallsSeen("pay", "db", 0.01, 0.25).CallsSeen("cart", "db", 0.01, 0.01);
  c.AlertOn("web", Quantity::kLatency);
  const Blame pay = BlameOf(c.incident(), "pay");
  EXPECT_GT(pay.latency, 0.6);
  EXPECT_GT(pay.network, 0.9 * pay.latency);
  EXPECT_LT(BlameOf(c.incident(), "db").latency, 0.35);
  EXPECT_LT(BlameOf(c.incident(), "web").latency, 0.1);
}

TEST(ExcessFlow, ADatabaseSlowForAllItsClientsIsToBlameItself) {
  ConstructedCase c(12, 6);
  c.Serves("web", 0.1, 0.4).Serves("pay", 0.02, 0.17).Serves("cart", 0.02, 0.17);
  c.CallsSeen("web", "pay", 0.021, 0.171).CallsSeen("web", "cart", 0.021, 0.171);
  c.CallsSeen("pay", "db", 0.01, 0.16).CallsSeen("cart", "db", 0.01, 0.16);
  c.AlertOn("web", Quantity::kLatency);
  const Blame db = BlameOf(c.incident(), "db");
  EXPECT_GT(db.latency, 0.6);
  EXPECT_EQ(db.network, 0);  // without telemetry of its own nobody can tell
}

TEST(ExcessFlow, SaturationIsTheShareOfCapacityGained) {
  ConstructedCase c = Chain();
  c.Add("shop", Quantity::kCpuUtilization, 0.2, 0.9);
  EXPECT_NEAR(BlameOf(c.incident(), "shop").saturation, 0.7, 0.03);
}

TEST(ExcessFlow, SilenceAccusesTheCallerWhoseErrorsNobodySees) {
  ConstructedCase c(12, 6);
  c.Add("web", Quantity::kCallRate, 10, 10).Add("web", Quantity::kErrorRatio, 0, 0.5);
  c.Add("shop", Quantity::kCallRate, 10, 10).Add("db", Quantity::kCallRate, 10, 0.1);
  c.Calls("web", "shop").Calls("shop", "db").AlertOn("web", Quantity::kErrorRatio);
  EXPECT_GT(BlameOf(c.incident(), "shop").errors, 0.5);
  EXPECT_LT(BlameOf(c.incident(), "db").errors, 0.1);
}

TEST(ExcessFlow, ANewbornIsASymptomOfItsCaller) {
  ConstructedCase c = Chain();
  for (CaseSeries& s : c.incident().series) s.reference = std::vector<double>(60, s.values.front());
  c.AddValues("new", "", Quantity::kCallRate, c.Levels(0, 10));
  c.AddValues("new", "", Quantity::kLatency, c.Levels(kNan, 3));
  c.Calls("db", "new");
  EXPECT_EQ(BlameOf(c.incident(), "new").latency, 0);
  EXPECT_GT(BlameOf(c.incident(), "db").latency, 0.9);
}

TEST(ExcessFlow, MissingValuesAndSeriesBlameNobody) {
  ConstructedCase c = Chain();
  for (CaseSeries& s : c.incident().series) {
    if (s.entity == Service("shop")) s.values.assign(s.values.size(), kNan);
  }
  EXPECT_EQ(BlameOf(c.incident(), "shop").latency, 0);
  EXPECT_GT(BlameOf(c.incident(), "db").latency, 0.9);
  EXPECT_LE(BlameOf(c.incident(), "web").latency, 1);
}

TEST(ExcessFlow, ConstantsOneSampleAndNothingAtAllAreHarmless) {
  ConstructedCase still(12, 6);
  still.Serves("web", 0.1, 0.1).AlertOn("web", Quantity::kLatency);
  EXPECT_LT(BlameOf(still.incident(), "web").latency, 0.1);

  ConstructedCase single(0, 1);
  single.Serves("web", 0.1, 0.1).AlertOn("web", Quantity::kLatency);
  const Blame one = BlameOf(single.incident(), "web");
  EXPECT_GE(one.latency, 0);
  EXPECT_LE(one.latency, 1);

  const Case nothing;
  EXPECT_TRUE(ComputeExcessFlow(CaseView(nothing)).blame.empty());
}

TEST(ExcessFlow, ACycleEnds) {
  ConstructedCase c = Chain();
  c.Calls("db", "web").Calls("shop", "shop");
  const Blame db = BlameOf(c.incident(), "db");
  EXPECT_GE(db.latency, 0);
  EXPECT_LE(db.latency, 1);
}

TEST(Posterior, SumsToOneAndKeepsAnUnknown) {
  ExcessFlow flow;
  flow.alarm = 0.9;
  flow.blame.resize(3);
  flow.blame[1].latency = 0.8;
  const EntityPosterior p = PosteriorOf(flow);
  EXPECT_NEAR(p.entity[0] + p.entity[1] + p.entity[2] + p.unknown, 1, 1e-12);
  EXPECT_GT(p.entity[1], 0.8);
  EXPECT_GT(p.unknown, 0.01);
}

TEST(Posterior, WithoutAnAlarmNothingIsKnown) {
  ExcessFlow flow;
  flow.blame.resize(2);
  // .9 and twice .05, all sharpened alike.
  const double unknown = std::pow(0.9, 1.25), each = std::pow(0.05, 1.25);
  EXPECT_NEAR(PosteriorOf(flow).unknown, unknown / (unknown + 2 * each), 1e-12);
  EXPECT_EQ(PosteriorOf(ExcessFlow{}).unknown, 1);
}

}  // namespace
}  // namespace tomograph::diagnose
