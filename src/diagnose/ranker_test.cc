#include "diagnose/ranker.h"

#include <gmock/gmock.h>

#include "base/random.h"
#include "diagnose/cause/cause.h"
#include "diagnose/constructed_case.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Diagnosis;
using telemetry::Hypothesis;
using telemetry::Quantity;
using testing::HasSubstr;
using testing::Not;

std::string NameOf(telemetry::EntityId id) {
  for (const char* name : {"web", "pay", "db", "cart"}) {
    if (Service(name) == id) return name;
  }
  return "other";
}

Diagnosis RankIt(ConstructedCase& c) { return Rank(c.incident(), NameOf); }

double MassOf(const Diagnosis& d) {
  double sum = d.unknown;
  for (const Hypothesis& h : d.hypotheses) sum += h.posterior;
  return sum;
}

// web calls pay and cart, pay calls db; pay got 300 ms slower inside.
ConstructedCase SlowPay() {
  ConstructedCase c(12, 8);
  c.Serves("web", 0.1, 0.4).Serves("pay", 0.02, 0.32).Serves("cart", 0.02, 0.02);
  c.CallsSeen("web", "pay", 0.021, 0.321).CallsSeen("web", "cart", 0.021, 0.021);
  c.CallsSeen("pay", "db", 0.01, 0.01).CallsSeen("cart", "db", 0.01, 0.01);
  c.Add("pay", Quantity::kCpuUtilization, 0.1, 0.1)
      .Add("pay", Quantity::kSchedulingDelay, 0.001, 0.001);
  c.Add("pay", Quantity::kMemoryBytes, 8e7, 8e7).Add("pay", Quantity::kRestarts, 0, 0);
  c.AlertOn("web", Quantity::kLatency);
  return c;
}

void ExpectFirst(const Diagnosis& d, const std::string& cause, const std::string& entity,
                 double least) {
  ASSERT_FALSE(d.hypotheses.empty());
  EXPECT_EQ(d.hypotheses[0].cause, cause) << d.summary;
  EXPECT_EQ(NameOf(d.hypotheses[0].entity), entity) << d.summary;
  EXPECT_GE(d.hypotheses[0].posterior, least) << d.summary;
  EXPECT_NEAR(MassOf(d), 1, 1e-9);
}

TEST(Ranker, ASlowServiceIsNamedWithItsOnsetAndWhoPassesItOn) {
  ConstructedCase c = SlowPay();
  const Diagnosis d = RankIt(c);
  ExpectFirst(d, "slow_dependency", "pay", 0.6);
  EXPECT_EQ(d.hypotheses[0].onset, c.onset());
  EXPECT_THAT(d.summary, HasSubstr("pay: it answers more slowly"));
  EXPECT_THAT(d.summary, HasSubstr("web only passes the slowness on"));
  EXPECT_THAT(d.ruled_out, testing::Contains(HasSubstr("cart: its latency is what it was")));
  ASSERT_FALSE(d.hypotheses[0].evidence_for.empty());
  EXPECT_THAT(d.hypotheses[0].evidence_for[0].id, HasSubstr("series:"));
  EXPECT_FALSE(d.hypotheses[0].next_check.empty());
}

// What a posterior is made of, a reader must be able to see: a kind that only has its prior and the
// blame of its place is no finding.
TEST(Ranker, AKindWithoutEvidenceOfItsOwnIsNotToldAsAFinding) {
  ConstructedCase c = SlowPay();
  c.Add("pay", Quantity::kConnectionsInUse, 1, 5).Add("pay", Quantity::kConnectionsMax, 5, 5);
  c.Add("pay", Quantity::kConnectionsPending, 0, 12);
  const Diagnosis d = RankIt(c);
  const auto of = [&](const std::string& cause) {
    for (const auto& h : d.hypotheses) {
      if (h.cause == cause && h.entity == Service("pay")) return h;
    }
    return telemetry::Hypothesis{};
  };
  const auto pool = of("pool_exhaustion"), deploy = of("bad_deploy"), cpu = of("cpu_contention");
  EXPECT_EQ(SupportOf(pool), telemetry::Support::kMeasured);
  EXPECT_EQ(pool.why.find("possibly"), std::string::npos);
  EXPECT_EQ(SupportOf(deploy), telemetry::Support::kNone);
  EXPECT_THAT(deploy.why, HasSubstr("nothing measured speaks for it"));
  // It is where the harm arises all the same.
  ASSERT_FALSE(deploy.evidence_for.empty());
  EXPECT_TRUE(deploy.evidence_for[0].of_place);
  EXPECT_NE(SupportOf(cpu), telemetry::Support::kMeasured);
  double sum = d.unknown;
  for (const auto& h : d.hypotheses) sum += h.posterior;
  EXPECT_NEAR(sum, 1, 1e-9);
}

