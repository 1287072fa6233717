// Level and scale of what a series normally does, from few, dirty values. NaN is "missing" and
// ignored.
#pragma once

#include <span>
#include <vector>

namespace tomograph::diagnose {

/// The finite values, ascending.
std::vector<double> SortedFinite(std::span<const double> values);
/// Linear between order statistics; NaN when empty. `sorted` ascending, q in [0, 1].
double QuantileOfSorted(std::span<const double> sorted, double q);
double Median(std::span<const double> values);

/// Robust scale, at least `floor`: a quantised metric has a MAD of 0 and is not certain for that.
/// Below 50 values the shortest half stands for all, since a short window may hold an older
/// incident; else the greatest of MAD, interquartile range and the central 96 %, each as a normal
/// deviation.
double RobustScale(std::span<const double> values, double floor);

/// Half-belief at |z| = 3; 0 for z <= 0: how far a shift of `z` robust deviations is taken for
/// real.
double Belief(double z);

}  // namespace tomograph::diagnose
