#include "evaluate/recordings.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <tuple>

namespace tomograph::evaluate {
namespace {

const std::string kRecordings = std::string(TOMOGRAPH_SOURCE_DIR) + "/examples/shop/recordings/";

// docs/models/volume.md and queue.md say what is promised of which state, and why.
TEST(RunSampling, IntervalsCoverWhatWasWithheldFromRecordings) {
  SamplingRunOptions options;
  options.seed = 31;
  options.repeats = 8;
  const auto scores =
      RunSampling({kRecordings + "healthy", kRecordings + "pool-exhaustion"}, options);
  ASSERT_TRUE(scores.ok()) << scores.status().ToString();
  std::map<std::tuple<Knowledge, double, std::string>, SamplingScore> cells;  // both phases
  for (const SamplingScore& s : *scores)
    if (!s.cell.gauge) cells[{s.cell.knowledge, s.cell.p, s.cell.state}].Merge(s);
  int promised = 0;
  for (const auto& [cell, s] : cells) {
    const auto& [knowledge, p, state] = cell;
    SCOPED_TRACE(std::string(KnowledgeName(knowledge)) + " " + std::to_string(p) + " " + state);
    if (s.n < 500) continue;
    std::printf("%-11s %-5g %-13s n %zu  in50 %.3f  in90 %.3f\n", KnowledgeName(knowledge), p,
                state.c_str(), s.n, s.coverage50(), s.coverage90());
    if (state.starts_with("step_")) {
      const double all = static_cast<double>(s.n + s.certain);
      EXPECT_GE(static_cast<double>(s.in90 + s.certain_right) / all, 0.85);
      continue;
    }
    if (state == "failed_calls") {
      // What is certain counts too: nearly all windows have no failure.
      const double all = static_cast<double>(s.n + s.certain);
      EXPECT_GE(static_cast<double>(s.in90 + s.certain_right) / all, 0.9);
      continue;
    }
    EXPECT_GE(s.coverage90(), 0.85);
    // Nothing queues in the quiet phase, and calls of a paced load split more evenly than assumed.
    if (state == "queue_depth" || knowledge == Knowledge::kMetrics) continue;
    EXPECT_LE(s.coverage90(), 0.95);
    ++promised;
  }
  EXPECT_EQ(promised, 18) << "3 kinds of knowledge, 3 probabilities, 2 states";
  // A queue inside a pool, held against its withheld gauge where somebody waits: in an incident.
  for (const SamplingScore& s : *scores) {
    if (!s.cell.gauge || s.cell.state != "queue_depth" || s.relative_widths.size() < 50) continue;
    EXPECT_TRUE(s.cell.incident);
    EXPECT_GE(s.coverage90_above_zero(), 0.85)
        << KnowledgeName(s.cell.knowledge) << " " << s.cell.p;
  }
}

TEST(RunSampling, TheFlagSaysWhenTheIncidentStarts) {
  SamplingRunOptions options;
  options.incident_after = 0;
  const auto steady = RunSampling({kRecordings + "pool-exhaustion"}, options);
  ASSERT_TRUE(steady.ok());
  EXPECT_FALSE(steady->empty());
  for (const SamplingScore& s : *steady) EXPECT_FALSE(s.cell.incident);
  options.incident_after = 1;
  const auto incident = RunSampling({kRecordings + "pool-exhaustion"}, options);
  ASSERT_TRUE(incident.ok());
  for (const SamplingScore& s : *incident) EXPECT_TRUE(s.cell.incident);
}

TEST(RunSampling, NamesTheRecordingThatIsNotThere) {
  const auto scores = RunSampling({kRecordings + "healthy", "no/such/recording"}, {});
  ASSERT_FALSE(scores.ok());
  EXPECT_NE(scores.status().message().find("no/such/recording"), std::string::npos);
}

}  // namespace
}  // namespace tomograph::evaluate
