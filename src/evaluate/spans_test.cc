#include "evaluate/spans.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "evaluate/workload.h"

namespace tomograph::evaluate {
namespace {

TEST(EvaluateSpans, IntervalsHoldWhatWasTaken) {
  telemetry::Identities ids;
  WorkloadOptions workload;
  workload.length = 5 * kMinute;
  workload.traces_per_s = 20;
  SpansRunOptions options;
  options.repeats = 2;
  const auto scores = EvaluateSpans(MakeWorkload(workload, &ids), &ids, options);
  std::fputs(SpansText(scores).c_str(), stdout);
  ASSERT_EQ(scores.size(), 2 * options.losses.size());
  for (const SpansScore& s : scores) {
    SCOPED_TRACE(s.cell.state + " " + std::to_string(s.cell.loss.client));
    EXPECT_GE(s.n + s.certain, 100u);
    EXPECT_GE(s.all90(), 0.85);
    EXPECT_LE(s.all90(), 0.95);
    EXPECT_LE(s.width, 1.2 * s.truth) << "a width that says nothing";
  }
}

TEST(EvaluateSpans, NothingTakenNothingMissing) {
  telemetry::Identities ids;
  WorkloadOptions workload;
  workload.length = 3 * kMinute;
  SpansRunOptions options;
  options.losses = {{0, 0}};
  for (const SpansScore& s : EvaluateSpans(MakeWorkload(workload, &ids), &ids, options)) {
    EXPECT_EQ(s.n, 0u);
    EXPECT_GT(s.certain, 50u);
    EXPECT_EQ(s.certain_right, s.certain);
  }
}

}  // namespace
}  // namespace tomograph::evaluate