TEST(Ranker, ADeployLongBeforeIsNoSupportBecauseTheHarmIsInThePlace) {
  ConstructedCase c = SlowPay();
  telemetry::ChangeEvent change;
  change.kind = "deploy";
  change.source = "ci";
  for (const char* s : {"web", "pay", "cart", "db", "a", "b", "c", "d"}) {
    change.id = s;
    change.entity = Service(s);
    change.time = c.onset() - 90 * kSecond;
    c.incident().changes.push_back(change);
  }
  const Diagnosis d = RankIt(c);
  for (const auto& h : d.hypotheses) {
    if (h.cause != "bad_deploy" || h.entity != Service("pay")) continue;
    EXPECT_NE(SupportOf(h), telemetry::Support::kMeasured);
    ASSERT_FALSE(h.evidence_against.empty());
    EXPECT_THAT(h.evidence_against[0].text, HasSubstr("and 7 others with it"));
  }
}

TEST(Ranker, TheStatisticIsToldAsWhatItIs) {
  const auto text_of = [](telemetry::Statistic statistic) {
    ConstructedCase c = SlowPay();
    for (CaseSeries& s : c.incident().series) {
      if (s.quantity == Quantity::kLatency) s.statistic = statistic;
    }
    std::string texts;
    for (const auto& h : RankIt(c).hypotheses) {
      for (const auto& e : h.evidence_for) texts += e.text + "\n";
    }
    return texts;
  };
  EXPECT_THAT(text_of(telemetry::Statistic::kP90), HasSubstr("p90 latency of pay rose from"));
  EXPECT_THAT(text_of(telemetry::Statistic::kMean), HasSubstr("mean latency of pay rose from"));
  EXPECT_THAT(text_of(telemetry::Statistic::kValue), HasSubstr("\nlatency of pay rose from"));
}

/// web calls shop, shop calls pay; pay got slow, and shop fails by itself.
TEST(Ranker, FailuresOfACallerAreNotExplainedByASlowCallee) {
  ConstructedCase c(12, 8);
  c.Serves("web", 0.1, 0.4).Serves("cart", 0.05, 0.35).Serves("pay", 0.02, 0.32);
  c.CallsSeen("web", "cart", 0.051, 0.351).CallsSeen("cart", "pay", 0.021, 0.321);
  c.Add("web", Quantity::kErrorRatio, 0, 0.3).Add("cart", Quantity::kErrorRatio, 0, 0.3);
  c.Add("pay", Quantity::kErrorRatio, 0, 0);
  c.AddEdge("web", "cart", Quantity::kClientErrorRatio, 0, 0.3);
  c.AddEdge("cart", "pay", Quantity::kClientErrorRatio, 0, 0);
  c.AlertOn("web", Quantity::kOther);
  const Diagnosis d = RankIt(c);
  double failing = 0;
  for (const Hypothesis& h : d.hypotheses)
    if (h.entity == Service("cart")) failing += h.posterior;
  EXPECT_GT(failing, 0.2) << d.summary;
  for (const std::string& told : d.ruled_out) EXPECT_THAT(told, Not(HasSubstr("cart"))) << told;
  if (NameOf(d.hypotheses[0].entity) == "pay") {
    EXPECT_THAT(d.summary, HasSubstr("the failures of cart (30 %) are not explained by this"));
    EXPECT_THAT(d.summary, HasSubstr("web only passes the slowness on"));
  } else {
    EXPECT_THAT(d.summary, HasSubstr("the slowness of pay"));
  }
}

/// Of an entity is said only what was measured of it: what calls nobody has no callees to blame.
TEST(Ranker, WhatIsRuledOutIsTrue) {
  ConstructedCase c = SlowPay();
  c.Serves("db", 0.01, 0.001).CallsSeen("web", "other", 0.004, 0.006).Serves("other", 0.003, 0.005);
  const Diagnosis d = RankIt(c);
  EXPECT_THAT(d.ruled_out, testing::Contains(HasSubstr("db: its latency fell (10.0 ms before")));
  EXPECT_THAT(d.ruled_out, testing::Not(testing::Contains(HasSubstr("other"))));
}

