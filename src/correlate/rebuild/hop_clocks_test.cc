#include "correlate/rebuild/hop_clocks.h"

#include "correlate/rebuild/rebuilding_test.h"

namespace tomograph::correlate {
namespace {

/// web on one host calls pay on another one, whose clock goes wrong and which no id ever reaches.
class HopClocksTest : public Rebuilding {
 protected:
  struct Load {
    double seconds = 600;
    double per_s = 15;
    double offset = .08;             // s: what pay's clock is ahead at first
    double drift = 40e-6;            // s a second
    double step = 0, step_at = 1e9;  // s
    double outside = 0;              // share of pay's requests that nobody traced
    double period = 0;               // s: between requests, if they are as regular as that
    double varies = .06;             // s: mean of what the callee takes beyond 10 ms
    double way = .0006;              // s: mean of each way, beyond .2 ms
    double silent_from = 1e9, silent_to = 1e9;  // s: no calls
    double other_caller = 0, other_offset = 0;  // share of another caller, what its clock is ahead
    bool two_hosts = false;                     // pay's second one is 100 ms behind the first
  };
  struct Share {
    size_t joins = 0, right = 0, wrong_and_sure = 0;
    double said = 0;
    double RightOf(size_t all) const {
      return static_cast<double>(right) / static_cast<double>(std::max<size_t>(all, 1));
    }
  };

  void SetUp() override { senders_named_ = true; }

  void Make(const Load& load) {
    made_.clear(), parent_of_.clear(), minute_of_.clear();
    sent_.assign(static_cast<size_t>(load.seconds / 60) + 2, 0);
    const auto wait = [&] {
      return load.period > 0 ? load.period : random_.Exponential(1 / load.per_s);
    };
    for (double t = wait(); t < load.seconds; t += wait()) Call(t, load, false);
    if (load.outside > 0) {
      const double every = (1 - load.outside) / load.outside / load.per_s;
      for (double t = 0; t < load.seconds; t += random_.Exponential(every)) Call(t, load, true);
    }
  }

  void Call(double t, const Load& load, bool outside) {
    const auto gap = [&] { return FromSeconds(random_.Exponential(load.way) + .0002); };
    if (t >= load.silent_from && t < load.silent_to) return;
    const Nanos start = kT0 + FromSeconds(t), sent = start + gap();
    const bool second = load.two_hosts && random_.Uniform() < .5;
    const Nanos ahead = FromSeconds(load.offset - (second ? .1 : 0) + load.drift * t +
                                    (t < load.step_at ? 0 : load.step));
    const Nanos received = sent + gap(), answered = received + FromSeconds(.01) +
                                                    FromSeconds(random_.Exponential(load.varies));
    const Nanos got = answered + gap();
    const uint64_t call = NewId(), pay = NewId();
    ++traces_;
    if (!outside) {
      const uint64_t web = NewId();
      const bool other = load.other_caller > 0 && random_.Uniform() < load.other_caller;
      const EntityId caller = other ? shop_ : web_;
      const Nanos off = other ? FromSeconds(load.other_offset) : 0;
      Put({{1, traces_},
           web,
           0,
           start + off,
           got + gap() + off,
           SpanKind::kServer,
           caller,
           kNoEntity,
           "GET"});
      Put({{1, traces_},
           call,
           web,
           sent + off,
           got + off,
           SpanKind::kClient,
           caller,
           pay_,
           "POST"});
      parent_of_[pay] = call;
      ++sent_[static_cast<size_t>(t / 60)];
    }
    Put({{2, traces_},
         pay,
         0,
         received + ahead,
         answered + ahead,
         SpanKind::kServer,
         pay_,
         kNoEntity,
         "POST /pay",
         false,
         "",
         second ? "pay-2" : "pay-1"});
    minute_of_[pay] = static_cast<size_t>(t / 60);
  }

  /// Of the calls that began in these minutes.
  Share Of(size_t from, size_t to) const {
    Share share;
    for (const auto& [span, join] : joins_) {
      const auto minute = minute_of_.find(span);
      if (minute == minute_of_.end() || minute->second < from || minute->second >= to) continue;
      if (join.parent_span == 0) continue;
      const auto truth = parent_of_.find(span);
      const bool right = truth != parent_of_.end() && join.parent_span == truth->second;
      ++share.joins;
      share.right += right;
      share.said += join.posterior;
      share.wrong_and_sure += !right && join.posterior > .9;
    }
    return share;
  }
  size_t Sent(size_t from, size_t to) const {
    size_t all = 0;
    for (size_t m = from; m < to; ++m) all += sent_[m];
    return all;
  }
  /// As many of the joins are wrong as are said to be.
  void ExpectHonest() const {
    const Share all = Of(0, minutes());
    const auto wrong = static_cast<double>(all.joins - all.right);
    const double said = static_cast<double>(all.joins) - all.said;
    EXPECT_LE(wrong, 1.5 * said + .003 * static_cast<double>(Sent(0, minutes())) + 3);
    EXPECT_LE(all.wrong_and_sure, Sent(0, minutes()) / 200);
  }
  size_t minutes() const { return sent_.size() - 2; }
  void Print(const char* what) const {
    std::printf("%s\n minute   calls joined right said sure&wrong\n", what);
    for (size_t m = 0; m < minutes(); ++m) {
      const Share s = Of(m, m + 1);
      std::printf("%7zu %7zu %6zu %5.3f %4.3f %zu\n", m, sent_[m], s.joins, s.RightOf(sent_[m]),
                  s.said / static_cast<double>(std::max<size_t>(s.joins, 1)), s.wrong_and_sure);
    }
  }

