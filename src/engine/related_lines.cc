#include "engine/related_lines.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
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

using Windows = std::pair<size_t, size_t>;  // by number: [first, second)

/// Some windows as a grid, `together` of them to a cell. Windows may be left out of the history: it
/// is time, and not their number.
correlate::Grid GridOf(const Picture& picture, Windows windows, size_t together) {
  correlate::Grid grid;
  grid.step = picture.window_length * static_cast<Nanos>(together);
  if (windows.first == windows.second) return grid;
  grid.start = picture.window_starts[windows.first];
  const Nanos reach = picture.window_starts[windows.second - 1] - grid.start;
  grid.cells =
      std::min(static_cast<size_t>(reach / grid.step) + 1, 2 * telemetry::kMostWindowsCompared);
  return grid;
}

/// The mean of the windows of each cell, where at least half of them have a value.
Innovations Prepare(const Picture& picture, const TimeLine& line, Windows windows,
                    const correlate::Grid& grid) {
  correlate::AlignedSeries series;
  series.step = grid.step;
  series.values.assign(grid.cells, 0);
  const auto bound = picture.clock_bounds.find(line.entity);
  if (bound != picture.clock_bounds.end()) series.clock_bound = bound->second;
  std::vector<Nanos> known(grid.cells);
  for (size_t i = windows.first; i < std::min(windows.second, line.values.size()); ++i) {
    const auto cell = static_cast<size_t>((picture.window_starts[i] - grid.start) / grid.step);
    if (cell >= grid.cells) break;
    if (!std::isfinite(line.values[i])) continue;
    series.values[cell] += line.values[i];
    ++known[cell];
  }
  for (size_t cell = 0; cell < grid.cells; ++cell) {
    const bool enough = 2 * known[cell] * picture.window_length >= grid.step;
    series.values[cell] = enough ? series.values[cell] / static_cast<double>(known[cell])
                                 : std::numeric_limits<double>::quiet_NaN();
  }
  return correlate::Whiten(series);
}

/// What is asked, on the grid that the lines are compared with it on.
struct Asked {
  correlate::Grid grid;
  Innovations innovations;
  std::function<bool(const TimeLine&)> is_itself;
};

/// Lays the samples on the windows, or on as many together as come to one sample: what is new in a
/// series that is rarer than the windows shows in one of several of them, and would drown in what
/// is new in a line in the others. `told` gets what became of them.
Asked Lay(const Picture& picture, const telemetry::SampledSeries& asked, Windows windows,
          telemetry::SeriesOnGrid* told) {
  std::span<const telemetry::ClockSegment> clock;
  for (const telemetry::HostClock& c : picture.clocks) {
    if (c.id == asked.host) clock = c.segments;
  }
  correlate::Grid grid = GridOf(picture, windows, 1);
  correlate::AlignedSeries series = correlate::Align(asked.samples, asked.reading, clock, grid);
  const Nanos windows_a_sample = (series.interval + grid.step / 2) / grid.step;
  const size_t most = std::max(grid.cells / kFewestCells, size_t{1});
  const size_t together = std::clamp(static_cast<size_t>(windows_a_sample), size_t{1}, most);
  if (together > 1) {
    grid = GridOf(picture, windows, together);
    series = correlate::Align(asked.samples, asked.reading, clock, grid);
  }
  told->samples = series.samples;
  told->ignored = series.ignored;
  told->restarts = series.restarts;
  told->interval = series.interval;
  told->corrected = series.corrected;
  told->clock_bound = series.clock_bound;
  told->cell = grid.step;
  told->cells = static_cast<size_t>(std::count_if(series.values.begin(), series.values.end(),
                                                  [](double v) { return std::isfinite(v); }));
  return {grid, correlate::Whiten(series), {}};
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

Result<std::vector<Asked>> AskedOf(const Picture& picture, const CorrelationQuestion& question,
                                   Windows windows, CorrelationAnswer* answer) {
  if (picture.window_length <= 0) return Status::NotFound("there is no window yet");
  std::vector<Asked> asked;
  for (const telemetry::AskedSeries& series : question.series) {
    answer->series.emplace_back();
    asked.push_back(Lay(picture, series.series, windows, &answer->series.back()));
    asked.back().is_itself = [&](const TimeLine& line) {
      return IsOf(line, question.entity, series.quantity);
    };
  }
  if (!asked.empty()) return asked;
  const auto line =
      std::find_if(picture.lines.begin(), picture.lines.end(), [&](const TimeLine& l) {
        return l.entity == question.entity && l.caller == telemetry::kNoEntity &&
               l.name == question.line;
      });
  if (line == picture.lines.end())
    return Status::NotFound("there is no line '" + question.line + "' of this entity");
  const correlate::Grid grid = GridOf(picture, windows, 1);
  asked.push_back({grid, Prepare(picture, *line, windows, grid),
                   [line](const TimeLine& other) { return SameQuantity(other, *line); }});
  return asked;
}

int MostLags(const Picture& picture, const correlate::Grid& grid) {
  const auto together = static_cast<size_t>(grid.step / picture.window_length);
  return static_cast<int>(std::min(kMostLag / together, grid.cells / 4));
}

}  // namespace

Result<CorrelationAnswer> RelatedLines(const Picture& picture,
                                       const CorrelationQuestion& question) {
  const Windows windows = telemetry::WindowsCompared(picture, question.range);
  CorrelationAnswer answer;
  const Result<std::vector<Asked>> asked = AskedOf(picture, question, windows, &answer);
  if (!asked.ok()) return asked.status();
  const std::set<EntityId> near = Near(picture, question.entity);
  std::vector<size_t> compared(asked->size());
  for (const TimeLine& line : picture.lines) {
    if (near.count(line.entity) == 0 || line.name == telemetry::kRecordRate) continue;
    std::map<Nanos, Innovations> on_grid;  // by its step
    for (size_t i = 0; i < asked->size(); ++i) {
      const Asked& first = (*asked)[i];
      if (first.is_itself(line)) continue;
      if (compared[i] == kMostLines) {
        ++answer.left_out;
        continue;
      }
      ++compared[i];
      ++answer.compared;
      const auto [second, fresh] = on_grid.try_emplace(first.grid.step);
      if (fresh) second->second = Prepare(picture, line, windows, first.grid);
      const auto found = correlate::CorrelateLagged(first.innovations, second->second,
                                                    MostLags(picture, first.grid));
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
