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
    const auto gap = [&] { return FromSeconds(random_.Exponential(.0006) + .0002); };
    const Nanos start = kT0 + FromSeconds(t), sent = start + gap();
    const Nanos ahead =
        FromSeconds(load.offset + load.drift * t + (t < load.step_at ? 0 : load.step));
    const Nanos received = sent + gap(),
                answered = received + FromSeconds(.01) + FromSeconds(random_.Exponential(.06));
    const Nanos got = answered + gap();
    const uint64_t call = NewId(), pay = NewId();
    ++traces_;
    if (!outside) {
      const uint64_t web = NewId();
      Put({{1, traces_}, web, 0, start, got + gap(), SpanKind::kServer, web_, kNoEntity, "GET"});
      Put({{1, traces_}, call, web, sent, got, SpanKind::kClient, web_, pay_, "POST"});
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
         "POST /pay"});
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

}  // namespace
}  // namespace tomograph::correlate
