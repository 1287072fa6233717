#include "evaluate/alignment.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/random.h"
#include "correlate/align/lagged_correlation.h"
#include "correlate/align/simulated_series.h"
#include "diagnose/baseline/onset_posterior.h"

namespace tomograph::evaluate {
namespace {

using correlate::Course;
using correlate::LaggedCorrelation;

constexpr double kFollows = 0.3;

bool Called(const LaggedCorrelation& found) {
  return found.identifiable == correlate::Identifiable::kYes && found.p <= 0.05;
}

CorrelationScore ScoreCorrelation(const AlignmentOptions& options, Course course, double missing) {
  CorrelationScore score;
  score.course = CourseName(course);
  score.missing = missing;
  double called = 0;
  for (int i = 0; i < options.pairs; ++i) {
    Random random(MixBits(options.seed) + static_cast<uint64_t>(i));
    const auto grid = [&](std::vector<double> v) {
      return Whiten(correlate::OnGrid(std::move(v), missing, &random));
    };
    const std::vector<double> x = Simulate(course, options.cells, &random);
    const auto first = grid(x);
    const auto other = grid(Simulate(course, options.cells, &random));
    score.false_positive += Called(CorrelateLagged(first, other, options.lags));
    const size_t lag = random.Below(static_cast<uint64_t>(options.lags) * 2 / 3);
    const auto second = grid(Follower(course, x, lag, kFollows, &random));
    const LaggedCorrelation found = CorrelateLagged(first, second, options.lags);
    if (!Called(found)) continue;
    ++called;
    const Nanos truth = static_cast<Nanos>(lag) * first.step;
    score.coverage += found.lag_least <= truth && truth <= found.lag_most;
    score.width_s += ToSeconds(found.lag_most - found.lag_least);
  }
  score.false_positive /= options.pairs;
  score.power = called / options.pairs;
  score.coverage /= std::max(called, 1.0);
  score.width_s /= std::max(called, 1.0);
  return score;
}

OnsetScore ScoreOnset(const AlignmentOptions& options, OnsetScore score) {
  constexpr Nanos kStep = 5 * kSecond;
  constexpr size_t kWindows = 120;
  std::vector<Nanos> times;
  for (size_t i = 0; i < kWindows; ++i) times.push_back(static_cast<Nanos>(i) * kStep);
  double found = 0;
  for (int i = 0; i < options.pairs; ++i) {
    Random random(MixBits(options.seed) + static_cast<uint64_t>(i));
    const double onset = 300 + 100 * random.Uniform();
    const auto ramp = [&](double t) {
      return t <= 0 ? 0 : t >= score.ramp_s ? 1 : t / score.ramp_s;
    };
    std::vector<double> values;
    double noise = 0;
    for (size_t w = 0; w < kWindows; ++w) {
      double mean = 0;
      for (int k = 0; k < 20; ++k)
        mean += ramp(5 * static_cast<double>(w) + (k + 0.5) / 4 - onset) / 20;
      noise = score.memory * noise + random.Normal(0, std::sqrt(1 - score.memory * score.memory));
      values.push_back(100 + score.height * mean + noise);
    }
    const auto when = diagnose::FindOnsetPosterior(values, times, kStep, 0.01);
    if (!when.found) continue;
    ++found;
    const double lower = ToSeconds(when.Quantile(0.05)), upper = ToSeconds(when.Quantile(0.95));
    score.coverage += lower <= onset && onset <= upper;
    score.width_s += upper - lower;
    score.bias_s += ToSeconds(when.Quantile(0.5)) - onset;
  }
  score.found = found / options.pairs;
  for (double* sum : {&score.coverage, &score.width_s, &score.bias_s}) *sum /= std::max(found, 1.0);
  return score;
}

void Print(std::string* out, const char* format, auto... values) {
  char line[160];
  std::snprintf(line, sizeof(line), format, values...);
  out->append(line);
}

}  // namespace

AlignmentScores RunAlignment(const AlignmentOptions& options) {
  AlignmentScores scores;
  for (int c = 0; c < correlate::kCourses; ++c) {
    for (const double missing : {0.0, 0.1})
      scores.correlation.push_back(ScoreCorrelation(options, static_cast<Course>(c), missing));
  }
  for (const double memory : {0.0, 0.5}) {
    for (const double ramp : {0.0, 20.0, 60.0}) {
      for (const double height : {5.0, 20.0}) {
        OnsetScore score;
        score.memory = memory;
        score.ramp_s = ramp;
        score.height = height;
        scores.onset.push_back(ScoreOnset(options, score));
      }
    }
  }
  return scores;
}

std::string AlignmentText(const AlignmentScores& scores) {
  std::string out;
  Print(&out, "%-12s %8s %10s %7s %12s %8s\n", "series", "missing", "false pos.", "power",
        "lag in 90 %", "width");
  for (const CorrelationScore& s : scores.correlation) {
    Print(&out, "%-12s %6.0f %% %10.3f %7.3f %12.3f %6.1f s\n", s.course.c_str(), s.missing * 100,
          s.false_positive, s.power, s.coverage, s.width_s);
  }
  Print(&out, "\n%6s %6s %7s %7s %13s %8s %8s\n", "memory", "ramp", "height", "found",
        "onset in 90 %", "width", "bias");
  for (const OnsetScore& s : scores.onset) {
    Print(&out, "%6.1f %4.0f s %7.0f %7.3f %13.3f %6.1f s %6.1f s\n", s.memory, s.ramp_s, s.height,
          s.found, s.coverage, s.width_s, s.bias_s);
  }
  out.pop_back();
  return out;
}

}  // namespace tomograph::evaluate
