#include "correlate/rebuild/stray_calls.h"

#include <gtest/gtest.h>

namespace tomograph::correlate {
namespace {

constexpr Nanos kNow = 1'000 * kSecond;

OpenSpan Span(Nanos start, Nanos end) {
  OpenSpan span;
  span.start = start;
  span.end = end;
  span.clock_bound_s = 0;
  return span;
}

int Holding(const StrayCalls& strays, const OpenSpan& request, bool* all) {
  int found = 0;
  *all = strays.ForEachHolding(request, [&](const StrayCalls::Stray&) {
    ++found;
    return true;
  });
  return found;
}

TEST(StrayCalls, FindsThoseThatHoldARequest) {
  StrayCalls strays(1'000);
  strays.Add({Span(kNow, kNow + 20 * kSecond), {}});
  for (int i = 0; i < 100; ++i)
    strays.Add({Span(kNow + i * kMillisecond, kNow + (i + 1) * kMillisecond), {}});
  bool all = false;
  EXPECT_EQ(Holding(strays, Span(kNow + 10'200 * kMicrosecond, kNow + 10'700 * kMicrosecond), &all),
            2);
  EXPECT_TRUE(all);
  EXPECT_EQ(Holding(strays, Span(kNow + 5 * kSecond, kNow + 6 * kSecond), &all), 1);
  EXPECT_EQ(Holding(strays, Span(kNow - kSecond, kNow + kMillisecond), &all), 0);
  strays.Forget(kNow + 30 * kSecond);
  EXPECT_EQ(Holding(strays, Span(kNow + 5 * kSecond, kNow + 6 * kSecond), &all), 0);
  EXPECT_TRUE(all);
}

TEST(StrayCalls, SaysWhereOneThatMadeRoomMayHaveHeldARequest) {
  StrayCalls strays(100);
  strays.Add({Span(kNow - 1, kNow + 20 * kSecond), {}});
  for (int i = 0; i < 100; ++i)
    strays.Add({Span(kNow + i * kMillisecond, kNow + (i + 1) * kMillisecond), {}});
  bool all = true;
  EXPECT_EQ(Holding(strays, Span(kNow + 5 * kSecond, kNow + 6 * kSecond), &all), 0);
  EXPECT_FALSE(all);
  EXPECT_EQ(Holding(strays, Span(kNow + 25 * kSecond, kNow + 26 * kSecond), &all), 0);
  EXPECT_TRUE(all);
}

TEST(StrayCalls, LooksAtFewMoreThanHoldTheRequestHoweverWideTheSlackOfOthers) {
  StrayCalls strays(100'000);
  OpenSpan wide = Span(kNow - 10, kNow);
  wide.clock_bound_s = 1;
  strays.Add({wide, {}});
  for (int i = 0; i < 20'000; ++i)
    strays.Add({Span(kNow + i * kMillisecond, kNow + (i + 1) * kMillisecond), {}});
  for (int i = 0; i < 200; ++i)
    strays.Add({Span(kNow + i * 100 * kMillisecond, kNow + (i * 100 + 300) * kMillisecond), {}});
  bool all = false;
  int found = 0;
  for (int s = 1; s < 19; ++s)
    found += Holding(strays, Span(kNow + s * kSecond + 1, kNow + s * kSecond + 2), &all);
  EXPECT_EQ(found, 18 * 4);
  EXPECT_LT(strays.looked_at(), 3u * 18 * 4);
  EXPECT_EQ(Holding(strays, Span(kNow + 900 * kMillisecond, kNow + 901 * kMillisecond), &all), 5)
      << "that one, too";
}

TEST(StrayCalls, StopsWhenEnoughIsKnown) {
  StrayCalls strays(100);
  for (int i = 0; i < 50; ++i) strays.Add({Span(kNow, kNow + kSecond), {}});
  int visited = 0;
  EXPECT_TRUE(strays.ForEachHolding(Span(kNow + 1, kNow + 2),
                                    [&](const StrayCalls::Stray&) { return ++visited < 3; }));
  EXPECT_EQ(visited, 3);
}

}  // namespace
}  // namespace tomograph::correlate
