// A proxy of which nothing is known but its access log, and what it passes its requests on to.
#include "correlate/rebuild/rebuilding_test.h"

namespace tomograph::correlate {
namespace {

class PassedOn : public Rebuilding {
 protected:
  void SetUp() override { senders_named_ = true; }

  static Nanos InMilliseconds(Nanos t) { return t - t % kMillisecond; }

  /// What the log of a proxy on `host` tells, and what `web` behind it received.
  void Request(Nanos at, const char* host, Nanos ahead = 0, Nanos worked = 8 * kMillisecond) {
    const auto gap = [&] { return FromSeconds(random_.Exponential(.0004) + .0002); };
    const uint64_t proxy = NewId(), web = NewId();
    ++traces_;
    const Nanos start = at + ahead, web_start = start + gap();
    const Nanos web_end = web_start + FromSeconds(random_.Exponential(ToSeconds(worked)));
    const Nanos logged = InMilliseconds(start);
    Put({{1, traces_},
         proxy,
         0,
         logged,
         logged + InMilliseconds(web_end + gap() - start),
         SpanKind::kServer,
         nginx_,
         kNoEntity,
         "GET /",
         false,
         "",
         host,
         {},
         "203.0.113.7",
         /*logged=*/true});
    Web(traces_, web, web_start, web_end, host);
    parent_of_[web] = proxy;
  }

  void Web(uint64_t number, uint64_t web, Nanos start, Nanos end, const char* host,
           const char* from = "") {
    const TraceId trace{2, number};
    Put({trace,
         web,
         0,
         start,
         end,
         SpanKind::kServer,
         behind_,
         kNoEntity,
         "GET /",
         false,
         "",
         host,
         {},
         from});
    Put({trace, NewId(), web, start + (end - start) / 4, start + (end - start) / 2,
         SpanKind::kClient, behind_, ids_.entities.FindOrAdd(EntityKind::kDatabase, "", "db"),
         "SELECT", false, "", host});
  }

  telemetry::EdgeState StateOf(EntityId caller, EntityId callee) const {
    for (const auto& e : correlator_->Edges())
      if (e.caller == caller && e.callee == callee) return e.state;
    return telemetry::EdgeState::kUnseen;
  }

  void Traffic(double seconds, double per_s, const char* host, Nanos ahead = 0) {
    for (double t = 0; t < seconds; t += random_.Exponential(1 / per_s))
      Request(kT0 + FromSeconds(t), host, ahead);
  }