TEST(Ranker, WhoIsClearedOfFailuresIsClearedByItsFailures) {
  ConstructedCase c(12, 8);
  c.Serves("web", 0.1, 0.1).Serves("pay", 0.02, 0.02).Serves("cart", 0.02, 0.02);
  c.CallsSeen("web", "pay", 0.021, 0.021).CallsSeen("web", "cart", 0.021, 0.021);
  c.Add("web", Quantity::kErrorRatio, 0, 0.4).Add("pay", Quantity::kErrorRatio, 0, 0.4);
  c.Add("cart", Quantity::kErrorRatio, 0, 0);
  c.AddEdge("web", "pay", Quantity::kClientErrorRatio, 0, 0.4);
  c.AddEdge("web", "cart", Quantity::kClientErrorRatio, 0, 0);
  c.AlertOn("web", Quantity::kErrorRatio);
  const Diagnosis d = RankIt(c);
  ExpectFirst(d, "failing", "pay", 0.4);
  for (const std::string& told : d.ruled_out) EXPECT_THAT(told, Not(HasSubstr("latency"))) << told;
  EXPECT_THAT(d.ruled_out, testing::Contains(HasSubstr("cart: its failed share is what it was")));
}

TEST(Ranker, TheSummaryOfAWideIncidentStaysASentence) {
  ConstructedCase c(12, 8);
  c.Serves("pay", 0.02, 0.32).AlertOn("c0", Quantity::kLatency);
  for (int i = 0; i < 9; ++i) {
    const std::string caller = "c" + std::to_string(i);
    c.Serves(caller, 0.1, 0.4).CallsSeen(caller, "pay", 0.02, 0.32);
  }
  EXPECT_THAT(RankIt(c).summary, HasSubstr(" and 6 more only pass the slowness on"));
}

// db got slow, and pay besides fails 30 % of its calls by itself: two faults at once.
ConstructedCase TwoFaults() {
  ConstructedCase c(12, 8);
  const auto add = [&](const char* service, double before, double after, double failed) {
    c.Add(service, Quantity::kCallRate, 10, 10).Add(service, Quantity::kErrorRatio, 0, failed);
    c.Add(service, Quantity::kLatency, before, after);
  };
  add("web", 0.05, 0.45, 0.3);
  add("pay", 0.02, 0.42, 0.3);
  add("db", 0.005, 0.405, 0);
  c.Calls("web", "pay").Calls("pay", "db");
  c.AlertOn("web", Quantity::kOther);
  return c;
}

TEST(Ranker, FailuresOfACallersOwnAreNotDeniedBecauseItsCalleeIsSlow) {
  ConstructedCase c = TwoFaults();
  const Diagnosis d = RankIt(c);
  double failing = 0;
  for (const Hypothesis& h : d.hypotheses) {
    if (h.cause == "failing" && NameOf(h.entity) == "pay") failing = h.posterior;
  }
  EXPECT_GT(failing, 0.2) << d.summary;
  EXPECT_THAT(d.ruled_out, Not(testing::Contains(HasSubstr("pay:"))));
  // Its processor says so as well: it stands first.
  c.Add("db", Quantity::kCpuUtilization, 0.1, 1).Add("db", Quantity::kSchedulingDelay, 0.001, 0.3);
  const Diagnosis slow = RankIt(c);
  ASSERT_EQ(NameOf(slow.hypotheses[0].entity), "db") << slow.summary;
  EXPECT_THAT(slow.summary, HasSubstr("; web only passes the slowness on; the failures of pay (30 "
                                      "%) are not explained by this ("));
}

TEST(Ranker, WhatExplainsAllLeavesNothingUnexplained) {
  ConstructedCase c = SlowPay();
  EXPECT_THAT(RankIt(c).summary, Not(HasSubstr("not explained")));
}

