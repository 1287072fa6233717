#include "diagnose/history.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tomograph::diagnose {
namespace {

using telemetry::CallStats;
using telemetry::kNoEntity;
using telemetry::Quantity;
using telemetry::Statistic;
using telemetry::Window;
using telemetry::WindowKey;

constexpr int kSilentToSwitch = 12;
constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

bool Speaks(const CallStats& calls) { return calls.seen > 0 || calls.calls > 0; }

// A callee without telemetry of its own gets a window of what its callers saw. It has no time that
// is its own, and is no witness of itself: the edges tell the same with who saw it.
bool IsHearsay(const Window& window) {
  return window.key.caller == kNoEntity && window.gauges.empty() && !Speaks(window.metrics) &&
         window.spans.exclusive_s <= 0 && window.spans.latency.sum() > 0;
}

bool IsRunningClock(Quantity q) {
  return q == Quantity::kUptime || q == Quantity::kStartTime || q == Quantity::kRestarts;
}

}  // namespace

History::History(Nanos span, size_t max_series) : span_(span), max_series_(max_series) {}

void History::Add(const telemetry::WindowSet& windows) {
  if (windows.length <= 0) return;
  if (step_ != windows.length || (!times_.empty() && windows.start - times_.back() > span_)) {
    times_.clear();
    rings_.clear();
    step_ = windows.length;
  }
  if (!times_.empty() && windows.start <= times_.back()) return;
  while (!times_.empty() && times_.back() + step_ < windows.start) {
    times_.push_back(times_.back() + step_);
    ++now_;
  }
  times_.push_back(windows.start);
  ++now_;
  while (times_.size() > static_cast<size_t>(std::max<Nanos>(1, span_ / step_))) times_.pop_front();
  for (const Window& window : windows.windows) {
    if (!IsHearsay(window)) AddWindow(window, ToSeconds(windows.length));
  }
  if (now_ % 64 == 0) ForgetOld();
}

const CallStats* History::CallsOf(const Window& window, Source* source) const {
  const bool spans = Speaks(window.spans), metrics = Speaks(window.metrics);
  if (source->witness == Witness::kNone && (spans || metrics)) {
    source->witness = spans ? Witness::kSpans : Witness::kMetrics;
  }
  const bool by_spans = source->witness == Witness::kSpans;
  const bool quiet = by_spans ? !spans && metrics : !metrics && spans;
  source->silent = quiet ? source->silent + 1 : 0;
  if (source->silent > kSilentToSwitch) {
    source->witness = by_spans ? Witness::kMetrics : Witness::kSpans;
    source->silent = 0;
  }
  switch (source->witness) {
    case Witness::kSpans:
      return &window.spans;
    case Witness::kMetrics:
      return &window.metrics;
    case Witness::kNone:
      break;
  }
  return nullptr;
}

void History::AddWindow(const Window& window, double seconds) {
  const WindowKey key = window.key;
  const bool edge = key.caller != kNoEntity;
  Source& source = sources_.try_emplace(key, Source{.since = times_.back()}).first->second;
  source.last_step = now_;
  if (const CallStats* calls = CallsOf(window, &source)) {
    // Alive and not called is a rate of 0, but has neither latency nor failures.
    Put(key, edge ? Quantity::kClientCallRate : Quantity::kCallRate, calls->calls / seconds);
    if (calls->latency.count() > 0) {
      Put(key, edge ? Quantity::kClientLatency : Quantity::kLatency, calls->latency.mean(),
          Statistic::kMean);
    }
    if (calls->calls > 0) {
      Put(key, edge ? Quantity::kClientErrorRatio : Quantity::kErrorRatio,
          std::clamp(calls->failed / calls->calls, 0.0, 1.0));
    }
  }
  for (const auto& [quantity, gauge] : window.gauges) {
    if (IsRunningClock(quantity) || gauge.samples == 0) continue;
    Put(key, quantity, gauge.mean(), gauge.statistic);
  }
  if (!edge && window.restarts) {
    source.restarts += *window.restarts;
    Put(key, Quantity::kRestarts, source.restarts);
  }
}

void History::Put(WindowKey key, Quantity quantity, double value, Statistic statistic) {
  const Key name{key, quantity};
  auto it = rings_.find(name);
  if (it == rings_.end()) {
    if (rings_.size() >= max_series_) return;
    it = rings_.emplace(name, Ring{}).first;
    it->second.last = now_ - 1;
  }
  Ring& ring = it->second;
  while (ring.last + 1 < now_) {
    ring.values.push_back(kMissing);
    ++ring.last;
  }
  if (ring.last < now_) {
    ring.values.push_back(static_cast<float>(value));
    ring.last = now_;
    // A sum is of its sender's interval, and has become a level here.
    ring.statistic = statistic == Statistic::kSum ? Statistic::kValue : statistic;
  }
  // Cut rarely, so that each value is moved about once.
  if (ring.values.size() > times_.size() + times_.size() / 4 + 16) {
    ring.values.erase(ring.values.begin(),
                      ring.values.end() - static_cast<ptrdiff_t>(times_.size()));
  }
}

void History::ForgetOld() {
  const uint64_t oldest = now_ - std::min<uint64_t>(now_, times_.size());
  for (auto it = rings_.begin(); it != rings_.end();) {
    it = it->second.last <= oldest ? rings_.erase(it) : std::next(it);
  }
  for (auto it = sources_.begin(); it != sources_.end();) {
    it = it->second.last_step <= oldest ? sources_.erase(it) : std::next(it);
  }
}

double History::Latest(WindowKey key, Quantity quantity) const {
  const auto it = rings_.find(Key{key, quantity});
  if (it == rings_.end() || it->second.last != now_ || it->second.values.empty())
    return std::nan("");
  return it->second.values.back();
}

Statistic History::StatisticOf(WindowKey key, Quantity quantity) const {
  const auto it = rings_.find(Key{key, quantity});
  return it == rings_.end() ? Statistic::kValue : it->second.statistic;
}

Case History::ToCase(Nanos from, Nanos to, const std::deque<TimeRange>& left_out) const {
  Case incident;
  incident.step = step_;
  const uint64_t first_step = now_ + 1 - times_.size();
  std::vector<uint64_t> steps;
  for (size_t i = 0; i < times_.size(); ++i) {
    const Nanos t = times_[i];
    if (t < from || t >= to) continue;
    if (std::any_of(left_out.begin(), left_out.end(),
                    [&](const TimeRange& r) { return t >= r.from && t < r.to; }))
      continue;
    steps.push_back(first_step + i);
    incident.times.push_back(t);
  }
  for (const auto& [key, source] : sources_) {
    Nanos& since = incident.heard_since.try_emplace(key.entity, source.since).first->second;
    since = std::min(since, source.since);
  }
  for (const auto& [name, ring] : rings_) {
    const auto& [key, quantity] = name;
    CaseSeries series;
    series.entity = key.entity;
    series.caller = key.caller;
    series.quantity = quantity;
    series.statistic = ring.statistic;
    series.metric = std::string(telemetry::QuantityName(quantity));
    series.values.assign(incident.times.size(), std::nan(""));
    bool any = false;
    const uint64_t ring_first = ring.last + 1 - ring.values.size();
    for (size_t i = 0; i < steps.size(); ++i) {
      if (steps[i] < ring_first || steps[i] > ring.last) continue;
      series.values[i] = ring.values[static_cast<size_t>(steps[i] - ring_first)];
      any = any || std::isfinite(series.values[i]);
    }
    if (any) incident.series.push_back(std::move(series));
  }
  return incident;
}

}  // namespace tomograph::diagnose
