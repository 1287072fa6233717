#include "engine/analysis.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <tuple>
#include <unordered_map>

namespace tomograph::engine {

using telemetry::CallStats;
using telemetry::Estimate;
using telemetry::Quantity;
using telemetry::Window;
using telemetry::WindowSet;

namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
// Changes are few, come before what they cause, and may be planned.
constexpr Nanos kChangesReach = 31 * 24 * kHour;

TimeRange Wider(TimeRange range, Nanos by) {
  return {range.from < INT64_MIN + by ? INT64_MIN : range.from - by,
          range.to > INT64_MAX - by ? INT64_MAX : range.to + by};
}

/// "latency_p90": a quantile or mean is told as what it is.
std::string NameOf(Quantity quantity, telemetry::Statistic statistic) {
  std::string name(telemetry::QuantityName(quantity));
  const std::string_view of = telemetry::StatisticName(statistic);
  return of.empty() ? name : name + "_" + std::string(of);
}

/// The lines that durations of single calls give, where there are any.
bool IsLatencyOfCalls(std::string_view name) {
  return name == "latency_mean" || name == "latency_p50" || name == "latency_p99";
}

/// Calls `emit(name, unit, value)` for each line that one window gives a point to.
template <typename Emit>
void PointsOf(const Window& w, Nanos length, const Emit& emit) {
  if (w.records > 0)
    emit(telemetry::kRecordRate, "1/s", static_cast<double>(w.records) / ToSeconds(length));
  if (w.connections > 0) emit(telemetry::kConnectionRate, "1/s", w.connections / ToSeconds(length));
  // Metrics count every request, spans only those that were sampled: where both speak, metrics win.
  const CallStats& calls = w.metrics.seen > 0 ? w.metrics : w.spans;
  if (calls.seen > 0) {
    emit("call_rate", "1/s", calls.calls / ToSeconds(length));
    // Metrics that count calls need not count failures; then nothing is known of them.
    const bool failures_told =
        &calls == &w.spans || calls.failed > 0 || w.gauges.contains(Quantity::kErrorRate);
    if (failures_told && calls.calls > 0) emit("error_ratio", "1", calls.failed / calls.calls);
  }
  const CallStats& timed = w.spans.latency.empty() ? w.metrics : w.spans;
  if (!timed.latency.empty()) {
    // The mean is what a diagnosis argues with, so that it can be looked at.
    emit("latency_mean", "s", timed.latency.mean());
    emit("latency_p50", "s", timed.latency.Quantile(0.5));
    emit("latency_p99", "s", timed.latency.Quantile(0.99));
  }
  for (const auto& [quantity, stats] : w.gauges) {
    if (quantity == Quantity::kOther) continue;
    const std::string name = NameOf(quantity, stats.statistic);
    const bool told = !timed.latency.empty() && IsLatencyOfCalls(name);
    if (!told) emit(name, telemetry::QuantityUnit(quantity), stats.mean());
  }
}

/// What was found between corrected clocks, between raw ones: of that of one side.
void AddCorrection(const telemetry::HostClock& clock, double sign, telemetry::HopClock* hop) {
  const telemetry::ClockCorrection c = telemetry::CorrectionAt(clock.segments, hop->as_of);
  if (!c.corrected) return;
  hop->offset += sign * ToSeconds(c.offset);
  const telemetry::ClockSegment* then = &clock.segments.front();
  for (const auto& segment : clock.segments)
    if (segment.from <= hop->as_of) then = &segment;
  hop->drift += sign * then->drift;
}

}  // namespace

Analysis::Analysis(AnalysisOptions options, telemetry::Identities* identities,
                   telemetry::LossLedger* ledger)
    : options_(options),
      identities_(identities),
      ledger_(ledger),
      correlator_(options.correlator, identities, ledger),
      models_(reconstruct::AllModels()),
      holdout_(reconstruct::AllModels()),
      diagnoser_(options.diagnoser, identities) {}

void Analysis::Add(const telemetry::Batch& batch, TimeRange believable) {
  AddChanges(batch, believable, ledger_);
  correlator_.Add(batch, believable);
}

void Analysis::Replay(const telemetry::Batch& batch) {
  AddChanges(batch, correlate::kAnyTime, nullptr);
  correlator_.Replay(batch);
}

bool Analysis::Advance(Nanos watermark) {
  bool closed = false;
  correlator_.Advance(watermark, [&](WindowSet&& windows) {
    Close(std::move(windows));
    closed = true;
  });
  return closed;
}

