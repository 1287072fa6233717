#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "simulate/kernel/draws.h"
#include "simulate/kernel/event_queue.h"
#include "simulate/kernel/level.h"
#include "simulate/kernel/slots.h"

namespace tomograph::simulate {
namespace {

struct Happening {
  Nanos at;
  uint32_t a;
  uint64_t b;
  bool operator==(const Happening&) const = default;
};

class Diary : public EventQueue::Subject {
 public:
  explicit Diary(EventQueue* queue) : queue_(queue) {}
  void Happen(uint32_t a, uint64_t b) override { happened.push_back({queue_->now(), a, b}); }
  std::vector<Happening> happened;

 private:
  EventQueue* queue_;
};

TEST(EventQueueTest, HappensInTheOrderOfTimeThenOfScheduling) {
  EventQueue queue(1000);
  Diary diary(&queue);
  Random random(5);
  std::vector<Happening> expected;
  for (uint32_t i = 0; i < 5000; ++i) {
    const Nanos at = 1000 + static_cast<Nanos>(random.Below(700));
    queue.At(at, &diary, i, i + 7);
    expected.push_back({at, i, i + 7});
  }
  std::stable_sort(expected.begin(), expected.end(),
                   [](const Happening& x, const Happening& y) { return x.at < y.at; });
  queue.RunUntil(2000);
  EXPECT_EQ(diary.happened, expected);
  EXPECT_EQ(queue.happened(), 5000u);
  EXPECT_EQ(queue.now(), 2000);
}

TEST(EventQueueTest, StopsBeforeTheEndAndTakesThePastForNow) {
  EventQueue queue(0);
  Diary diary(&queue);
  queue.At(10, &diary, 1);
  queue.At(9, &diary, 2);
  queue.RunUntil(10);
  ASSERT_EQ(diary.happened.size(), 1u);
  EXPECT_EQ(diary.happened[0].a, 2u);
  queue.At(3, &diary, 3);  // would have been before now
  queue.RunUntil(11);
  ASSERT_EQ(diary.happened.size(), 3u);
  EXPECT_EQ(diary.happened[2], (Happening{10, 3, 0}));
}

TEST(DrawsTest, AStreamBelongsToWhatItIsForAndNotToWhenItIsDrawn) {
  const Draws draws(7);
  Random first = draws.For(NameKey("work"), 17, 3);
  (void)draws.For(NameKey("network"), 17, 3).Next();
  EXPECT_EQ(draws.For(NameKey("work"), 17, 3).Next(), first.Next());
  EXPECT_NE(draws.For(NameKey("work"), 17, 4).Next(), draws.For(NameKey("work"), 18, 3).Next());
  EXPECT_NE(draws.For(1, 2).Next(), draws.For(2, 1).Next());
  EXPECT_NE(Draws(8).For(1, 2).Next(), draws.For(1, 2).Next());
}

struct MeanAndCv {
  double mean, cv;
};
MeanAndCv Measure(const Duration& duration) {
  const Draws draws(3);
  constexpr int kN = 400'000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kN; ++i) {
    Random random = draws.For(1, static_cast<uint64_t>(i));
    const double x = duration.Draw(&random);
    sum += x;
    squares += x * x;
  }
  const double mean = sum / kN;
  return {mean, std::sqrt(squares / kN - mean * mean) / mean};
}

TEST(DurationTest, HasTheMeanAndSpreadThatItSays) {
  for (const double cv : {0.3, 1.0, 1.5}) {
    const MeanAndCv got = Measure({0.02, cv});
    EXPECT_NEAR(got.mean, 0.02, 0.02 * 0.01);
    EXPECT_NEAR(got.cv, cv, cv * 0.03);
  }
  const MeanAndCv exponential = Measure({0.02, -1});
  EXPECT_NEAR(exponential.mean, 0.02, 0.02 * 0.01);
  EXPECT_NEAR(exponential.cv, 1, 0.01);
  Random random(1);
  EXPECT_EQ((Duration{0.02, 0}).Draw(&random), 0.02);
  EXPECT_EQ((Duration{0, 2}).Draw(&random), 0);
}

TEST(SlotsTest, AHandleOfSomethingGoneFindsNothing) {
  Slots<int> slots;
  const Handle first = slots.Add(1);
  slots.Remove(first);
  const Handle second = slots.Add(2);  // in the same place
  EXPECT_EQ(static_cast<uint32_t>(first), static_cast<uint32_t>(second));
  EXPECT_EQ(slots.Find(first), nullptr);
  slots.Remove(first);  // does nothing
  ASSERT_NE(slots.Find(second), nullptr);
  EXPECT_EQ(*slots.Find(second), 2);
  EXPECT_EQ(slots.Find(0), nullptr);
  int* const address = slots.Find(second);
  for (int i = 0; i < 1000; ++i) slots.Add(i);
  EXPECT_EQ(slots.Find(second), address);
  EXPECT_EQ(slots.size(), 1001u);
  EXPECT_EQ(slots.All().size(), 1001u);
}

TEST(LevelTest, MeanIsWeightedByTime) {
  Level level;
  level.Begin(100);
  level.Add(2, 110);
  level.Add(-1, 130);
  EXPECT_DOUBLE_EQ(level.TakeMean(200), (0 * 10 + 2 * 20 + 1 * 70) / 100.0);
  EXPECT_DOUBLE_EQ(level.TakeMean(300), 1);
}

}  // namespace
}  // namespace tomograph::simulate
