#include "publish/figures.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

namespace tomograph::publish {

using telemetry::Basis;
using telemetry::Estimate;
using telemetry::TimeLine;

namespace {

Figure FromEstimate(const Estimate& e, double scale) {
  if (e.basis == Basis::kMissing) return {};
  return {e.value * scale, {e.i90.lower * scale, e.i90.upper * scale}, e.basis};
}

bool TellsOfCalls(std::string_view line) {
  return line == "call_rate" || line == "error_ratio" || line.rfind("latency", 0) == 0;
}

bool TellsOfCalls(const Estimate& e) {
  return e.basis != Basis::kMissing && (e.state == "call_volume" || e.state == "error_ratio");
}

void TakeEstimate(const Estimate& e, Figures* f) {
  const double per_second = e.length > 0 ? 1 / ToSeconds(e.length) : std::nan("");
  if (e.state == "call_volume") f->call_rate = FromEstimate(e, per_second);
  if (e.state == "error_ratio") f->error_ratio = FromEstimate(e, 1);
  if (e.state == "in_flight") f->in_flight = FromEstimate(e, 1);
  if (e.state == "queue_depth") f->queue_depth = FromEstimate(e, 1);
  if (e.state == "replica_lag") f->replica_lag = FromEstimate(e, 1);
  if (e.basis != Basis::kMissing) f->silent = false;
  if (TellsOfCalls(e)) f->judged = true;
}

constexpr double kFailing = 0.5;
constexpr double kLeastFailed = 3;  // in a window: one call of two that fails says little

bool IsFailing(const Figures& f, Nanos window_length) {
  if (!(f.error_ratio.value >= kFailing)) return false;
  const double failed = f.error_ratio.value * f.call_rate.value * ToSeconds(window_length);
  return std::isnan(failed) || failed >= kLeastFailed;
}

size_t NewestWhole(const telemetry::Picture& picture) {
  const size_t last = picture.window_starts.size() - 1;
  const Nanos covered = picture.broke_off - picture.window_starts[last];
  const bool broken = picture.broke_off != 0 && covered < picture.window_length * 9 / 10;
  return broken && last > 0 ? last - 1 : last;
}

/// Where the newest value of a line is, seen from window `newest`: there, or as far back as the
/// line is used to pause (exports come less often than windows close), up to a minute.
/// `values.size()`: it is silent.
size_t NewestValue(const std::vector<double>& values, size_t newest, Nanos window_length) {
  size_t pause = 0, longest = 0, at = values.size();
  for (size_t i = 0; i <= newest; ++i) {
    if (std::isnan(values[i])) {
      ++pause;
      continue;
    }
    if (at < values.size()) longest = std::max(longest, pause);
    at = i;
    pause = 0;
  }
  const bool usual = pause <= longest && static_cast<Nanos>(pause) * window_length <= kMinute;
  return usual ? at : values.size();
}

/// Lines fill what no estimate gave.
void TakeLine(const TimeLine& line, size_t newest, Nanos window_length, Figures* f) {
  const size_t at = NewestValue(line.values, newest, window_length);
  if (at == line.values.size()) return;
  if (TellsOfCalls(line.name)) f->judged = true;
  const Figure observed{line.values[at], {std::nan(""), std::nan("")}, Basis::kObserved};
  f->silent = false;
  const auto fill = [&](std::string_view name, Figure* figure) {
    const bool client = line.name == "client_" + std::string(name);
    if ((line.name == name || client) && figure->basis == Basis::kMissing) *figure = observed;
  };
  fill("call_rate", &f->call_rate);
  fill("error_ratio", &f->error_ratio);
  fill("latency_p50", &f->latency_p50);
  fill("latency_p99", &f->latency_p99);
  fill("in_flight", &f->in_flight);
  fill("queue_depth", &f->queue_depth);
  fill(telemetry::kRecordRate, &f->record_rate);
}

/// failed calls over calls where neither a model nor a line gives the share itself. Without an
/// interval: the two estimates depend on each other in a way that only a model knows.
void TakeFailed(const Estimate& failed, Figures* f) {
  if (failed.basis == Basis::kMissing || failed.length <= 0) return;
  if (f->error_ratio.basis != Basis::kMissing) return;
  const double calls = f->call_rate.value * ToSeconds(failed.length);
  if (calls > 0) f->error_ratio.value = std::clamp(failed.value / calls, 0.0, 1.0);
  if (calls > 0) f->error_ratio.basis = failed.basis;
}

}  // namespace

Nanos NewestWholeWindow(const telemetry::Picture& picture) {
  return picture.window_starts.empty() ? 0 : picture.window_starts[NewestWhole(picture)];
}

FigureTable::FigureTable(const telemetry::Picture& picture) {
  if (!picture.window_starts.empty()) Fill(picture, NewestWhole(picture));
}

FigureTable::FigureTable(const telemetry::Picture& picture, Nanos at) {
  const auto& starts = picture.window_starts;
  const auto after = std::upper_bound(starts.begin(), starts.end(), at);
  if (after != starts.begin()) Fill(picture, static_cast<size_t>(after - starts.begin()) - 1);
}

void FigureTable::Fill(const telemetry::Picture& picture, size_t whole) {
  const Nanos newest = picture.window_starts[whole];
  for (const auto& e : picture.estimates) {
    if (e.start == newest) TakeEstimate(e, &figures_[{e.entity, e.caller}]);
  }
  for (const auto& line : picture.lines) {
    const bool of_others = line.name == telemetry::kConnectionRate;
    if (line.values.size() == picture.window_starts.size() && !of_others) {
      TakeLine(line, whole, picture.window_length, &figures_[{line.entity, line.caller}]);
    }
  }
  for (const auto& e : picture.estimates) {
    if (e.start == newest && e.state == "failed_calls") {
      TakeFailed(e, &figures_[{e.entity, e.caller}]);
    }
  }
  CountTold(picture, whole);
  for (auto& [key, f] : figures_) {
    f.normal_known = f.judged && f.windows_told >= picture.windows_to_learn;
    f.failing = IsFailing(f, picture.window_length);
  }
  MarkSeenByCallers(picture);
  MarkSeenInFlows(picture, whole);
}

void FigureTable::CountTold(const telemetry::Picture& picture, size_t window) {
  const auto most = [&](telemetry::WindowKey key, size_t told) {
    const auto it = figures_.find(key);
    if (it != figures_.end()) it->second.windows_told = std::max(it->second.windows_told, told);
  };
  for (const auto& line : picture.lines) {
    if (!TellsOfCalls(line.name)) continue;
    const auto end = line.values.begin() + std::min(window + 1, line.values.size());
    most({line.entity, line.caller},
         static_cast<size_t>(
             std::count_if(line.values.begin(), end, [](double v) { return !std::isnan(v); })));
  }
  std::map<std::pair<telemetry::WindowKey, std::string_view>, size_t> estimated;
  for (const auto& e : picture.estimates) {
    if (TellsOfCalls(e) && e.start <= picture.window_starts[window])
      most({e.entity, e.caller}, ++estimated[{{e.entity, e.caller}, e.state}]);
  }
}

void FigureTable::MarkSeenByCallers(const telemetry::Picture& picture) {
  std::vector<telemetry::WindowKey> seen;
  std::set<telemetry::EntityId> passive;
  for (const auto& entity : picture.entities) {
    if (!SendsItself(entity.kind)) passive.insert(entity.id);
  }
  for (const auto& edge : picture.edges) {
    if (Of({edge.callee, edge.caller}).silent) continue;
    for (const telemetry::EntityId end : {edge.callee, edge.caller}) {
      const telemetry::WindowKey own{end, telemetry::kNoEntity};
      const bool told = end == edge.callee || passive.count(end) > 0;
      if (told && figures_.count(own) == 0) seen.push_back(own);
    }
  }
  for (const auto& key : seen) {
    figures_[key].silent = false;
    figures_[key].only_callers = true;
  }
}

void FigureTable::MarkSeenInFlows(const telemetry::Picture& picture, size_t window) {
  for (const auto& line : picture.lines) {
    if (line.name != telemetry::kConnectionRate || line.values.size() <= window) continue;
    if (NewestValue(line.values, window, picture.window_length) < line.values.size())
      figures_[{line.entity, line.caller}].silent = false;
  }
}

bool IsPlace(telemetry::EntityKind kind) {
  using telemetry::EntityKind;
  return kind != EntityKind::kInstance && kind != EntityKind::kPod && kind != EntityKind::kHost &&
         kind != EntityKind::kNode;
}

bool SendsItself(telemetry::EntityKind kind) {
  using telemetry::EntityKind;
  return kind != EntityKind::kQueue && kind != EntityKind::kDatabase &&
         kind != EntityKind::kCache && kind != EntityKind::kThirdParty &&
         kind != EntityKind::kClient;
}

const Figures& FigureTable::Of(telemetry::WindowKey key) const {
  const auto it = figures_.find(key);
  return it == figures_.end() ? none_ : it->second;
}

const telemetry::Incident* FocusIncident(const telemetry::Picture& picture) {
  for (const auto& incident : picture.incidents) {
    if (incident.closed == 0) return &incident;
  }
  return picture.live || picture.incidents.empty() ? nullptr : &picture.incidents.front();
}

}  // namespace tomograph::publish
