#include "correlate/linking/waiting_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace tomograph::correlate::linking {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

CallRecord At(uint64_t id, Nanos start, bool outgoing = false) {
  CallRecord r;
  r.id = id;
  r.start = start;
  r.end = start + 5;
  r.outgoing = outgoing;
  return r;
}

std::vector<uint64_t> Ready(const WaitingRecords& waiting) {
  std::vector<uint64_t> ids;
  for (const CallRecord& r : waiting.ready()) ids.push_back(r.id);
  return ids;
}

TEST(WaitingRecords, CompleteBucketsComeInOrderOfTimeRequestsFirst) {
  WaitingRecords waiting(10);
  waiting.Add(At(4, 25));
  waiting.Add(At(3, 7, true));
  waiting.Add(At(2, 7));
  waiting.Add(At(1, -3));
  waiting.CompleteUntil(9);
  EXPECT_THAT(Ready(waiting), ElementsAre(1)) << "the bucket of 0 to 10 is not complete";
  EXPECT_EQ(waiting.complete_until(), 0);
  waiting.CompleteUntil(29);
  EXPECT_THAT(Ready(waiting), ElementsAre(1, 2, 3));
  EXPECT_EQ(waiting.complete_until(), 20);
  waiting.DropReady(2);
  EXPECT_THAT(Ready(waiting), ElementsAre(3));
  waiting.CompleteUntil(INT64_MAX);
  EXPECT_THAT(Ready(waiting), ElementsAre(3, 4));
}

TEST(WaitingRecords, RoomIsMadeByTheOldestEvenWithinOneBucket) {
  WaitingRecords waiting(1'000);
  for (uint64_t i = 10; i > 0; --i) waiting.Add(At(i, static_cast<Nanos>(i)));
  waiting.Add(At(11, 5'000));
  EXPECT_EQ(waiting.MakeRoom(11), 0u);
  EXPECT_THAT(Ready(waiting), IsEmpty());
  EXPECT_EQ(waiting.MakeRoom(1), 10u);
  EXPECT_EQ(waiting.complete_until(), 1'000);
  for (uint64_t i = 12; i < 16; ++i) waiting.Add(At(i, 5'000 + static_cast<Nanos>(i)));
  waiting.DropReady(10);
  EXPECT_EQ(waiting.MakeRoom(2), 3u);
  EXPECT_THAT(Ready(waiting), ElementsAre(11, 12, 13));
  EXPECT_EQ(waiting.complete_until(), 5'013);
  EXPECT_EQ(waiting.size(), 5u);
}

}  // namespace
}  // namespace tomograph::correlate::linking
