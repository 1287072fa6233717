#include "simulate/write/impact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "simulate/show/kept_records_test.h"

namespace tomograph::simulate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr Nanos kFrom = 100 * kSecond, kUntil = 200 * kSecond;

class ImpactTest : public testing::Test {
 protected:
  ImpactTest()
      : impact_({{"slow", "cart", kFrom, kUntil, 2, {}}, {"crash", "web", kUntil, kHour, 1, {}}}),
        faulty_(impact_.WithFaults(&kept_)),
        twin_(impact_.Twin()) {
    for (const char* name : {"web", "cart"}) {
      faulty_->Enter({name, "", "", "", {}});
      twin_->Enter({name, "", "", "", {}});
    }
  }
  void Show(Audience* run, uint32_t service, uint64_t trace, Nanos start, Nanos length,
            bool failed = false) {
    SpanRecord span;
    span.sender = SenderId{service};
    span.trace = {1, trace};
    span.name = "GET /";
    span.start = start;
    span.end = start + length;
    span.failed = failed;
    run->See(span);
  }
  void Both(uint32_t service, uint64_t trace, Nanos start, Nanos in_twin, Nanos in_faulty,
            bool failed = false) {
    Show(twin_, service, trace, start, in_twin);
    Show(faulty_, service, trace, start, in_faulty, failed);
  }
  std::vector<std::string> FeltBy(size_t fault = 0) { return impact_.Felt().at(fault).felt_by; }

  KeptRecords kept_;
  Impact impact_;
  Audience* const faulty_;
  Audience* const twin_;
};

constexpr uint32_t kWeb = 0, kCart = 1;

TEST_F(ImpactTest, NobodyFeelsWhatChangesNothing) {
  for (uint64_t i = 0; i < 1000; ++i)
    Both(kCart, i, kFrom + static_cast<Nanos>(i), kMillisecond, kMillisecond + kMillisecond / 6);
  EXPECT_THAT(FeltBy(), IsEmpty());
  EXPECT_EQ(kept_.spans.size(), 1000u);
  EXPECT_EQ(kept_.senders.size(), 2u);
}

TEST_F(ImpactTest, LongerRequestsAndFailuresAreFelt) {
  for (uint64_t i = 0; i < 1000; ++i) {
    Both(kCart, i, kFrom, kMillisecond, i < 11 ? 2 * kMillisecond : kMillisecond);
    Both(kWeb, i, kFrom, kMillisecond, kMillisecond / 100, i < 11);
  }
  EXPECT_THAT(FeltBy(), ElementsAre("cart"));  // web's were mostly better
  for (uint64_t i = 1000; i < 4000; ++i) Both(kWeb, i, kFrom, kMillisecond, kMillisecond, true);
  EXPECT_THAT(FeltBy(), ElementsAre("cart", "web"));
  EXPECT_THAT(FeltBy(1), IsEmpty());  // another time's
}

TEST_F(ImpactTest, OnePercentIsNotMore) {
  for (uint64_t i = 0; i < 1000; ++i)
    Both(kCart, i, kFrom, kMillisecond, i < 10 ? 2 * kMillisecond : kMillisecond);
  EXPECT_THAT(FeltBy(), IsEmpty());
}

TEST_F(ImpactTest, AnotherOrderIsNoHarm) {
  for (uint64_t i = 0; i < 1000; ++i) Both(kCart, i, kFrom, i % 2 == 0 ? 2 : 4, i % 2 == 0 ? 4 : 2);
  EXPECT_THAT(FeltBy(), IsEmpty());
}

TEST_F(ImpactTest, TheTwinSaysWhenARequestBegan) {
  for (uint64_t i = 0; i < 100; ++i) {
    Show(twin_, kCart, i, kUntil - kSecond, kMillisecond);
    Show(faulty_, kCart, i, kUntil + kMinute, kMillisecond * 3);  // a queue before it
    Both(kWeb, i, kFrom - kSecond, kMillisecond, 3 * kSecond);
  }
  EXPECT_THAT(FeltBy(), ElementsAre("cart"));
}

TEST_F(ImpactTest, RetriesAndMissingOnesAreNotCompared) {
  for (uint64_t i = 0; i < 100; ++i) {
    Both(kCart, i, kFrom, kMillisecond, kMillisecond);
    Show(faulty_, kCart, i, kFrom, kMinute);      // a retry that the twin has not
    Show(twin_, kWeb, 1000 + i, kFrom, kMinute);  // never came
  }
  EXPECT_THAT(FeltBy(), IsEmpty());
}

TEST_F(ImpactTest, TracesOfOthersAndOtherOperationsDoNotMeet) {
  Show(twin_, kCart, 1, kFrom, kMillisecond);
  Show(faulty_, kCart, 2, kFrom, kMinute);
  Show(faulty_, kWeb, 1, kFrom, kMinute);
  SpanRecord client;
  client.sender = SenderId{kCart};
  client.trace = {1, 1};
  client.name = "GET /";
  client.kind = telemetry::SpanKind::kClient;
  client.start = kFrom;
  client.end = kFrom + kMinute;
  faulty_->See(client);
  EXPECT_THAT(FeltBy(), IsEmpty());
}

TEST_F(ImpactTest, GivesUpWaiting) {
  Show(twin_, kCart, 1, kFrom, kMillisecond);
  Show(twin_, kCart, 2, kFrom + Impact::kPatience, kMillisecond);
  Show(twin_, kCart, 3, kFrom + Impact::kPatience + kSecond, kMillisecond);
  Show(faulty_, kCart, 1, kFrom, Impact::kPatience + kMinute);
  EXPECT_THAT(FeltBy(), IsEmpty());
}

}  // namespace
}  // namespace tomograph::simulate
