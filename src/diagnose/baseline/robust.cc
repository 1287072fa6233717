#include "diagnose/baseline/robust.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tomograph::diagnose {
namespace {

constexpr size_t kFew = 50;
constexpr double kHalfBeliefZ = 3;
constexpr double kNormalIqr = 1.349;       // interquartile range of a standard normal
constexpr double kNormalMad = 1 / 1.4826;  // its median absolute deviation
constexpr double kNormalCentral96 = 4.1;   // its 2nd to 98th percentile
constexpr double kTiny = 1e-12;

double ShortestHalf(std::span<const double> sorted) {
  const size_t half = sorted.size() / 2;
  double shortest = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i + half < sorted.size(); ++i) {
    shortest = std::min(shortest, sorted[i + half] - sorted[i]);
  }
  return shortest;
}

}  // namespace

std::vector<double> SortedFinite(std::span<const double> values) {
  std::vector<double> sorted;
  sorted.reserve(values.size());
  for (const double v : values) {
    if (std::isfinite(v)) sorted.push_back(v);
  }
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

double QuantileOfSorted(std::span<const double> sorted, double q) {
  if (sorted.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double at = q * static_cast<double>(sorted.size() - 1);
  const size_t low = static_cast<size_t>(at);
  const size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

double Median(std::span<const double> values) {
  return QuantileOfSorted(SortedFinite(values), 0.5);
}

double RobustScale(std::span<const double> values, double floor) {
  const double least = std::max(floor, kTiny);
  const std::vector<double> sorted = SortedFinite(values);
  if (sorted.size() < 3) return least;
  if (sorted.size() < kFew) return std::max(ShortestHalf(sorted) / kNormalIqr, least);

  const double median = QuantileOfSorted(sorted, 0.5);
  std::vector<double> deviations;
  deviations.reserve(sorted.size());
  for (const double v : sorted) deviations.push_back(std::abs(v - median));
  const double iqr = QuantileOfSorted(sorted, 0.75) - QuantileOfSorted(sorted, 0.25);
  const double tails = QuantileOfSorted(sorted, 0.98) - QuantileOfSorted(sorted, 0.02);
  return std::max(
      {Median(deviations) / kNormalMad, iqr / kNormalIqr, tails / kNormalCentral96, least});
}

double Belief(double z) {
  if (!(z > 0)) return 0;
  return z * z / (z * z + kHalfBeliefZ * kHalfBeliefZ);
}

}  // namespace tomograph::diagnose
