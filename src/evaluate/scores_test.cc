#include "evaluate/scores.h"

#include <gtest/gtest.h>

namespace tomograph::evaluate {
namespace {

using Ranking = std::vector<std::pair<std::string, double>>;

TEST(Scores, TiesCountAsTheExpectedValue) {
  const Ranking tied{{"a", 0.4}, {"b", 0.4}, {"c", 0.2}};
  EXPECT_DOUBLE_EQ(HitAt(tied, "a", 1), 0.5);
  EXPECT_DOUBLE_EQ(HitAt(tied, "b", 2), 1);
  EXPECT_DOUBLE_EQ(HitAt(tied, "c", 2), 0);
  EXPECT_DOUBLE_EQ(HitAt(tied, "c", 3), 1);
  EXPECT_DOUBLE_EQ(HitAt(tied, "d", 5), 0);
  EXPECT_DOUBLE_EQ(HitAt({}, "a", 1), 0);
  EXPECT_DOUBLE_EQ(ReciprocalRank(tied, "a"), 0.75);
  EXPECT_DOUBLE_EQ(ReciprocalRank(tied, "c"), 1.0 / 3);
}

TEST(Scores, AServiceNamedTwiceCountsOnceByItsBest) {
  EXPECT_DOUBLE_EQ(HitAt({{"a", 0.1}, {"b", 0.3}, {"a", 0.5}}, "a", 1), 1);
  EXPECT_DOUBLE_EQ(HitAt({{"a", 0.1}, {"b", 0.3}, {"a", 0.5}}, "b", 2), 1);
}

TEST(Scores, Credible90HoldsTheSmallestSetOfNinetyPercent) {
  Prediction p;
  p.ranking = {{"a", 0.7}, {"b", 0.25}, {"c", 0.01}};
  p.unknown = 0.04;
  EXPECT_TRUE(InCredible90(p, "b"));
  EXPECT_FALSE(InCredible90(p, "c"));
  EXPECT_FALSE(InCredible90(p, "d"));
  p.ranking = {{"a", 0.3}};
  p.unknown = 0.7;
  EXPECT_TRUE(InCredible90(p, "d"));  // "none of these" was in the set
}

TEST(Scores, CalibrationIsMeasuredInBinsOfEqualMass) {
  EXPECT_DOUBLE_EQ(Brier({{1, 1}, {0.5, 0}}), 0.125);
  EXPECT_DOUBLE_EQ(Brier({}), 0);
  // Two bins of two: |0.2 + 0.4 - 1| and |0.8 + 0.8 - 2|, each over four.
  EXPECT_NEAR(Ece({{0.2, 0}, {0.8, 1}, {0.4, 1}, {0.8, 1}}, 2), (0.4 + 0.4) / 4, 1e-12);
  EXPECT_DOUBLE_EQ(Ece({}), 0);
}

TEST(Scores, EveryLabelCounts) {
  const std::map<std::string, Label> labels{
      {"1", {"a", "cpu"}}, {"2", {"b", "cpu"}}, {"3", {"a", "net"}}};
  Prediction first;
  first.name = "1";
  first.ranking = {{"a", 0.9}, {"b", 0.05}};
  first.paging = 0.8;
  Prediction second;
  second.name = "2";
  second.ranking = {{"a", 0.6}, {"b", 0.3}};
  const IncidentScores s = ScoreServices({first, second}, labels, 0.7);
  EXPECT_EQ(s.cases, 3);
  EXPECT_NEAR(s.ac1, 1.0 / 3, 1e-12);
  EXPECT_NEAR(s.ac3, 2.0 / 3, 1e-12);
  EXPECT_NEAR(s.avg5, (1 + 0.8 + 0) / 3, 1e-12);
  EXPECT_NEAR(s.mrr, 0.5, 1e-12);
  EXPECT_NEAR(s.recall, 1.0 / 3, 1e-12);
  EXPECT_EQ(s.by_fault.at("cpu").second, 2);
  EXPECT_DOUBLE_EQ(s.by_fault.at("cpu").first, 1);
}

TEST(Scores, NoCommitIsAnAnswerToo) {
  Prediction none, wrong;
  none.name = "1";
  wrong.name = "2";
  wrong.commit = "abc";
  const IncidentScores s = ScoreCommits(
      {none, wrong}, {{"1", {"none", "a"}}, {"2", {"none", "a"}}, {"3", {"def", "b"}}});
  EXPECT_NEAR(s.ac1, 1.0 / 3, 1e-12);
}

}  // namespace
}  // namespace tomograph::evaluate
