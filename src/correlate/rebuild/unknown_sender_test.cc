#include "correlate/rebuild/rebuilding_test.h"

namespace tomograph::correlate {
namespace {

/// web calls pay, whose clock is right at first and then 5 s ahead: further than anything is found.
class UnknownSender : public Rebuilding {
 protected:
  void SetUp() override { senders_named_ = true; }

  void Call(Nanos at, Nanos ahead) {
    const auto gap = [&] { return FromSeconds(random_.Exponential(.0006) + .0002); };
    const uint64_t web = NewId(), call = NewId(), pay = NewId();
    const Nanos sent = at + gap(), received = sent + gap();
    const Nanos answered = received + FromSeconds(.01 + random_.Exponential(.06));
    const Nanos got = answered + gap();
    ++traces_;
    Put({{1, traces_}, web, 0, at, got + gap(), SpanKind::kServer, web_, kNoEntity, "GET"});
    Put({{1, traces_}, call, web, sent, got, SpanKind::kClient, web_, pay_, "POST"});
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
         "pay-1"});
  }
};

TEST_F(UnknownSender, IsCountedAndNotShownAsARootThatNobodyCalled) {
  for (double t = 0; t < 360; t += random_.Exponential(1 / 10.))
    Call(kT0 + FromSeconds(t), t < 180 ? 0 : 5 * kSecond);
  Run(120);
  const auto unknown =
      static_cast<uint64_t>(std::count_if(joins_.begin(), joins_.end(), [](const auto& join) {
        return join.second.parent_span == 0 && join.second.none == 0;
      }));
  EXPECT_GT(unknown, 500u);
  EXPECT_EQ(requests().stats().sender_unknown, unknown);
  size_t alone = 0;
  for (const auto& request : requests().Recent()) {
    if (request->root().service != pay_) continue;
    const auto join = joins_.find(request->root().id);
    if (join == joins_.end() || join->second.parent_span != 0 || join->second.none > 0) continue;
    ++alone;
    EXPECT_EQ(request->root().basis, JoinBasis::kUnknown);
    EXPECT_EQ(telemetry::WholenessOf(*request), telemetry::Wholeness::kFragment);
  }
  EXPECT_GT(alone, 0u);
}

}  // namespace
}  // namespace tomograph::correlate
