// How right are lagged correlations and onsets? Simulated series with a known answer: how often
// independent pairs are called related, how often related ones are, and how often the intervals of
// lags and onsets hold the truth. The figures of docs/models/alignment.md.
#pragma once

#include <string>
#include <vector>

#include "base/nanotime.h"

namespace tomograph::evaluate {

struct AlignmentOptions {
  uint64_t seed = 1;
  int pairs = 1000;    // of each row
  size_t cells = 360;  // of 5 s
  int lags = 60;       // to both sides
};

struct CorrelationScore {
  std::string course;
  double missing = 0;         // share of the values
  double false_positive = 0;  // of independent pairs, at p <= 0.05
  double power = 0;           // of followers that have 30 % of their variation from the first
  double coverage = 0;        // of the 90 % interval of the lag, where one was called
  double width_s = 0;
};

struct OnsetScore {
  double memory = 0;  // AR(1) coefficient of the noise
  double ramp_s = 0;
  double height = 0;  // in deviations of one window of 5 s
  double found = 0;
  double coverage = 0;  // of the 90 % interval
  double width_s = 0;
  double bias_s = 0;  // median of it against the truth
};

struct AlignmentScores {
  std::vector<CorrelationScore> correlation;
  std::vector<OnsetScore> onset;
};

/// Same seed, same figures.
AlignmentScores RunAlignment(const AlignmentOptions& options);
std::string AlignmentText(const AlignmentScores& scores);

}  // namespace tomograph::evaluate
