#include <gtest/gtest.h>

#include <string>

#include "evaluate/simulated_states.h"

namespace tomograph::evaluate {
namespace {

double Coverage(const StateScore& s) {
  return static_cast<double>(s.in90) / static_cast<double>(s.n);
}

TEST(EvaluateStates, IntervalsCoverTheTruthOfSimulatedSystems) {
  for (const TelemetryLoss loss : {TelemetryLoss::kLight, TelemetryLoss::kHeavy}) {
    StatesOptions options;
    options.loss = loss;
    const auto scores = EvaluateStates(options);
    ASSERT_TRUE(scores.ok()) << scores.status().message();
    int judged = 0;
    for (const StateScore& s : *scores) {
      const std::string what = s.state + (s.incident ? ", incident" : ", steady") +
                               (s.kept_apart ? ", apart" : "") +
                               (loss == TelemetryLoss::kLight ? ", light" : ", heavy");
      if (s.binary) {
        EXPECT_LE(s.ece, 0.05) << what;
        ++judged;
      } else if (s.state == "call_volume" || s.state == "in_flight" || s.state == "replica_lag") {
        EXPECT_GE(Coverage(s), 0.85) << what;
        EXPECT_LE(Coverage(s), 0.95) << what;
        EXPECT_LT(s.crps, s.naive_crps) << what;
        ++judged;
      }
    }
    EXPECT_EQ(judged, 4 * 4);
  }
}

}  // namespace
}  // namespace tomograph::evaluate
