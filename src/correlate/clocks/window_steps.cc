#include "correlate/clocks/window_steps.h"

#include <algorithm>

namespace tomograph::correlate {
namespace {

/// Seconds from the middle of the window [start, start + length), within it.
TimeRange Within(double from, double to, Nanos start, Nanos length) {
  const Nanos middle = start + length / 2;
  const Nanos first = std::clamp(middle + FromSeconds(from), start, start + length);
  return {first, std::clamp(middle + FromSeconds(to), first, start + length)};
}

}  // namespace

bool WindowSteps::MayHaveMissed(const PairWindow& window, bool before) const {
  if (window.turned()) return false;
  const auto& steps = before ? at_start : inside;
  return std::any_of(steps.begin(), steps.end(),
                     [&](const SteppedPair& s) { return window.vouched_to < s.window->step_to; });
}

bool WindowSteps::MayHaveMissedBeside(size_t a, size_t b, const PairWindow& window) const {
  if (window.turned()) return false;
  return std::any_of(inside.begin(), inside.end(), [&](const SteppedPair& s) {
    const bool beside = a == s.a || a == s.b || b == s.a || b == s.b;
    return beside && window.vouched_to < s.window->step_to;
  });
}

TimeRange WindowSteps::ZoneInside(Nanos start, Nanos length) const {
  double from = 1e300, to = -1e300;
  for (const SteppedPair& s : inside) {
    from = std::min(from, s.window->step_from);
    to = std::max(to, s.window->step_to);
  }
  return Within(from, to, start, length);
}

TimeRange WindowSteps::ZoneOfRateChange(Nanos start, Nanos length) const {
  double from = 1e300, to = -1e300;
  for (const SteppedPair& s : inside) {
    if (s.window->verdict != PairWindow::Verdict::kRateChange) continue;
    from = std::min(from, s.window->step_from);
    to = std::max(to, s.window->step_to);
  }
  return {start + length / 2 + FromSeconds(from), start + length / 2 + FromSeconds(to)};
}

TimeRange WindowSteps::WidestInside(Nanos start, Nanos length) const {
  double from = 1e300, to = -1e300;
  for (const SteppedPair& s : inside) {
    from = std::min({from, s.window->step_from, s.window->may_from});
    to = std::max({to, s.window->step_to, s.window->may_to});
  }
  return Within(from, to, start, length);
}

Nanos WindowSteps::MostLikely(Nanos start, Nanos length) const {
  const auto fewer = [](const SteppedPair& x, const SteppedPair& y) { return x.calls < y.calls; };
  const SteppedPair& best = *std::max_element(inside.begin(), inside.end(), fewer);
  return start + length / 2 + FromSeconds(best.window->step_at);
}

TimeRange WindowSteps::ZoneAtStart(Nanos start, Nanos length) const {
  double from = 1e300, to = -1e300;
  for (const SteppedPair& s : at_start) {
    from = std::min(from, s.window->step_from);
    to = std::max(to, s.window->step_to);
  }
  return {start + length / 2 + FromSeconds(from),
          std::clamp(start + length / 2 + FromSeconds(to), start, start + length)};
}

Nanos WindowSteps::LatestAtStart(Nanos start, Nanos length) const {
  double to = -1e300;
  for (const SteppedPair& s : at_start) to = std::max({to, s.window->step_to, s.window->may_to});
  return Within(to, to, start, length).to;
}

}  // namespace tomograph::correlate
