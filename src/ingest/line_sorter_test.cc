#include "ingest/line_sorter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"

namespace tomograph::ingest {
namespace {

std::vector<SortedRun> Sort(const std::vector<Nanos>& times, size_t run_bytes) {
  auto spill = SpillFile::Make();
  TG_CHECK(spill.ok());
  LineSorter sorter(*spill, run_bytes);
  for (size_t i = 0; i < times.size(); ++i)
    TG_CHECK(sorter.Add(times[i], i + 1, "line " + std::to_string(i + 1)).ok());
  auto runs = sorter.Finish();
  TG_CHECK(runs.ok());
  return *runs;
}

/// Each run must be in order, and all lines must be in one of them.
void ExpectSorted(const std::vector<Nanos>& times, const std::vector<SortedRun>& runs) {
  std::vector<int> seen(times.size());
  for (const SortedRun& run : runs) {
    RunReader reader(run);
    std::pair<Nanos, uint64_t> last{run.first, 0};
    while (reader.Next()) {
      const TimedLine& line = reader.line();
      ASSERT_EQ(line.text, "line " + std::to_string(line.number) + "\n");
      ASSERT_EQ(line.time, times.at(line.number - 1));
      ASSERT_LT(last, std::pair(line.time, line.number));
      last = {line.time, line.number};
      ++seen.at(line.number - 1);
    }
    ASSERT_TRUE(reader.status().ok());
  }
  EXPECT_TRUE(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }));
}

TEST(LineSorter, WhatFitsIsOneRun) {
  const std::vector<Nanos> times = {5, 3, 3, -1, INT64_MAX, INT64_MIN, 0};
  const auto runs = Sort(times, 1 << 20);
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].first, INT64_MIN);
  ExpectSorted(times, runs);
  EXPECT_TRUE(Sort({}, 1 << 20).empty());
}

TEST(LineSorter, RunsAreMergedAndStayFew) {
  Random random(1);
  std::vector<Nanos> times;
  for (int i = 0; i < 100'000; ++i) times.push_back(static_cast<Nanos>(random.Below(50'000)));
  const auto runs = Sort(times, 2'000);  // some 40 lines: 2,500 runs, merged on two levels
  EXPECT_LT(runs.size(), 3 * LineSorter::kMostRuns);
  ExpectSorted(times, runs);
}

TEST(LineSorter, ALineLargerThanMemoryIsARun) {
  auto spill = SpillFile::Make();
  ASSERT_TRUE(spill.ok());
  LineSorter sorter(*spill, 1'000);
  const std::string large(1'000'000, 'x');
  for (const Nanos time : {3, 2, 1}) ASSERT_TRUE(sorter.Add(time, 4 - time, large).ok());
  const auto runs = sorter.Finish();
  ASSERT_TRUE(runs.ok());
  ASSERT_EQ(runs->size(), 3u);
  for (const SortedRun& run : *runs) {
    RunReader reader(run);
    ASSERT_TRUE(reader.Next());
    EXPECT_EQ(reader.line().text, large + "\n");
    EXPECT_FALSE(reader.Next());
  }
}

}  // namespace
}  // namespace tomograph::ingest
