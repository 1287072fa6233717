#include "evaluate/simulated_states.h"

#include <gtest/gtest.h>

namespace tomograph::evaluate {
namespace {

TEST(EvaluateStates, IsTheSameForASeedAndOneModelIsItsPart) {
  StatesOptions options;
  options.model = "volume";
  options.scenario = "shop";
  options.seed = 3;
  const auto once = EvaluateStates(options), again = EvaluateStates(options);
  ASSERT_TRUE(once.ok() && again.ok());
  EXPECT_EQ(StatesJson(*once), StatesJson(*again));
  for (const StateScore& s : *once) EXPECT_EQ(s.model, "volume");
  options.seed = 4;
  EXPECT_NE(StatesJson(*EvaluateStates(options)), StatesJson(*once));
  options.model = "crystal_ball";
  EXPECT_FALSE(EvaluateStates(options).ok());
  options.model = "volume";
  options.scenario = "atlantis";
  EXPECT_FALSE(EvaluateStates(options).ok());
}

}  // namespace
}  // namespace tomograph::evaluate