TEST(Ranker, RuledOutIsToldForTheHarmInQuestionAndWithTheTruth) {
  ConstructedCase slow = SlowPay();
  slow.Serves("db", 0.01, 0.014);  // a leaf
  for (const std::string& line : RankIt(slow).ruled_out) {
    EXPECT_THAT(line, Not(HasSubstr("db: its callees"))) << line;
  }

  ConstructedCase failing(12, 8);
  for (const char* s : {"web", "pay"}) {
    failing.Add(s, Quantity::kCallRate, 10, 10).Add(s, Quantity::kErrorRatio, 0, 0.5);
    failing.Add(s, Quantity::kLatency, 0.02, 0.02);
  }
  failing.Serves("cart", 0.02, 0.01);
  failing.Calls("web", "pay").Calls("web", "cart").AlertOn("web", Quantity::kErrorRatio);
  const auto why = RankIt(failing).ruled_out;
  EXPECT_THAT(why, testing::Contains("web: its callees explain its failures"));
  EXPECT_THAT(why, testing::Contains("cart: its failed share is what it was (0 %)"));

  failing.AlertOn("web", Quantity::kOther);
  for (const std::string& line : RankIt(failing).ruled_out) {
    EXPECT_THAT(line, Not(HasSubstr("cart: its latency is what it was"))) << line;
  }
}

std::string CheckOf(const Hypothesis& h) {
  for (const auto& cause : AllCauses()) {
    if (cause->name() == h.cause) return cause->NextCheck(NameOf(h.entity));
  }
  return "";
}

TEST(Ranker, TheNextCheckGoesOnToTheSecondWhereThatIsStillInQuestion) {
  ConstructedCase open = SlowPay();
  open.Add("pay", Quantity::kConnectionsPending, 0, 1);
  const Diagnosis d = RankIt(open);
  ASSERT_GE(d.hypotheses[1].posterior, 0.05);
  EXPECT_EQ(d.hypotheses[0].next_check,
            CheckOf(d.hypotheses[0]) + "; if that shows nothing, " + CheckOf(d.hypotheses[1]));
  EXPECT_EQ(d.hypotheses[1].next_check, CheckOf(d.hypotheses[1]));

  // No second that anything speaks for.
  ConstructedCase calm(12, 8);
  calm.Serves("web", 0.1, 0.1).Serves("pay", 0.02, 0.02).CallsSeen("web", "pay", 0.021, 0.021);
  calm.AlertOn("web", Quantity::kLatency);
  const Diagnosis nothing = RankIt(calm);
  ASSERT_LT(nothing.hypotheses[1].posterior, 0.05);
  EXPECT_EQ(nothing.hypotheses[0].next_check, CheckOf(nothing.hypotheses[0]));
}

TEST(Ranker, AFullPoolWithWaitersIsPoolExhaustion) {
  ConstructedCase c = SlowPay();
  c.Add("pay", Quantity::kConnectionsInUse, 1, 5).Add("pay", Quantity::kConnectionsMax, 5, 5);
  c.Add("pay", Quantity::kConnectionsPending, 0, 12);
  ExpectFirst(RankIt(c), "pool_exhaustion", "pay", 0.7);
}

TEST(Ranker, AFreePoolIsNot) {
  ConstructedCase c = SlowPay();
  c.Add("pay", Quantity::kConnectionsInUse, 1, 1).Add("pay", Quantity::kConnectionsMax, 5, 5);
  c.Add("pay", Quantity::kConnectionsPending, 0, 0);
  ExpectFirst(RankIt(c), "slow_dependency", "pay", 0.6);
}

TEST(Ranker, SchedulingDelayIsCpuContention) {
  ConstructedCase c = SlowPay();
  for (CaseSeries& s : c.incident().series) {
    if (s.quantity == Quantity::kSchedulingDelay) s.values = c.Levels(0.001, 0.2);
  }
  ExpectFirst(RankIt(c), "cpu_contention", "pay", 0.5);
}

// A loop whose timer ticks every 20 ms shows little of a wait that calls feel in full.
TEST(Ranker, CallsSlowBeforeTheyAreReadAreCpuContentionWhenTheProcessWaitedAsLong) {
  ConstructedCase c(12, 8);
  c.Serves("web", 0.02, 0.03).Serves("pay", 0.005, 0.006);
  c.CallsSeen("web", "pay", 0.006, 0.016);
  c.Add("pay", Quantity::kCpuUtilization, 0.05, 0.04)
      .Add("pay", Quantity::kSchedulingDelay, 0.0202, 0.0222);
  c.AlertOn("web", Quantity::kLatency);
  ExpectFirst(RankIt(c), "network_delay", "pay", 0.4);  // what it looks like

  c.Add("pay", Quantity::kCpuWait, 0.002, 0.1);  // 10 calls a second
  const Diagnosis d = RankIt(c);
  ExpectFirst(d, "cpu_contention", "pay", 0.6);
  EXPECT_THAT(
      d.hypotheses[0].evidence_for,
      testing::Contains(testing::Field(&telemetry::Evidence::text, HasSubstr("without a core"))));
}

