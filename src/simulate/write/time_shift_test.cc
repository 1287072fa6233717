#include "simulate/write/time_shift.h"

#include <gtest/gtest.h>

#include "simulate/show/kept_records_test.h"
#include "simulate/write/truth_file.h"

namespace tomograph::simulate {
namespace {

TEST(TimeShift, MovesEveryTime) {
  KeptRecords kept;
  MemoryTruth truth;
  TimeShift shift(kHour, &kept, &truth);
  SpanRecord span;
  span.sender = shift.Enter({"cart", "", "", "", {}});
  span.start = kSecond;
  span.end = 2 * kSecond;
  shift.See(span);
  SampleRecord sample;
  sample.time = kSecond;
  shift.See(sample);
  sample.start = kSecond;
  shift.See(sample);
  LogRecord log;
  log.time = kSecond;
  shift.See(log);
  ChangeRecord change;
  change.time = kSecond;
  shift.See(change);
  shift.Say({kSecond, "up", "cart", "", "", 1});
  EXPECT_EQ(kept.senders.at(0).service, "cart");
  EXPECT_EQ(kept.spans.at(0).start, kHour + kSecond);
  EXPECT_EQ(kept.spans.at(0).end, kHour + 2 * kSecond);
  EXPECT_EQ(kept.samples.at(0).time, kHour + kSecond);
  EXPECT_EQ(kept.samples.at(0).start, 0);  // none was given
  EXPECT_EQ(kept.samples.at(1).start, kHour + kSecond);
  EXPECT_EQ(kept.logs.at(0).time, kHour + kSecond);
  EXPECT_EQ(kept.changes.at(0).time, kHour + kSecond);
  ASSERT_NE(truth.Find("up", "cart"), nullptr);
  EXPECT_EQ(truth.Find("up", "cart")->front().first, kHour + kSecond);
}

}  // namespace
}  // namespace tomograph::simulate
