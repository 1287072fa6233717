#include "correlate/linking/own_time.h"

#include <algorithm>
#include <vector>

namespace tomograph::correlate::linking {
namespace {

constexpr size_t kFew = 8;
constexpr double kRegular = .5;
constexpr double kMoreExact = .5;  // nats

double Quantile(std::vector<double> values, double q) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(q * (values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

bool AreRegular(const std::vector<double>& steps) {
  return Quantile(steps, .75) - Quantile(steps, .25) < kRegular * Quantile(steps, .5);
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

bool KeepsOwnTime(const LinkWindow& window, int service, int call_class, TimeGrain grain) {
  std::vector<double> starts, from_start, from_end;
  const ServiceRange& range = window.services[service];
  for (int c = range.first_call; c < range.end_call; ++c) {
    const Call& call = window.calls[c];
    if (call.call_class != call_class) continue;
    starts.push_back(call.time.start);
    if (call.owner == kNobody) continue;
    const Interval& owner = window.requests[call.owner].time;
    from_start.push_back(call.time.start - owner.start);
    from_end.push_back(call.time.start - owner.end);
  }
  if (from_start.size() < kFew) return false;
  std::sort(starts.begin(), starts.end());
  std::vector<double> steps;
  for (size_t i = 1; i < starts.size(); ++i) steps.push_back(starts[i] - starts[i - 1]);
  if (!AreRegular(steps)) return false;
  const double of_gaps = std::max(Exactness(from_start, grain), Exactness(from_end, grain));
  return of_gaps < Exactness(steps, grain) + kMoreExact;
}

}  // namespace tomograph::correlate::linking