TEST(Ranker, CallsSlowOnTheWayAreTheNetworksWhenTheProcessHadItsCore) {
  ConstructedCase c(12, 8);
  c.Serves("web", 0.02, 0.14).Serves("pay", 0.005, 0.005);
  c.CallsSeen("web", "pay", 0.006, 0.126);
  c.Add("pay", Quantity::kCpuUtilization, 0.05, 0.05)
      .Add("pay", Quantity::kSchedulingDelay, 0.0202, 0.0204)
      .Add("pay", Quantity::kCpuWait, 0.002, 0.02);
  c.AlertOn("web", Quantity::kLatency);
  ExpectFirst(RankIt(c), "network_delay", "pay", 0.6);
}

TEST(Ranker, AChangeRightBeforeIsABadDeployAndOneOfAllLongAgoIsNot) {
  ConstructedCase c = SlowPay();
  telemetry::ChangeEvent change;
  change.kind = "deploy";
  change.source = "ci";
  change.id = "17";
  change.version = "1.1.0";
  change.entity = Service("pay");
  change.time = c.onset() - 3 * kSecond;
  c.incident().changes = {change};
  const Diagnosis d = RankIt(c);
  ExpectFirst(d, "bad_deploy", "pay", 0.6);
  EXPECT_THAT(d.hypotheses[0].evidence_for,
              testing::Contains(testing::Field(&telemetry::Evidence::id, "event:ci:17")));

  c.incident().changes.clear();
  for (const char* s : {"web", "pay", "cart", "db"}) {
    change.entity = Service(s);
    change.time = c.onset() - 60 * kSecond;
    c.incident().changes.push_back(change);
  }
  ExpectFirst(RankIt(c), "slow_dependency", "pay", 0.5);
}

// web's calls to cart all fail; cart is heard in the steps of the incident that `heard` names.
ConstructedCase UnansweredCart(const std::vector<bool>& heard) {
  ConstructedCase c(12, heard.size());
  std::vector<double> rate(12, 10.0), latency(12, 0.02), failed(12, 0.0);
  for (const bool h : heard) {
    rate.push_back(h ? 10 : std::nan(""));
    latency.push_back(h ? 0.02 : std::nan(""));
    failed.push_back(h ? 0 : std::nan(""));
  }
  c.AddValues("cart", "", Quantity::kCallRate, rate);
  c.AddValues("cart", "", Quantity::kLatency, latency);
  c.AddValues("cart", "", Quantity::kErrorRatio, failed);
  std::vector<double> refused(12, 0.0);
  for (const bool h : heard) refused.push_back(h ? 0 : 1);
  c.Add("web", Quantity::kCallRate, 10, 10).AddValues("web", "", Quantity::kErrorRatio, refused);
  c.Add("web", Quantity::kLatency, 0.05, 0.03);
  c.Calls("web", "cart").AddEdge("web", "cart", Quantity::kClientCallRate, 10, 10);
  c.AddValues("cart", "web", Quantity::kClientErrorRatio, refused);
  c.AddEdge("web", "cart", Quantity::kClientLatency, 0.021, 0.002);
  c.AlertOn("web", Quantity::kErrorRatio);
  return c;
}

telemetry::ChangeEvent DeployOf(const char* service, Nanos time) {
  telemetry::ChangeEvent change;
  change.kind = "deploy";
  change.source = "ci";
  change.id = service;
  change.entity = Service(service);
  change.time = time;
  return change;
}

double PosteriorOf(const Diagnosis& d, const std::string& cause, const std::string& entity) {
  for (const Hypothesis& h : d.hypotheses) {
    if (h.cause == cause && h.entity == Service(entity)) return h.posterior;
  }
  return 0;
}

TEST(Ranker, TheDeployThatOneCameToBeWithIsNoChangeOfIt) {
  ConstructedCase c = SlowPay();
  const Nanos first = c.incident().times.front();
  // It is told once the process is up, which may have spoken by then.
  c.incident().changes = {DeployOf("pay", first + 2 * kSecond)};
  c.incident().heard_since[Service("pay")] = first - kHour;
  EXPECT_GT(PosteriorOf(RankIt(c), "bad_deploy", "pay"), 0.2);
  c.incident().heard_since[Service("pay")] = first;
  const Diagnosis d = RankIt(c);
  ExpectFirst(d, "slow_dependency", "pay", 0.6);
  EXPECT_LT(PosteriorOf(d, "bad_deploy", "pay"), 0.02);
}