void Analysis::Finish() {
  correlator_.Finish([&](WindowSet&& windows) { Close(std::move(windows)); });
}

void Analysis::AddChanges(const telemetry::Batch& batch, TimeRange believable,
                          telemetry::LossLedger* counted_in) {
  const telemetry::EventBatch& events = batch.events;
  const telemetry::Interner& strings = identities_->strings;
  const TimeRange told = Wider(believable, kChangesReach);
  const auto set_aside = [&](telemetry::Reason reason) {
    if (counted_in != nullptr)
      counted_in->SetAside(batch.origin.format, telemetry::Signal::kEvent, reason);
  };
  for (size_t i = 0; i < events.rows(); ++i) {
    if (!told.Contains(events.time_ns[i])) {
      set_aside(events.time_ns[i] < told.from ? telemetry::Reason::kTooOld
                                              : telemetry::Reason::kFromTheFuture);
      continue;
    }
    if (events.id[i] != telemetry::kEmptyString &&
        !change_ids_.emplace(events.source[i], events.id[i]).second) {
      set_aside(telemetry::Reason::kDuplicate);
      continue;
    }
    telemetry::ChangeEvent change;
    change.time = events.time_ns[i];
    change.kind = telemetry::ChangeKindName(events.kind[i]);
    change.id = strings.Get(events.id[i]);
    change.source = strings.Get(events.source[i]);
    change.service = strings.Get(events.service[i]);
    change.version = strings.Get(events.version[i]);
    change.environment = strings.Get(events.environment[i]);
    change.entity = events.entity[i];
    if (const auto* text = events.attributes.Find(i, identities_->strings.Find("text")))
      change.text = events.attributes.ToText(*text);
    diagnoser_.AddChange(change);
    changes_.push_back(std::move(change));
    if (changes_.size() > options_.max_changes) changes_.pop_front();
  }
  if (change_ids_.size() > 100 * options_.max_changes) change_ids_.clear();
}

void Analysis::Close(WindowSet&& windows) {
  std::vector<Estimate> estimates;
  for (const auto& model : models_) model->Update(windows, &estimates);
  holdout_.Update(windows);
  holdout_.Widen(&estimates);
  diagnoser_.SetClockBounds(correlator_.ClockBounds());
  diagnoser_.Update(windows, estimates, correlator_.Edges());
  AddToLines(windows);
  units_.Read(identities_->series);
  joined_and_orphans_.emplace_back(windows.spans_joined, windows.orphans);
  all_orphans_ += windows.orphans;
  fresh_estimates_.insert(fresh_estimates_.end(), estimates.begin(), estimates.end());
  estimate_count_ += estimates.size();
  estimates_.push_back(std::move(estimates));
  TrimHistory();
}

void Analysis::AddToLines(const WindowSet& windows) {
  window_starts_.push_back(windows.start);
  const size_t n = window_starts_.size();
  for (const Window& w : windows.windows) {
    PointsOf(w, windows.length, [&](std::string_view name, std::string_view unit, double value) {
      LineKey key{w.key.entity, w.key.caller, std::string(name), std::string(unit)};
      auto line = lines_.find(key);
      if (line == lines_.end()) {
        if (lines_.size() >= options_.max_lines) {
          ++points_left_out_;
          return;
        }
        line = lines_.emplace(std::move(key), n - 1).first;
        std::fill(line->second.begin(), line->second.end(), kMissing);
      }
      line->second.push_back(value);
    });
  }
  for (auto& [key, line] : lines_) line.resize(n, kMissing);
}

void Analysis::TrimHistory() {
  while (window_starts_.back() - window_starts_.front() >= options_.history) {
    window_starts_.pop_front();
    estimate_count_ -= estimates_.front().size();
    estimates_.pop_front();
    joined_and_orphans_.pop_front();
    for (auto it = lines_.begin(); it != lines_.end();) {
      it->second.pop_front();
      const bool empty =
          std::all_of(it->second.begin(), it->second.end(), [](double v) { return std::isnan(v); });
      it = empty ? lines_.erase(it) : std::next(it);
    }
  }
  for (auto window = estimates_.begin(); estimate_count_ > options_.max_estimates; ++window) {
    estimate_count_ -= window->size();
    window->clear();
  }
}

