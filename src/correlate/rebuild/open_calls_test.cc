#include "correlate/rebuild/open_calls.h"

#include <gtest/gtest.h>

namespace tomograph::correlate {
namespace {

using telemetry::EntityId;
using telemetry::kNoEntity;
using telemetry::SpanKind;

constexpr EntityId kGate{1}, kCart{2}, kPay{3};
constexpr Nanos kLength = 5 * kSecond, kNow = 1'000 * kSecond;

class OpenCallsTest : public ::testing::Test {
 protected:
  /// Of a window that ends `ago` windows before now.
  void Window(std::vector<OpenCall> calls, int ago = 0) {
    for (OpenCall& call : calls) open_.Add(std::move(call));
    const Nanos end = kNow - ago * kLength;
    open_.CloseWindow(end - kLength, end);
  }
  bool MayBe(EntityId service, SpanKind kind = SpanKind::kServer, Nanos at = kNow) const {
    return open_.MayBe(service, kind, at - kMillisecond, at);
  }
  OpenCalls open_;
};

TEST_F(OpenCallsTest, WithoutOneNothingMayBe) {
  Window({});
  EXPECT_FALSE(MayBe(kPay));
  EXPECT_FALSE(MayBe(kPay, SpanKind::kConsumer));
}

TEST_F(OpenCallsTest, ACallToNobodyKnowsWhomMayBeAnybodysButThoseItWasMadeFor) {
  Window({{.caller = kCart, .nobodys = true, .for_whom = {kGate, kCart}}});
  EXPECT_TRUE(MayBe(kPay));
  EXPECT_FALSE(MayBe(kGate));
  EXPECT_FALSE(MayBe(kCart));
}

TEST_F(OpenCallsTest, ACalleeThatIsKnownIsTheOnlyOne) {
  Window({{.caller = kCart, .callee = kPay, .for_whom = {kCart}}});
  EXPECT_TRUE(MayBe(kPay));
  EXPECT_FALSE(MayBe(kGate));
  EXPECT_FALSE(open_.MayBe(kPay, SpanKind::kServer, kNow - 1, kNow, /*looked_for=*/true));
}

TEST_F(OpenCallsTest, BetweenTwoThatHandOnIdsAnIdWouldHaveTold) {
  open_.SendsIds(kCart);
  Window({{.caller = kCart, .nobodys = true, .for_whom = {kCart}}});
  EXPECT_TRUE(MayBe(kPay)) << "it may not take them";
  open_.TakesIds(kPay);
  EXPECT_FALSE(MayBe(kPay));
  Window({{.caller = kCart, .nobodys = false, .for_whom = {kCart}}});
  EXPECT_TRUE(MayBe(kPay)) << "somebody answers there, and takes none";
}

TEST_F(OpenCallsTest, ACallMayBeWhatIsNearItInTimeAndAMessageWhatComesLater) {
  Window({{.caller = kCart, .for_whom = {kCart}},
          {.caller = kGate, .message = true, .for_whom = {kGate}}},
         10);
  EXPECT_FALSE(MayBe(kPay));
  EXPECT_TRUE(MayBe(kPay, SpanKind::kServer, kNow - 10 * kLength));
  EXPECT_TRUE(MayBe(kPay, SpanKind::kConsumer));
  EXPECT_FALSE(MayBe(kPay, SpanKind::kConsumer, kNow - 20 * kLength));
}

TEST_F(OpenCallsTest, AMessageWaitsAnHourAndAnIdIsExpectedForAsLongAsIdsCome) {
  constexpr int kHourInWindows = static_cast<int>(OpenCalls::kPatience / kLength);
  Window({{.caller = kGate, .message = true, .for_whom = {kGate}}}, kHourInWindows - 2);
  open_.SendsIds(kCart);
  open_.TakesIds(kPay);
  for (int ago = kHourInWindows - 3; ago > 1; --ago) Window({}, ago);
  EXPECT_TRUE(MayBe(kPay, SpanKind::kConsumer));
  Window({{.caller = kCart, .nobodys = true, .for_whom = {kCart}}}, 1);
  EXPECT_TRUE(MayBe(kPay)) << "it has stopped handing on ids";
  for (int later = 0; later < 3; ++later) Window({}, -later);
  EXPECT_FALSE(MayBe(kPay, SpanKind::kConsumer));
}

TEST_F(OpenCallsTest, WhatWasNotToldOfMayHaveBeenAnything) {
  open_.AddUntold();
  Window({});
  EXPECT_TRUE(MayBe(kPay));
  EXPECT_TRUE(MayBe(kPay, SpanKind::kConsumer));
}

TEST_F(OpenCallsTest, BeyondItsRoomAnythingMayBe) {
  std::vector<OpenCall> calls;
  for (uint64_t i = 0; i <= OpenCalls::kMost; ++i)
    calls.push_back({.caller = EntityId{100 + i}, .callee = EntityId{9}, .for_whom = {}});
  Window(calls);
  EXPECT_TRUE(MayBe(kPay));
}

}  // namespace
}  // namespace tomograph::correlate