TEST(Ranker, OneThatWasNeverWellMaySufferFromItsFirstDeploy) {
  ConstructedCase c = SlowPay();
  c.incident().changes = {DeployOf("pay", c.onset() - 4 * kSecond)};
  c.incident().heard_since[Service("pay")] = c.onset() - c.incident().step;
  ExpectFirst(RankIt(c), "bad_deploy", "pay", 0.6);
}

TEST(Ranker, OneRestartSoonAfterTheFirstDeployIsNoRollout) {
  ConstructedCase c = UnansweredCart({false, false, true, true, true, true, true, true});
  c.AddValues("cart", "", Quantity::kRestarts, [] {
    std::vector<double> restarts(20, 0.0);
    for (size_t i = 14; i < 20; ++i) restarts[i] = 1;
    return restarts;
  }());
  const Nanos deployed = c.onset() - 40 * kSecond;
  c.incident().changes = {DeployOf("cart", deployed)};
  c.incident().heard_since[Service("cart")] = deployed;
  ExpectFirst(RankIt(c), "crash_loop", "cart", 0.4);
}

// Half of web's calls to cart fail; cart has restarted so many times by each step.
ConstructedCase RestartingCart(const std::vector<double>& restarts) {
  ConstructedCase c(12, 8);
  c.Serves("cart", 0.02, 0.02);
  c.Add("web", Quantity::kCallRate, 10, 10).Add("web", Quantity::kErrorRatio, 0, 0.5);
  c.Calls("web", "cart").AddEdge("web", "cart", Quantity::kClientCallRate, 10, 10);
  c.AddEdge("web", "cart", Quantity::kClientErrorRatio, 0, 0.5);
  c.AddValues("cart", "", Quantity::kRestarts, restarts);
  c.AlertOn("web", Quantity::kErrorRatio);
  return c;
}

TEST(Ranker, RestartsWithRefusedCallsAreACrashLoop) {
  std::vector<double> restarts(12, 0.0);
  for (int i = 0; i < 8; ++i) restarts.push_back(i / 2);
  ConstructedCase c = RestartingCart(restarts);
  ExpectFirst(RankIt(c), "crash_loop", "cart", 0.6);
}

TEST(Ranker, RestartsInATimeThatIsLeftOutAreOfAnotherIncident) {
  std::vector<double> restarts;
  for (int i = 0; i < 12; ++i) restarts.push_back(i < 6 ? 0 : 5);
  for (int i = 0; i < 8; ++i) restarts.push_back(5 + i / 2);
  ConstructedCase c = RestartingCart(restarts);
  for (size_t i = 0; i < 6; ++i) c.incident().times[i] -= kMinute;
  ExpectFirst(RankIt(c), "crash_loop", "cart", 0.6);
}

TEST(Ranker, WhoDoesNotSpeakAnyMoreDoesNotTellThatItWasNotRestarted) {
  const auto against = [](const std::vector<double>& restarts) {
    ConstructedCase c = RestartingCart(restarts);
    const Diagnosis d = RankIt(c);
    for (const Hypothesis& h : d.hypotheses) {
      if (h.cause != "crash_loop" || h.entity != Service("cart")) continue;
      for (const telemetry::Evidence& e : h.evidence_against)
        if (e.text.find("restarted") != std::string::npos) return true;
    }
    return false;
  };
  std::vector<double> restarts(20, 0.0);
  EXPECT_TRUE(against(restarts));
  for (size_t i = 14; i < restarts.size(); ++i) restarts[i] = std::nan("");
  EXPECT_FALSE(against(restarts));
  // One that is asked every few steps speaks as before, whatever step the last answer was in.
  for (const size_t every : {3u, 5u}) {
    for (size_t phase = 0; phase < every; ++phase) {
      for (size_t i = 0; i < restarts.size(); ++i)
        restarts[i] = i % every == phase ? 0 : std::nan("");
      EXPECT_TRUE(against(restarts)) << every << " " << phase;
    }
  }
}

