#include "simulate/twin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "simulate/seen_test.h"

namespace tomograph::simulate {
namespace {

constexpr char kChain[] = R"(name: chain
length: 120s
services:
- {name: a, links: [{to: b, timeout: 1s}], operations: [{name: do, steps: [{work: 1ms}, {call: {to: b, operation: do}}]}]}
- {name: b, links: [{to: c, timeout: 1s}], operations: [{name: do, steps: [{work: 1ms}, {call: {to: c, operation: do}}]}]}
- {name: c, operations: [{name: do, steps: [{work: {mean: 2ms, cv: 1}}]}]}
- {name: d, operations: [{name: do, steps: [{work: {mean: 2ms, cv: 1}}]}]}
users:
- {name: u, rate: 20, operations: [{to: a, operation: do}]}
- {name: v, rate: 20, operations: [{to: d, operation: do}]}
faults:
)";

std::vector<std::string> FeltBy(const std::string& fault) {
  const auto felt = FeelFaults(MustRead(kChain + ("- " + fault)));
  EXPECT_TRUE(felt.ok());
  EXPECT_EQ(felt->size(), 1u);
  return felt->at(0).felt_by;
}

using testing::ElementsAre;
using testing::IsEmpty;

TEST(TwinTest, AFaultIsFeltByWhoDependsOnItAndNobodyElse) {
  EXPECT_THAT(FeltBy("{kind: slow, target: c, from: 30s, until: 60s, by: 10}"),
              ElementsAre("a", "b", "c", "u"));
  EXPECT_THAT(FeltBy("{kind: errors, target: b, from: 30s, until: 60s, by: 0.2}"),
              ElementsAre("a", "b", "u"))
      << "c is only asked less";
  EXPECT_THAT(FeltBy("{kind: crash, target: d, from: 30s, until: 60s}"), ElementsAre("v"))
      << "nobody of d is left to fail, but its users notice";
  EXPECT_THAT(FeltBy("{kind: network_delay, target: b->c, from: 30s, until: 60s, by: 0.05}"),
              ElementsAre("a", "b", "u"));
}

TEST(TwinTest, AFaultWithoutEffectIsFeltByNobody) {
  EXPECT_THAT(FeltBy("{kind: slow, target: c, from: 30s, until: 60s, by: 1}"), IsEmpty());
  EXPECT_THAT(FeltBy("{kind: deploy, target: a, from: 30s, until: 60s}"), IsEmpty());
}

TEST(TwinTest, EachOfSeveralFaultsIsHeldAgainstTheRunWithTheOthers) {
  const auto felt = FeelFaults(
      MustRead(std::string(kChain) + "- {kind: slow, target: c, from: 30s, until: 60s, by: 10}\n" +
               "- {kind: slow, target: d, from: 30s, until: 60s, by: 10}\n"));
  ASSERT_TRUE(felt.ok());
  EXPECT_THAT(felt->at(0).felt_by, ElementsAre("a", "b", "c", "u"));
  EXPECT_THAT(felt->at(1).felt_by, ElementsAre("d", "v"));
}

}  // namespace
}  // namespace tomograph::simulate