  EntityId nginx_ = Service("nginx");
  EntityId behind_ = web_;
};

TEST_F(PassedOn, ByAProxyOnItsOwnHostIsJoinedToThatByTimes) {
  Traffic(240, 10, "edge-1");
  for (uint64_t i = 0; i < 500; ++i) {  // another way in, which says where it comes from
    const Nanos at = kT0 + FromSeconds(random_.Uniform() * 240);
    outside_.push_back(NewId());
    Web(1'000'000 + i, outside_.back(), at, at + 5 * kMillisecond, "edge-1", "10.9.9.9");
  }
  Run();
  const auto p = requests().parents();
  EXPECT_GT(p.inferred, parent_of_.size() * 95 / 100);
  EXPECT_GT(ShareRight(), .97);
  for (const uint64_t span : outside_) {
    ASSERT_TRUE(joins_.count(span) == 0 || joins_.at(span).parent_span == 0);
  }
  EXPECT_GT(p.root, parent_of_.size() + outside_.size() * 95 / 100);
  EXPECT_TRUE(HasEdge(nginx_, web_));
  ChunksChangeNothing();
}

TEST_F(PassedOn, EachProxyPassesOnToItsOwnHost) {
  Traffic(240, 10, "edge-1");
  Traffic(240, 10, "edge-2", 300 * kMillisecond);
  Run();
  EXPECT_GT(requests().parents().inferred, parent_of_.size() * 9 / 10);
  EXPECT_GT(ShareRight(), .95);
}

TEST_F(PassedOn, MayHaveBeenIsUnknownWhereTooFewTell) {
  Traffic(300, .1, "edge-1");
  Run();
  const auto p = requests().parents();
  EXPECT_EQ(p.root, parent_of_.size()) << "the proxy's own alone";
  EXPECT_EQ(p.inferred + p.unknown(), parent_of_.size());
}

TEST_F(PassedOn, ToOneOfTwoServicesIsNoRootEither) {
  Traffic(240, 10, "edge-1");
  for (Made& m : made_)
    if (m.service == web_ && m.trace.lo % 2 == 0) m.service = shop_;
  Run();
  const auto p = requests().parents();
  EXPECT_LT(p.root, parent_of_.size() * 102 / 100) << "the proxy's own";
  EXPECT_GT(p.inferred + p.unknown(), parent_of_.size() * 98 / 100);
  size_t wrong = 0;
  for (const auto& [span, join] : joins_)
    wrong += join.parent_span != 0 && join.parent_span != parent_of_.at(span);
  EXPECT_LT(wrong, parent_of_.size() / 50);
}

// Nobody can be told to be behind the proxy any more, while all goes on as before.
TEST_F(PassedOn, HasNotStoppedWhereASecondServiceMakesItUnclearWhoIsBehind) {
  Traffic(420, 8, "edge-1");
  behind_ = shop_;
  Traffic(360, 4, "edge-1", kMinute);
  Run();
  ASSERT_TRUE(HasEdge(nginx_, web_));
  EXPECT_NE(StateOf(nginx_, web_), telemetry::EdgeState::kStopped);
}

TEST_F(PassedOn, IsUnseenWhereWhatIsBehindFallsSilent) {
  Traffic(420, 8, "edge-1");
  for (Made& m : made_) m.lost = m.service == web_ && m.start > kT0 + kMinute;
  Run();
  ASSERT_TRUE(HasEdge(nginx_, web_));
  EXPECT_EQ(StateOf(nginx_, web_), telemetry::EdgeState::kUnseen);
}

TEST_F(PassedOn, HasStoppedWhereTheProxyPassesOnToAnotherOne) {
  Traffic(120, 8, "edge-1");
  behind_ = shop_;
  Traffic(900, 8, "edge-1", 120 * kSecond);
  Run();
  ASSERT_TRUE(HasEdge(nginx_, web_));
  EXPECT_EQ(StateOf(nginx_, web_), telemetry::EdgeState::kStopped);
  EXPECT_EQ(StateOf(nginx_, shop_), telemetry::EdgeState::kActive);
}

TEST_F(PassedOn, WhatGoesOnBesideOnTheSameHostPassesNothingOn) {
  for (double t = 0; t < 240; t += random_.Exponential(.1)) {
    const Nanos at = kT0 + FromSeconds(t);
    Web(++traces_, NewId(), at, at + 5 * kMillisecond, "edge-1");
  }
  for (double t = 0; t < 240; t += random_.Exponential(.1)) {
    const Nanos at = kT0 + FromSeconds(t);
    Put({{1, ++traces_},
         NewId(),
         0,
         at,
         at + 8 * kMillisecond,
         SpanKind::kServer,
         nginx_,
         kNoEntity,
         "GET /",
         false,
         "",
         "edge-1",
         {},
         "",
         /*logged=*/true});
  }
  Run();
  const auto p = requests().parents();
  EXPECT_EQ(p.inferred, 0u);
  EXPECT_GT(p.root, traces_ * 98 / 100);
  EXPECT_FALSE(HasEdge(nginx_, web_));
}

TEST_F(PassedOn, WhatAServiceWithSpansIsAskedMeanwhileItDidNotPassOn) {
  for (double t = 0; t < 240; t += random_.Exponential(.1)) {
    const Nanos at = kT0 + FromSeconds(t);  // a page is loading, and asks another service meanwhile
    Put({{1, ++traces_},
         NewId(),
         0,
         at,
         at + 20 * kMillisecond,
         SpanKind::kServer,
         pay_,
         kNoEntity,
         "GET /page",
         false,
         "",
         "edge-1"});
    const Nanos asked = at + FromSeconds(.002 + random_.Uniform() * .005);
    Web(++traces_, NewId(), asked, asked + 5 * kMillisecond, "edge-1");
  }
  Run();
  EXPECT_EQ(requests().parents().inferred, 0u);
  EXPECT_FALSE(HasEdge(pay_, web_));
}

TEST_F(PassedOn, NotToAnotherHost) {
  Traffic(120, 10, "edge-1");
  for (Made& m : made_)
    if (m.service == web_) m.host = "core-1";
  Run();
  EXPECT_EQ(requests().parents().root, 2 * parent_of_.size());
}

}  // namespace
}  // namespace tomograph::correlate