TEST(Ranker, OneThatStaysAwayIsDownAndNotRestarted) {
  ConstructedCase c = UnansweredCart(std::vector<bool>(8, false));
  const Diagnosis d = RankIt(c);
  ExpectFirst(d, "service_down", "cart", 0.6);
  EXPECT_EQ(SupportOf(d.hypotheses[0]), telemetry::Support::kMeasured);
  EXPECT_THAT(d.summary, HasSubstr("cart: it does not answer any more"));
}

TEST(Ranker, OneThatComesAndGoesIsInACrashLoopWithoutCountedRestarts) {
  ConstructedCase c =
      UnansweredCart({false, false, true, false, false, true, false, false, true, false});
  ExpectFirst(RankIt(c), "crash_loop", "cart", 0.4);
}

TEST(Ranker, SilenceWithoutFailingCallsIsNotDown) {
  ConstructedCase c = UnansweredCart(std::vector<bool>(8, false));
  for (CaseSeries& s : c.incident().series) {
    if (s.quantity == Quantity::kErrorRatio && s.entity == Service("web")) {
      s.values = c.Levels(0.2, 0.9);
    }
    if (s.quantity == Quantity::kClientErrorRatio) s.values = c.Levels(0, 0);
  }
  for (const Hypothesis& h : RankIt(c).hypotheses) {
    if (h.cause != "service_down") continue;
    EXPECT_NE(SupportOf(h), telemetry::Support::kMeasured) << h.why;
    EXPECT_LT(h.posterior, 0.05) << h.why;
  }
}

TEST(Ranker, AProcessThatStartsAnewIsBusyButDoesNotLackProcessorTime) {
  ConstructedCase c(12, 8);
  c.Serves("cart", 0.02, 0.02).Add("cart", Quantity::kCpuUtilization, 0.04, 0.3);
  c.Add("web", Quantity::kCallRate, 10, 10).Add("web", Quantity::kErrorRatio, 0, 0.5);
  c.Calls("web", "cart").AddEdge("web", "cart", Quantity::kClientCallRate, 10, 10);
  c.AddEdge("web", "cart", Quantity::kClientErrorRatio, 0, 0.5);
  std::vector<double> restarts(12, 0.0);
  for (int i = 0; i < 8; ++i) restarts.push_back(i < 6 ? 0 : 1);  // told only after a while
  c.AddValues("cart", "", Quantity::kRestarts, restarts);
  c.AlertOn("web", Quantity::kErrorRatio);
  ExpectFirst(RankIt(c), "crash_loop", "cart", 0.4);
}

TEST(Ranker, MemoryThatGrowsUntilItRestartsIsALeak) {
  ConstructedCase c = SlowPay();
  std::vector<double> memory(12, 8e7), restarts(12, 0.0);
  for (int i = 0; i < 8; ++i) {
    memory.push_back(i < 7 ? 8e7 * (1 + 0.2 * i) : 6e7);
    restarts.push_back(i < 7 ? 0 : 1);
  }
  for (CaseSeries& s : c.incident().series) {
    if (s.quantity == Quantity::kMemoryBytes) s.values = memory;
    if (s.quantity == Quantity::kRestarts) s.values = restarts;
  }
  ExpectFirst(RankIt(c), "memory_leak", "pay", 0.6);
}

TEST(Ranker, YoungProcessesThatWarmUpAndDieAreACrashLoopAndNoLeak) {
  ConstructedCase c = SlowPay();
  std::vector<double> memory(12, 8e7), restarts(12, 0.0);
  for (int i = 0; i < 8; ++i) {
    memory.push_back(4e7 + 1e7 * (i % 5));  // never more than it had for long
    restarts.push_back(i / 5 + 1);
  }
  for (CaseSeries& s : c.incident().series) {
    if (s.quantity == Quantity::kMemoryBytes) s.values = memory;
    if (s.quantity == Quantity::kRestarts) s.values = restarts;
  }
  ExpectFirst(RankIt(c), "crash_loop", "pay", 0.6);
}

TEST(Ranker, TimeOnTheWayIsANetworkDelay) {
  ConstructedCase c(12, 8);
  c.Serves("web", 0.1, 0.4).Serves("pay", 0.02, 0.26).Serves("cart", 0.02, 0.02);
  c.CallsSeen("web", "pay", 0.021, 0.321).CallsSeen("web", "cart", 0.021, 0.021);
  c.CallsSeen("pay", "db", 0.01, 0.25).CallsSeen("cart", "db", 0.01, 0.01);
  c.AlertOn("web", Quantity::kLatency);
  ExpectFirst(RankIt(c), "network_delay", "pay", 0.6);
}

