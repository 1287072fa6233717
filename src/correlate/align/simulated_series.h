// Series whose relation is known, for the checks of lagged correlation: tests and `tomograph
// evaluate alignment`. Nothing else.
#pragma once

#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "correlate/align/aligned_series.h"

namespace tomograph::correlate {

enum class Course {
  kWhite,
  kSluggish,    // AR(1), 0.9
  kRandomWalk,  // AR(1), 0.995
  kSeasonal,    // a course that repeats every 60 cells, and AR(1) noise
  kSpikes,      // 0, and now and then something
  kRestless,    // white, but ten times as wide in the middle third, in both series alike
};
inline constexpr int kCourses = static_cast<int>(Course::kRestless) + 1;

inline std::string_view CourseName(Course c) {
  switch (c) {
    case Course::kWhite:
      return "white";
    case Course::kSluggish:
      return "AR(1) 0.9";
    case Course::kRandomWalk:
      return "AR(1) 0.995";
    case Course::kSeasonal:
      return "seasonal";
    case Course::kSpikes:
      return "spikes";
    case Course::kRestless:
      return "restless";
  }
  return "";
}

inline std::vector<double> Simulate(Course course, size_t n, Random* random) {
  const double memory = course == Course::kSluggish     ? 0.9
                        : course == Course::kRandomWalk ? 0.995
                        : course == Course::kSeasonal   ? 0.5
                                                        : 0;
  const double phase = random->Uniform() * 6.2832;
  std::vector<double> x(n);
  double state = 0;
  for (size_t t = 0; t < n + 200; ++t) {
    state = memory * state + random->Normal(0, 1);
    if (t < 200) continue;
    const size_t i = t - 200;
    double v = state;
    if (course == Course::kSeasonal)
      v += 5 * std::sin(6.2832 * static_cast<double>(i) / 60 + phase);
    if (course == Course::kSpikes) v = random->Uniform() < 0.03 ? random->Exponential(1) : 0;
    if (course == Course::kRestless && i > n / 3 && i < 2 * n / 3) v *= 10;
    x[i] = v;
  }
  return x;
}

/// What follows `first` after `lag` cells: `share` of its variation, the rest of the same course.
inline std::vector<double> Follower(Course course, const std::vector<double>& first, size_t lag,
                                    double share, Random* random) {
  std::vector<double> y = Simulate(course, first.size(), random);
  for (size_t t = lag; t < y.size(); ++t)
    y[t] = std::sqrt(share) * first[t - lag] + std::sqrt(1 - share) * y[t];
  return y;
}

/// On a grid of 5 s by a perfect clock, with this share of its values missing.
inline AlignedSeries OnGrid(std::vector<double> values, double missing, Random* random) {
  AlignedSeries series;
  for (double& v : values) {
    if (random->Uniform() < missing) v = std::numeric_limits<double>::quiet_NaN();
  }
  series.values = std::move(values);
  series.step = 5 * kSecond;
  series.clock_bound = 0;
  return series;
}

}  // namespace tomograph::correlate
