#include "telemetry/step_name.h"

#include <gtest/gtest.h>

namespace tomograph::telemetry {
namespace {

TEST(StepName, IsReadAsItWasWritten) {
  const StepName steps[] = {{"POST /checkout", "payment POST", "(end)"},
                            {"GET /users/:id", "(start)", ""},
                            {"", "a: b", "c -> d"},
                            {"x:y", "p->q", "r"},
                            {"a -> b: c", "d", "e"}};
  for (const StepName& step : steps) {
    const StepName once = ParseStep(ToDetail(step));
    EXPECT_EQ(ParseStep(ToDetail(once)), once);
    EXPECT_EQ(ToDetail(once), ToDetail(step));
    EXPECT_EQ(once.before.empty(), step.before.empty());
  }
  EXPECT_EQ(ToDetail(steps[0]), "POST /checkout: payment POST -> (end)");
  EXPECT_EQ(ParseStep(ToDetail(steps[1])), steps[1]);
  EXPECT_EQ(ParseStep("a: : b -> -> c").operation, "a");
  EXPECT_EQ(ParseStep("nothing").after, "");
}

}  // namespace
}  // namespace tomograph::telemetry
