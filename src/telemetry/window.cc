#include "telemetry/window.h"

#include <algorithm>
#include <iterator>
#include <tuple>

namespace tomograph::telemetry {

namespace {
constexpr size_t kMaxExamples = 8;

auto KeyOf(const StepStats& s) { return std::tie(s.operation, s.after, s.before); }
bool ByKey(const StepStats& a, const StepStats& b) { return KeyOf(a) < KeyOf(b); }
}  // namespace

void CallStats::Merge(const CallStats& o) {
  seen += o.seen;
  failed_seen += o.failed_seen;
  calls += o.calls;
  failed += o.failed;
  calls_variance += o.calls_variance;
  failed_variance += o.failed_variance;
  busy_s += o.busy_s;
  busy_variance += o.busy_variance;
  wait_s += o.wait_s;
  waits += o.waits;
  taking_s += o.taking_s;
  taking_square += o.taking_square;
  takings += o.takings;
  exclusive_s += o.exclusive_s;
  latency.Merge(o.latency);
  weight_unknown += o.weight_unknown;
}

void GaugeStats::Add(double value, Nanos at) {
  GaugeStats one;
  one.samples = 1;
  one.sum = one.min = one.max = one.last = value;
  one.last_ns = at;
  Merge(one);
}

void GaugeStats::Merge(const GaugeStats& o) {
  if (o.samples == 0) return;
  if (samples == 0) {
    *this = o;
    return;
  }
  samples += o.samples;
  sum += o.sum;
  min = std::min(min, o.min);
  max = std::max(max, o.max);
  // Of two values at the same instant the larger, so that the order of merging does not show.
  if (o.last_ns > last_ns || (o.last_ns == last_ns && o.last > last)) {
    last = o.last;
    last_ns = o.last_ns;
  }
}

void StepStats::Merge(const StepStats& o) {
  seen += o.seen;
  failed_seen += o.failed_seen;
  calls += o.calls;
  duration.Merge(o.duration);
}

void CallSides::Merge(const CallSides& o) {
  joined += o.joined;
  unanswered += o.unanswered;
  unanswered_share += o.unanswered_share;
  unanswered_variance += o.unanswered_variance;
  failed_unanswered += o.failed_unanswered;
  parent_lost += o.parent_lost;
}

void Window::Merge(const Window& o) {
  spans.Merge(o.spans);
  metrics.Merge(o.metrics);
  for (const auto& [quantity, stats] : o.gauges) gauges[quantity].Merge(stats);
  records += o.records;
  connections += o.connections;
  error_logs += o.error_logs;
  logs += o.logs;
  if (o.restarts) restarts = restarts.value_or(0) + *o.restarts;
  examples.insert(examples.end(), o.examples.begin(), o.examples.end());
  if (examples.size() > kMaxExamples) examples.resize(kMaxExamples);
  for (const StepStats& step : o.steps) {
    const auto at = std::lower_bound(steps.begin(), steps.end(), step, ByKey);
    if (at != steps.end() && KeyOf(*at) == KeyOf(step)) {
      at->Merge(step);
    } else {
      steps.insert(at, step);
    }
  }
  steps_refused += o.steps_refused;
}

const Window* WindowSet::Find(WindowKey key) const {
  const auto it = std::lower_bound(windows.begin(), windows.end(), key,
                                   [](const Window& w, const WindowKey& k) { return w.key < k; });
  return it != windows.end() && it->key == key ? &*it : nullptr;
}

}  // namespace tomograph::telemetry