TEST(Ranker, FailuresInsideAreFailing) {
  ConstructedCase c(12, 8);
  c.Serves("cart", 0.02, 0.02);
  for (const char* s : {"web", "pay"}) {
    c.Add(s, Quantity::kCallRate, 10, 10)
        .Add(s, Quantity::kErrorRatio, 0, 0.4)
        .Add(s, Quantity::kLatency, 0.02, 0.02);
  }
  c.Calls("web", "pay").Calls("web", "cart").AlertOn("web", Quantity::kErrorRatio);
  ExpectFirst(RankIt(c), "failing", "pay", 0.5);
}

TEST(Ranker, NothingOutOfRangeIsNotDetermined) {
  ConstructedCase c(12, 8);
  c.Serves("web", 0.1, 0.1)
      .Serves("pay", 0.02, 0.02)
      .Calls("web", "pay")
      .AlertOn("web", Quantity::kLatency);
  const Diagnosis d = RankIt(c);
  EXPECT_GT(d.unknown, 0.8);
  EXPECT_EQ(d.certainty, telemetry::Certainty::kInconclusive);
  EXPECT_THAT(d.summary, HasSubstr("Not determined"));
  EXPECT_FALSE(d.missing.empty());
}

TEST(Ranker, AnEmptyCaseIsUnknown) {
  const Diagnosis d = Rank(Case{}, NameOf);
  EXPECT_EQ(d.unknown, 1);
  EXPECT_TRUE(d.hypotheses.empty());
}

TEST(Ranker, AnAlertOfOneThatTellsNothingIsRankedAllTheSame) {
  ConstructedCase c = SlowPay();
  c.Add("db", Quantity::kCpuUtilization, 0.1, 1).AlertOn("elsewhere", Quantity::kLatency);
  EXPECT_NEAR(MassOf(RankIt(c)), 1, 1e-9);
}

TEST(Ranker, TheSameCaseInAnyOrderOfSeriesGivesTheSameAnswer) {
  ConstructedCase c = SlowPay();
  const Diagnosis a = RankIt(c), b = RankIt(c);
  ASSERT_EQ(a.hypotheses.size(), b.hypotheses.size());
  for (size_t i = 0; i < a.hypotheses.size(); ++i) {
    EXPECT_EQ(a.hypotheses[i].posterior, b.hypotheses[i].posterior);
    EXPECT_EQ(a.hypotheses[i].cause, b.hypotheses[i].cause);
  }
  std::reverse(c.incident().series.begin(), c.incident().series.end());
  const Diagnosis reversed = RankIt(c);
  EXPECT_EQ(reversed.summary, a.summary);
  EXPECT_NEAR(reversed.hypotheses[0].posterior, a.hypotheses[0].posterior, 1e-9);
}

TEST(Ranker, TenThousandServicesAreRanked) {
  ConstructedCase c(8, 4);
  for (int i = 0; i < 10'000; ++i) {
    const std::string name = "s" + std::to_string(i);
    c.Serves(name, 0.1, i == 9'000 || i == 0 ? 0.9 : 0.1);
    if (i > 0) c.Calls("s" + std::to_string(i / 10), name);
  }
  c.AlertOn("s0", Quantity::kLatency);
  c.Calls("s0", "s9000");
  const Diagnosis d = RankIt(c);
  EXPECT_EQ(d.hypotheses[0].entity, Service("s9000"));
  EXPECT_LE(d.hypotheses.size(), 48 * AllCauses().size());
  EXPECT_NEAR(MassOf(d), 1, 1e-9);
}

TEST(Causes, HaveDistinctNamesAndWords) {
  std::vector<std::string> names;
  for (const auto& cause : AllCauses()) {
    names.push_back(std::string(cause->name()));
    EXPECT_FALSE(cause->explains().empty());
    EXPECT_THAT(cause->NextCheck("pay"), HasSubstr("pay"));
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

TEST(Causes, EvidenceThatIsNotThereSettlesNothing) {
  EntityEvidence nothing;
  nothing.name = "pay";
  for (const auto& cause : AllCauses()) {
    const Judgement j = cause->Judge(nothing);
    EXPECT_TRUE(std::isfinite(j.log_odds)) << cause->name();
    EXPECT_LE(j.log_odds, 0) << cause->name();
  }
}

}  // namespace
}  // namespace tomograph::diagnose