void Analysis::Fill(telemetry::Picture* picture) const {
  picture->window_length = options_.correlator.window_length;
  picture->entities = identities_->entities.All();
  picture->edges = correlator_.Edges();
  picture->owner_unknown = correlator_.OwnerUnknown();
  picture->unplaced_calls = correlator_.Unplaced();
  picture->accuracy = holdout_.Scores();
  picture->clocks = correlator_.clocks().Clocks();
  picture->clock_findings = correlator_.clocks().Findings();
  FillHopClocks(picture);
  picture->requests = correlator_.requests().Recent();
  picture->rebuilding = correlator_.requests().stats();
  picture->parents = correlator_.requests().parents();
  picture->orphan_spans = all_orphans_;
  picture->clock_bounds = correlator_.ClockBounds();
  picture->mixed_units = units_.Mixed(identities_->strings);
  picture->window_starts.assign(window_starts_.begin(), window_starts_.end());
  if (!window_starts_.empty()) picture->watermark = window_starts_.back() + picture->window_length;
  for (const auto& [key, values] : lines_) {
    telemetry::TimeLine line;
    line.entity = key.entity;
    line.caller = key.caller;
    line.name = key.name;
    line.unit = key.unit;
    line.values.assign(values.begin(), values.end());
    picture->lines.push_back(std::move(line));
  }
  for (const auto& window : estimates_)
    picture->estimates.insert(picture->estimates.end(), window.begin(), window.end());
  std::stable_sort(picture->estimates.begin(), picture->estimates.end(),
                   [](const Estimate& a, const Estimate& b) {
                     return std::tie(a.state, a.entity, a.caller, a.detail, a.start) <
                            std::tie(b.state, b.entity, b.caller, b.detail, b.start);
                   });
  picture->changes.assign(changes_.begin(), changes_.end());
  // A deploy may be told before its service has said a word.
  for (telemetry::ChangeEvent& change : picture->changes) {
    if (change.entity == telemetry::kNoEntity && !change.service.empty())
      change.entity = identities_->entities.ServiceNamed(change.service);
  }
  FillOwnFigures(&picture->self);
  picture->incidents = diagnoser_.incidents();
  uint64_t joined = 0, orphans = 0;
  for (const auto& [j, o] : joined_and_orphans_) {
    joined += j;
    orphans += o;
  }
  picture->join_match_rate =
      joined + orphans > 0 ? static_cast<double>(joined) / static_cast<double>(joined + orphans)
                           : kMissing;
}

void Analysis::FillHopClocks(telemetry::Picture* picture) const {
  auto& hops = picture->hop_clocks = correlator_.requests().HopClocksTold();
  if (hops.size() > options_.max_hop_clocks) {
    std::stable_sort(hops.begin(), hops.end(),
                     [](const auto& a, const auto& b) { return a.calls > b.calls; });
    hops.resize(options_.max_hop_clocks);
  }
  std::unordered_map<telemetry::EntityId, const telemetry::HostClock*> clocks;
  for (const auto& clock : picture->clocks) clocks.emplace(clock.id, &clock);
  for (auto& hop : hops) {
    const auto caller = clocks.find(hop.caller), callee = clocks.find(hop.callee);
    if (caller != clocks.end()) hop.caller_host = caller->second->host;
    if (callee != clocks.end()) hop.callee_host = callee->second->host;
    // It was found beside what ids corrected, and is told between the clocks as they are.
    if (hop.state == telemetry::HopClock::State::kUnknown) continue;
    if (caller != clocks.end()) AddCorrection(*caller->second, -1, &hop);
    if (callee != clocks.end()) AddCorrection(*callee->second, 1, &hop);
  }
}

void Analysis::FillOwnFigures(std::map<std::string, double>* self) const {
  const correlate::Correlator::Limits limits = correlator_.limits();
  const auto tell = [self](const char* name, auto n) { (*self)[name] = static_cast<double>(n); };
  tell("analysis_bytes", correlator_.bytes());
  tell("late_spans_total", limits.late_spans);
  tell("unplaced_calls_total", limits.calls_unplaced);
  tell("unplaced_flows_total", limits.flows_unplaced);
  tell("refused_calls_total", limits.calls_refused);
  tell("refused_links_total", limits.links_refused);
  tell("forgotten_senders_total", limits.senders_forgotten);
  tell("line_points_left_out_total", points_left_out_);
  tell("interner_overflows_total", identities_->strings.overflows());
  tell("interned_strings", identities_->strings.size());
  tell("series", identities_->series.size());
}

}  // namespace tomograph::engine
