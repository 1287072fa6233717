#include "correlate/linking/call_pattern.h"

#include <gtest/gtest.h>

namespace tomograph::correlate::linking {
namespace {

double Total(const CallPattern& pattern, int slots) {
  double total = 0;
  for (uint64_t mask = 0; mask < uint64_t{1} << slots; ++mask) total += std::exp(pattern.Log(mask));
  return total;
}

TEST(CallPattern, SumsToOneWithFewAndWithManySlots) {
  std::vector<uint64_t> used(90, 0b11);
  used.insert(used.end(), 10, 0b01);
  for (const int slots : {2, 5, 13}) {
    CallPattern pattern;
    pattern.Learn(used, slots);
    EXPECT_NEAR(Total(pattern, slots), 1, .01) << slots;
    EXPECT_NEAR(std::exp(pattern.Log(0b11)), .9, .02) << slots;
    EXPECT_NEAR(std::exp(pattern.Log(0b01)), .1, .02) << slots;
    EXPECT_EQ(pattern.most_common(), 0b11u);
  }
}

TEST(CallPattern, WhatWasNeverSeenIsRareAndPossible) {
  CallPattern pattern;
  pattern.Learn(std::vector<uint64_t>(1'000, (uint64_t{1} << 40) - 1), 40);
  const float unseen = pattern.Log(1);
  EXPECT_LT(unseen, -20);
  EXPECT_TRUE(std::isfinite(unseen));
  pattern.Learn({}, 3);
  EXPECT_TRUE(std::isfinite(pattern.Log(0)));
}

}  // namespace
}  // namespace tomograph::correlate::linking