  std::map<uint64_t, size_t> minute_of_;
  std::vector<size_t> sent_;  // by minute
};

TEST_F(HopClocksTest, AClockThatNoIdReachesIsFollowedAsItDriftsAndSteps) {
  for (const double per_s : {5., 15., 30.}) {
    Make({.per_s = per_s, .step = .03, .step_at = 400});
    Run(120);
    Print("80 ms ahead, 40 ppm, a step of 30 ms at 400 s");
    for (size_t m = 0; m < 10; ++m)
      EXPECT_GT(Of(m, m + 1).RightOf(Sent(m, m + 1)), m == 6 ? .95 : .98) << per_s << " " << m;
    ExpectHonest();
  }
}

TEST_F(HopClocksTest, AClockThatIsRightAtFirstIsFollowedToo) {
  for (const double drift : {0., 40e-6, -100e-6}) {
    Make({.offset = 0, .drift = drift});
    Run(120);
    Print("right at first, then drifts");
    for (size_t m = 0; m < 10; ++m)
      EXPECT_GT(Of(m, m + 1).RightOf(Sent(m, m + 1)), .98) << drift << " minute " << m;
    ExpectHonest();
  }
}

TEST_F(HopClocksTest, RequestsThatNobodyTracedDoNotMisleadIt) {
  Make({.step = -.25, .step_at = 300, .outside = .4});
  Run(120);
  Print("40 % from outside, a step of -250 ms at 300 s");
  for (size_t m = 0; m < 10; ++m)
    EXPECT_GT(Of(m, m + 1).RightOf(Sent(m, m + 1)), m == 5 ? .85 : .95) << m;
  ExpectHonest();
}

TEST_F(HopClocksTest, AStepOutOfReachLeavesItUnknown) {
  Make({.step = 5, .step_at = 300});
  Run(120);
  Print("a step of 5 s at 300 s");
  EXPECT_GT(Of(1, 5).RightOf(Sent(1, 5)), .98);
  EXPECT_LT(static_cast<double>(Of(6, 10).joins), .02 * static_cast<double>(Sent(6, 10)));
  ExpectHonest();
}

TEST_F(HopClocksTest, CallsAsRegularAsATimersDoNotTellWhichIsWhich) {
  Make({.offset = .33, .drift = 0, .period = .1});
  Run(120);
  Print("330 ms ahead, calls every 100 ms");
  ExpectHonest();
}

TEST_F(HopClocksTest, CallsThatAreAllAlikeTellNothing) {
  Make({.offset = 0,
        .drift = 0,
        .step = .25,
        .step_at = 200,
        .period = .1,
        .varies = 1e-9,
        .way = 1e-5});
  Run(120);
  Print("calls every 100 ms, all alike, a step of 250 ms at 200 s");
  EXPECT_GT(Of(0, 3).RightOf(Sent(0, 3)), .98) << "in sync, as far as one can tell";
  EXPECT_EQ(Of(4, 10).joins, 0u);
  ExpectHonest();
}

TEST_F(HopClocksTest, SlowWaysBlurTheJoinsNotTheClock) {
  Make({.seconds = 300, .per_s = 30, .offset = 0, .drift = 0, .way = .02});
  Run(120);
  Print("each way takes 20 ms, in sync");
  // The first minute is what is learned from, so the first is held against the first.
  const double at_first = Of(0, 1).RightOf(Sent(0, 1)), in_sync = Of(1, 5).RightOf(Sent(1, 5));
  Make({.per_s = 30, .step = .03, .step_at = 400, .way = .02});
  Run(120);
  Print("each way takes 20 ms, 80 ms ahead, 40 ppm, a step of 30 ms at 400 s");
  for (size_t m = 0; m < 10; ++m)
    EXPECT_GT(Of(m, m + 1).RightOf(Sent(m, m + 1)),
              (m == 0 ? at_first : in_sync) - (m == 6 ? 1. / 12 : .03))
        << m;
  ExpectHonest();
}

TEST_F(HopClocksTest, OnOneHostNoClockIsLookedFor) {
  // A crowd in which no offset stands out.
  HopClocks clocks;
  Random random(5);
  size_t placed = 0, unknown = 0;
  for (uint64_t i = 1; i <= 4'000; ++i) {
    linking::CallRecord r;
    r.service = EntityId{1};
    r.id = i;
    r.start = kT0 + static_cast<Nanos>(random.Uniform() * 60e9);
    r.end = r.start + static_cast<Nanos>(random.Uniform() * 300e6);
    if (i % 2 == 0) {
      clocks.Sent(r, EntityId{7});
    } else {
      clocks.Received(r, EntityId{7});
    }
  }
  clocks.Advance(
      INT64_MAX, [&](const linking::CallRecord&) { ++placed; }, [&](uint64_t) { ++unknown; });
  EXPECT_EQ(placed, 2'000u);
  EXPECT_EQ(unknown, 0u);
}

TEST_F(HopClocksTest, FewCallsAreEnoughTogether) {
  Make({.seconds = 900, .per_s = .5, .step = .03, .step_at = 600});
  Run(120);
  Print("a call in two seconds, a step of 30 ms at 600 s");
  EXPECT_GT(Of(1, 10).RightOf(Sent(1, 10)), .95);
  EXPECT_GT(Of(11, 15).RightOf(Sent(11, 15)), .95);  // a minute of calls tells again
  ExpectHonest();
}

TEST_F(HopClocksTest, AfterALongSilenceItIsFoundAnew) {
  Make({.seconds = 900, .step = .3, .step_at = 400, .silent_from = 300, .silent_to = 660});
  Run(120);
  Print("silence of six minutes, with a step");
  EXPECT_GT(Of(0, 15).RightOf(Sent(0, 15)), .98);
  ExpectHonest();
}

TEST_F(HopClocksTest, ManyCallsAreNoTrouble) {
  Make({.seconds = 180, .per_s = 200, .step = -.03, .step_at = 100});
  Run(120);
  Print("200 calls a second, a step of -30 ms at 100 s");
  EXPECT_GT(Of(0, 3).RightOf(Sent(0, 3)), .98);
  ExpectHonest();
}

TEST_F(HopClocksTest, EachHostOfACalleeHasAClock) {
  Make({.per_s = 20, .step = .03, .step_at = 400, .two_hosts = true});
  Run(120);
  Print("on two hosts, 80 ms ahead and 20 ms behind, 40 ppm, a step of both at 400 s");
  for (size_t m = 0; m < 10; ++m)
    EXPECT_GT(Of(m, m + 1).RightOf(Sent(m, m + 1)), m == 6 ? .95 : .98) << m;
  ExpectHonest();
}

TEST_F(HopClocksTest, CallersWhoseClocksDifferAreNotMixedUp) {
  Make({.other_caller = .5, .other_offset = .05});
  Run(120);
  Print("two callers whose clocks are 50 ms apart");
  ExpectHonest();
  Make({.other_caller = .2, .other_offset = .05});
  Run(120);
  Print("a fifth of the calls from one whose clock is 50 ms ahead");
  ExpectHonest();
}

TEST_F(HopClocksTest, AClockThatRunsAtAnotherRateForAWhileIsFollowed) {
  Make({.drift = 500e-6});
  Run(120);
  Print("500 ppm");
  for (size_t m = 1; m < 10; ++m) EXPECT_GT(Of(m, m + 1).RightOf(Sent(m, m + 1)), .95) << m;
  ExpectHonest();
}

TEST_F(HopClocksTest, ChunksChangeNothing) {
  Make({.seconds = 200, .step = .03, .step_at = 100, .outside = .1});
  Run();
  EXPECT_GT(Of(0, 3).joins, Sent(0, 3) * 8 / 10);
  ChunksChangeNothing();
}

/// Whatever times come: each received call is placed or unknown, once.
TEST(HopClocks, NothingIsLostWhateverTheTimes) {
  Random random(3);
  HopClocks clocks;
  std::map<uint64_t, int> told;
  const auto placed = [&](const linking::CallRecord& r) { ++told[r.id]; };
  const auto unknown = [&](uint64_t id) { ++told[id]; };
  constexpr Nanos kOdd[] = {0, -1, kSecond, (Nanos{1} << 62) - 1, -(Nanos{1} << 62) + 1, kT0};
  uint64_t received = 0;
  for (int i = 0; i < 4'000; ++i) {
    linking::CallRecord r;
    r.service = EntityId{1 + random.Below(2)};
    r.start = random.Below(3) == 0 ? kOdd[random.Below(6)]
                                   : kT0 + static_cast<Nanos>(random.Below(60)) * kSecond / 2;
    r.end = random.Below(3) == 0 ? kOdd[random.Below(6)]
                                 : r.start + static_cast<Nanos>(random.Below(3)) * kMillisecond;
    if (!HopClocks::Takes(r)) continue;
    if (random.Below(2) == 0) {
      clocks.Sent(r, EntityId{3 + random.Below(2)});
    } else {
      r.id = ++received;
      clocks.Received(r, EntityId{random.Below(3)});
    }
    if (i % 500 == 0) clocks.Advance(kT0 + i * 10 * kMillisecond, placed, unknown);
  }
  clocks.Advance(INT64_MAX, placed, unknown);
  EXPECT_EQ(told.size(), received);
  for (const auto& [id, times] : told) EXPECT_EQ(times, 1) << id;
}

}  // namespace
}  // namespace tomograph::correlate
