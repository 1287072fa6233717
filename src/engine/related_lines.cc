#include "engine/related_lines.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <tuple>

#include "correlate/align/lagged_correlation.h"

namespace tomograph::engine {
namespace {

using correlate::Innovations;
using telemetry::CorrelationAnswer;
using telemetry::CorrelationQuestion;
using telemetry::EntityId;
using telemetry::Picture;
using telemetry::RelatedLine;
using telemetry::TimeLine;

std::set<EntityId> Near(const Picture& picture, EntityId entity) {
  std::set<EntityId> all;
  for (const TimeLine& line : picture.lines) all.insert(line.entity);
  if (all.size() <= kFewEntities) return all;
  std::set<EntityId> near{entity};
  for (int hop = 0; hop < 2; ++hop) {
    const std::set<EntityId> from = near;
    for (const telemetry::Edge& e : picture.edges) {
      if (from.count(e.caller) > 0) near.insert(e.callee);
      if (from.count(e.callee) > 0) near.insert(e.caller);
    }
  }
  return near;
}

/// The grid of some windows. Windows may be left out of the history: it is time, and not their
/// number.
correlate::Grid GridOf(const Picture& picture, std::pair<size_t, size_t> cut) {
  correlate::Grid grid;
  grid.step = picture.window_length;
  if (cut.first == cut.second) return grid;
  grid.start = picture.window_starts[cut.first];
  const Nanos reach = picture.window_starts[cut.second - 1] - grid.start;
  grid.cells =
      std::min(static_cast<size_t>(reach / grid.step) + 1, 2 * telemetry::kMostWindowsCompared);
  return grid;
}

Innovations Prepare(const Picture& picture, const TimeLine& line, std::pair<size_t, size_t> cut) {
  const correlate::Grid grid = GridOf(picture, cut);
  correlate::AlignedSeries series;
  series.step = grid.step;
  series.values.assign(grid.cells, std::nan(""));
  const auto bound = picture.clock_bounds.find(line.entity);
  if (bound != picture.clock_bounds.end()) series.clock_bound = bound->second;
  for (size_t i = cut.first; i < std::min(cut.second, line.values.size()); ++i) {
    const auto cell = static_cast<size_t>((picture.window_starts[i] - grid.start) / grid.step);
    if (cell < grid.cells) series.values[cell] = line.values[i];
  }
  return correlate::Whiten(series);
}

/// Lays the samples on the windows; `told` gets what became of them.
Innovations Prepare(const Picture& picture, const telemetry::SampledSeries& asked,
                    std::pair<size_t, size_t> cut, telemetry::SeriesOnGrid* told) {
  std::span<const telemetry::ClockSegment> clock;
  for (const telemetry::HostClock& c : picture.clocks) {
    if (c.id == asked.host) clock = c.segments;
  }
  const correlate::AlignedSeries series =
      correlate::Align(asked.samples, asked.reading, clock, GridOf(picture, cut));
  told->samples = series.samples;
  told->ignored = series.ignored;
  told->restarts = series.restarts;
  told->interval = series.interval;
  told->corrected = series.corrected;
  told->clock_bound = series.clock_bound;
  told->windows = static_cast<size_t>(std::count_if(series.values.begin(), series.values.end(),
                                                    [](double v) { return std::isfinite(v); }));
  return correlate::Whiten(series);
}

bool SameQuantity(const TimeLine& a, const TimeLine& b) {
  return a.entity == b.entity && a.caller == b.caller &&
         (a.name == b.name || (a.name.rfind("latency", 0) == 0 && b.name.rfind("latency", 0) == 0));
}

/// "latency_p99" is a line of "latency".
bool IsOf(const TimeLine& line, EntityId entity, const std::string& quantity) {
  if (line.entity != entity || line.caller != telemetry::kNoEntity || quantity.empty())
    return false;
  return line.name == quantity || line.name.rfind(quantity + "_", 0) == 0;
}

RelatedLine Describe(const TimeLine& line, const correlate::LaggedCorrelation& found) {
  RelatedLine related;
  related.entity = line.entity;
  related.caller = line.caller;
  related.name = line.name;
  related.r = found.r;
  related.lag_s = ToSeconds(found.lag);
  related.lag_lower_s = ToSeconds(found.lag_least);
  related.lag_upper_s = ToSeconds(found.lag_most);
  related.clocks_known = found.clocks_known;
  related.n_eff = found.n_eff;
  related.p = found.p;
  return related;
}

void KeepDiscoveries(std::vector<RelatedLine>* related) {
  std::vector<double> p;
  for (const RelatedLine& r : *related) p.push_back(r.p);
  const std::vector<double> q = correlate::FalseDiscoveryRates(p);
  for (size_t i = 0; i < q.size(); ++i) (*related)[i].q = q[i];
  related->erase(std::remove_if(related->begin(), related->end(),
                                [](const RelatedLine& r) { return r.q > kFalseShare; }),
                 related->end());
  std::stable_sort(related->begin(), related->end(),
                   [](const RelatedLine& a, const RelatedLine& b) {
                     return std::tie(a.q, a.p) < std::tie(b.q, b.p);
                   });
}

struct Asked {
  Innovations innovations;
  std::function<bool(const TimeLine&)> is_itself;
};

Result<std::vector<Asked>> AskedOf(const Picture& picture, const CorrelationQuestion& question,
                                   std::pair<size_t, size_t> cut, CorrelationAnswer* answer) {
  if (picture.window_length <= 0) return Status::NotFound("there is no window yet");
  std::vector<Asked> asked;
  for (const telemetry::AskedSeries& series : question.series) {
    answer->series.emplace_back();
    asked.push_back(
        {Prepare(picture, series.series, cut, &answer->series.back()),
         [&](const TimeLine& line) { return IsOf(line, question.entity, series.quantity); }});
  }
  if (!asked.empty()) return asked;
  const auto line =
      std::find_if(picture.lines.begin(), picture.lines.end(), [&](const TimeLine& l) {
        return l.entity == question.entity && l.caller == telemetry::kNoEntity &&
               l.name == question.line;
      });
  if (line == picture.lines.end())
    return Status::NotFound("there is no line '" + question.line + "' of this entity");
  asked.push_back({Prepare(picture, *line, cut),
                   [line](const TimeLine& other) { return SameQuantity(other, *line); }});
  return asked;
}

}  // namespace

Result<CorrelationAnswer> RelatedLines(const Picture& picture,
                                       const CorrelationQuestion& question) {
  const auto cut = telemetry::WindowsCompared(picture, question.range);
  CorrelationAnswer answer;
  const Result<std::vector<Asked>> asked = AskedOf(picture, question, cut, &answer);
  if (!asked.ok()) return asked.status();
  const std::set<EntityId> near = Near(picture, question.entity);
  std::vector<size_t> compared(asked->size());
  for (const TimeLine& line : picture.lines) {
    if (near.count(line.entity) == 0) continue;
    std::optional<Innovations> second;
    for (size_t i = 0; i < asked->size(); ++i) {
      const Asked& first = (*asked)[i];
      if (first.is_itself(line)) continue;
      if (compared[i] == kMostLines) {
        ++answer.left_out;
        continue;
      }
      ++compared[i];
      ++answer.compared;
      if (!second) second = Prepare(picture, line, cut);
      const auto lags = static_cast<int>(std::min(kMostLag, first.innovations.values.size() / 4));
      const auto found = correlate::CorrelateLagged(first.innovations, *second, lags);
      if (found.identifiable == correlate::Identifiable::kYes) {
        answer.related.push_back(Describe(line, found));
        answer.related.back().asked = i;
      } else {
        ++answer.not_identifiable;
      }
    }
  }
  KeepDiscoveries(&answer.related);
  return answer;
}

}  // namespace tomograph::engine
