#include "evaluate/states.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include "evaluate/workload.h"

namespace tomograph::evaluate {
namespace {

struct Pooled {
  double n = 0, in50 = 0, in90 = 0;
  void Add(const SamplingScore& s) {
    n += static_cast<double>(s.n);
    in50 += static_cast<double>(s.in50);
    in90 += static_cast<double>(s.in90);
  }
};

TEST(EvaluateSampling, IntervalsCoverWhatTheyPromise) {
  telemetry::Identities ids;
  const WorkloadOptions workload;
  SamplingOptions options;
  options.incident = workload.incident;
  const auto scores = EvaluateSampling(MakeWorkload(workload, &ids), &ids, options);
  std::fputs(ToTable(scores).c_str(), stdout);
  std::map<std::pair<std::string, std::string>, Pooled> by_state;
  std::map<std::string, Pooled> by_everything;
  std::map<std::string, Pooled> steps;
  for (const SamplingScore& s : scores) {
    if (s.cell.state.starts_with("step_")) {
      // Many of these are certain: all answers together are held to what they promise.
      Pooled& all = steps[std::string(KnowledgeName(s.cell.knowledge)) + " " + s.cell.state];
      all.n += static_cast<double>(s.n + s.certain);
      all.in90 += static_cast<double>(s.in90 + s.certain_right);
      continue;
    }
    by_state[{KnowledgeName(s.cell.knowledge), s.cell.state}].Add(s);
    by_everything[std::string(KnowledgeName(s.cell.knowledge)) + " " + std::to_string(s.cell.p) +
                  " " + s.cell.state]
        .Add(s);
  }
  ASSERT_EQ(by_state.size(), 12u);
  for (const auto& [key, p] : by_state) {
    SCOPED_TRACE(key.first + " " + key.second);
    ASSERT_GE(p.n, 1000);
    EXPECT_GE(p.in90 / p.n, 0.85);
    // Where nothing queues the true depth is zero, which every honest interval holds.
    if (key.second == "queue_depth") continue;
    EXPECT_LE(p.in90 / p.n, 0.95);
    EXPECT_GE(p.in50 / p.n, 0.43);
    EXPECT_LE(p.in50 / p.n, 0.57);
  }
  ASSERT_EQ(steps.size(), 9u);
  for (const auto& [key, p] : steps) {
    EXPECT_GE(p.n, 1000) << key;
    // Failures of single requests are as hard to foresee as in failed_calls (docs/models/step.md).
    EXPECT_GE(p.in90 / p.n, key.ends_with("step_completion") ? 0.78 : 0.85) << key;
  }
  for (const auto& [key, p] : by_everything) EXPECT_GE(p.in90 / p.n, 0.83) << key;
}

TEST(EvaluateSampling, MoreKnowledgeIsNarrower) {
  telemetry::Identities ids;
  WorkloadOptions workload;
  workload.length = 5 * kMinute;
  SamplingOptions options;
  options.probabilities = {0.1};
  std::map<std::pair<std::string, Knowledge>, double> width;
  for (const SamplingScore& s : EvaluateSampling(MakeWorkload(workload, &ids), &ids, options))
    width[{s.cell.state, s.cell.knowledge}] = s.width90();
  EXPECT_LT((width[{"call_volume", Knowledge::kCounters}]),
            (width[{"call_volume", Knowledge::kWeights}]));
  EXPECT_LT((width[{"in_flight", Knowledge::kHistograms}]),
            (width[{"in_flight", Knowledge::kWeights}]));
  EXPECT_LT((width[{"call_volume", Knowledge::kWeights}]), 1.0) << "useless";
}

TEST(EvaluateSampling, TheTableSaysWhatItsColumnsMean) {
  SamplingScore score;
  score.n = 4;
  score.relative_widths = {0.5, 4, 1};
  score.in90_above_zero = 2;
  const std::string table = ToTable({score});
  const std::string legend = table.substr(0, table.find('\n'));
  for (const char* column : {"known", "truth", "in50", "in90", "width90", "n>0", "median",
                             "certain", "right", "missing"})
    EXPECT_NE(legend.find(column), std::string::npos) << column;
  EXPECT_NE(table.find("0.667    1.00"), std::string::npos) << table;
}

TEST(EvaluateSampling, NothingInNothingOut) {
  telemetry::Identities ids;
  EXPECT_TRUE(EvaluateSampling({}, &ids, {}).empty());
}

}  // namespace
}  // namespace tomograph::evaluate
