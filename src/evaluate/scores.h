// Scores of ranked answers against labels, as tools outside of this project compute them too: ties
// count as the expected value over their orders, an empty answer is a miss.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace tomograph::evaluate {

struct Prediction {
  std::string name;                                     // of the case
  std::vector<std::pair<std::string, double>> ranking;  // service, posterior
  double unknown = 1;
  double paging = 0;   // posterior of the first hypothesis: what somebody may be woken for
  std::string commit;  // where commits are asked for; empty: none
};

struct Label {
  std::string answer;  // service, or commit ("none": no commit is to blame)
  std::string fault;   // what cases are grouped by
};

struct Calibrated {
  double probability = 0;
  double hit = 0;
};

/// Probability that `truth` is among the first k when equal posteriors are ordered at random.
double HitAt(const std::vector<std::pair<std::string, double>>& ranking, const std::string& truth,
             int k);
/// Expected 1 / rank under random order of ties.
double ReciprocalRank(const std::vector<std::pair<std::string, double>>& ranking,
                      const std::string& truth);
/// Is `truth` in the smallest set of first answers that holds 90 % of all mass, the unknown
/// included? An unknown that lies in the set covers what was not named.
bool InCredible90(const Prediction& prediction, const std::string& truth);
double Brier(const std::vector<Calibrated>& pairs);
/// Expected calibration error over bins of equal mass.
double Ece(std::vector<Calibrated> pairs, int bins = 5);

struct IncidentScores {
  int cases = 0;
  double ac1 = 0, ac3 = 0, ac5 = 0, avg5 = 0, mrr = 0;
  double brier = 0, ece = 0,
         credible90_coverage = 0;  // and recall: NaN for commits, which have no posterior
  double recall = 0;  // at the paging threshold: the labelled service first and above it
  std::map<std::string, std::pair<double, int>> by_fault;  // sum of AC@1, cases
};

/// Every label counts; a case without prediction is a miss.
IncidentScores ScoreServices(const std::vector<Prediction>& predictions,
                             const std::map<std::string, Label>& labels, double paging_threshold);
IncidentScores ScoreCommits(const std::vector<Prediction>& predictions,
                            const std::map<std::string, Label>& labels);

}  // namespace tomograph::evaluate
