#include "correlate/linking/own_time.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace tomograph::correlate::linking {
namespace {

constexpr size_t kFew = 8;
/// Steps are regular if all but a share of `beyond` at each end lie within `range` medians.
struct Regular {
  double beyond, range;
};
constexpr Regular kQuartiles{.25, .5};
constexpr Regular kNearlyAll{.02, .2};
constexpr double kMoreExact = .5;  // nats
constexpr double kNever = -std::numeric_limits<double>::infinity();

double Quantile(std::vector<double> values, double q) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(q * (values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

bool Are(const Regular& regular, const std::vector<double>& steps) {
  return Quantile(steps, 1 - regular.beyond) - Quantile(steps, regular.beyond) <
         regular.range * Quantile(steps, .5);
}

/// Mean log density about their median, where densities are finest.
double Exactness(std::vector<double> values, TimeGrain grain) {
  const double middle = Quantile(values, .5);
  for (double& v : values) v -= middle;
  GapDensity density;
  density.Fit(values, grain, /*careful=*/true);
  return density.mean_log();
}

}  // namespace

std::vector<double> OwnTimes(const LinkWindow& window, int service, int classes, TimeGrain grain) {
  std::vector<std::vector<double>> steps(classes);
  std::vector<double> before(classes, kNever);
  const ServiceRange& range = window.services[service];
  for (int c = range.first_call; c < range.end_call; ++c) {
    const Call& call = window.calls[c];
    if (call.pinned) continue;
    double& last = before[call.call_class];
    if (last != kNever) steps[call.call_class].push_back(call.time.start - last);
    last = call.time.start;
  }
  std::vector<double> own(classes, kNever);
  for (int k = 0; k < classes; ++k) {
    if (steps[k].size() < kFew || !Are(kNearlyAll, steps[k])) continue;
    own[k] = Exactness(std::move(steps[k]), grain);
  }
  return own;
}

bool KeepsOwnTime(const LinkWindow& window, int service, int call_class, TimeGrain grain) {
  std::vector<double> steps, from_start, from_end;
  double before = kNever;
  const ServiceRange& range = window.services[service];
  for (int c = range.first_call; c < range.end_call; ++c) {
    const Call& call = window.calls[c];
    if (call.call_class != call_class) continue;
    if (before != kNever) steps.push_back(call.time.start - before);
    before = call.time.start;
    if (call.owner == kNobody) continue;
    const Interval& owner = window.requests[call.owner].time;
    from_start.push_back(call.time.start - owner.start);
    from_end.push_back(call.time.start - owner.end);
  }
  if (from_start.size() < kFew || !Are(kQuartiles, steps)) return false;
  const double of_gaps = std::max(Exactness(from_start, grain), Exactness(from_end, grain));
  return of_gaps < Exactness(steps, grain) + kMoreExact;
}

}  // namespace tomograph::correlate::linking
