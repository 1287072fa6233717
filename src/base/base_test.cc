#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/bounded_queue.h"
#include "base/nanotime.h"
#include "base/random.h"
#include "base/status.h"

namespace tomograph {
namespace {

TEST(Status, SaysWhatWentWrongAndWhetherToTryAgain) {
  const Status s = Status::Unavailable("queue is full");
  EXPECT_FALSE(s.ok());
  EXPECT_TRUE(s.retryable());
  EXPECT_EQ(s.ToString(), "unavailable: queue is full");
  EXPECT_FALSE(Status::InvalidArgument("x").retryable());
}

TEST(Result, HoldsAValueOrAStatus) {
  Result<int> good = 3;
  EXPECT_EQ(*good, 3);
  Result<int> bad = Status::NotFound("no such thing");
  EXPECT_EQ(bad.status().code(), StatusCode::kNotFound);
  EXPECT_DEATH((void)bad.value(), "broken invariant");
}

TEST(Nanotime, ParsesAndPrintsRfc3339) {
  EXPECT_EQ(*ParseTime("1970-01-01T00:00:01Z"), kSecond);
  EXPECT_EQ(*ParseTime("2026-11-21T09:30:28.5+02:00"), *ParseTime("2026-11-21T07:30:28.500Z"));
  EXPECT_EQ(FormatTime(*ParseTime("2024-02-29T23:59:59.123456789Z")),
            "2024-02-29T23:59:59.123456789Z");
  EXPECT_EQ(FormatTime(-1), "1969-12-31T23:59:59.999999999Z");
  for (const char* bad :
       {"", "2024", "2024-13-01T00:00:00Z", "2024-01-01T00:00:00", "9999-01-01T00:00:00Z",
        "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00Zx", "2024-01-01T25:00:00Z"})
    EXPECT_FALSE(ParseTime(bad).ok()) << bad;
}

TEST(Nanotime, ParsesDurations) {
  EXPECT_EQ(*ParseDuration("200ms"), 200 * kMillisecond);
  EXPECT_EQ(*ParseDuration("1.5s"), 1500 * kMillisecond);
  EXPECT_EQ(*ParseDuration("36h"), 36 * kHour);
  for (const char* bad : {"", "5", "s", "5 s", "5parsecs", "nans"})
    EXPECT_FALSE(ParseDuration(bad).ok()) << bad;
}

TEST(Nanotime, SecondsSaturate) {
  EXPECT_EQ(FromSeconds(1e300), INT64_MAX);
  EXPECT_EQ(FromSeconds(-1e300), INT64_MIN);
  EXPECT_EQ(FromSeconds(0.0 / 0.0), 0);
}

TEST(VirtualClock, NeverGoesBack) {
  VirtualClock clock(10);
  clock.AdvanceTo(20);
  clock.AdvanceTo(15);
  EXPECT_EQ(clock.Now(), 20);
}

TEST(BoundedQueue, RefusesWhenFullAndDrainsAfterClose) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.TryPush(1));
  EXPECT_TRUE(queue.TryPush(2));
  EXPECT_FALSE(queue.TryPush(3));
  queue.Close();
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.Pop(), 2);
  EXPECT_EQ(queue.Pop(), std::nullopt);
  EXPECT_TRUE(queue.finished());
}

TEST(BoundedQueue, IsFullByWeightToo) {
  BoundedQueue<int> queue(10, 100, [](const int& item) { return static_cast<size_t>(item); });
  EXPECT_TRUE(queue.TryPush(500));  // alone, whatever it weighs
  EXPECT_FALSE(queue.TryPush(1));
  EXPECT_EQ(queue.Pop(), 500);
  EXPECT_TRUE(queue.TryPush(60));
  EXPECT_TRUE(queue.TryPush(60));
  EXPECT_FALSE(queue.TryPush(1));
}

TEST(BoundedQueue, HandsEverythingOverOnce) {
  BoundedQueue<int> queue(3);
  int64_t sum = 0;
  std::thread consumer([&] {
    while (auto item = queue.Pop()) sum += *item;
  });
  std::thread other([&] {
    for (int i = 1; i <= 1000; ++i) queue.Push(int{i});
  });
  for (int i = 1; i <= 1000; ++i) queue.Push(int{i});
  other.join();
  queue.Close();
  consumer.join();
  EXPECT_EQ(sum, 1001000);
}

TEST(Random, IsReproducibleAndHasTheRightMoments) {
  Random a(7), b(7);
  EXPECT_EQ(a.Next(), b.Next());
  Random r(1);
  double exponential = 0, normal = 0, poisson = 0;
  const int n = 20000;
  for (int i = 0; i < n; ++i) {
    exponential += r.Exponential(2);
    normal += r.Normal(5, 2);
    poisson += static_cast<double>(r.Poisson(45));
  }
  EXPECT_NEAR(exponential / n, 2, 0.06);
  EXPECT_NEAR(normal / n, 5, 0.06);
  EXPECT_NEAR(poisson / n, 45, 0.2);
}

}  // namespace
}  // namespace tomograph
