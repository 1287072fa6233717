#include "engine/related_lines.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "correlate/align/lagged_correlation.h"

namespace tomograph::engine {
namespace {

using correlate::Innovations;
using telemetry::CorrelationAnswer;
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

/// The newest windows of the range, by number.
std::pair<size_t, size_t> Cut(const Picture& picture, TimeRange range) {
  const auto& starts = picture.window_starts;
  const auto number = [&](Nanos t) {
    return static_cast<size_t>(std::lower_bound(starts.begin(), starts.end(), t) - starts.begin());
  };
  const size_t to = number(range.to), from = std::min(number(range.from), to);
  return {to - from > kMostCells ? to - kMostCells : from, to};
}

// Windows may be left out of the history: the grid is time, and not their number.
Innovations Prepare(const Picture& picture, const TimeLine& line, std::pair<size_t, size_t> cut) {
  correlate::AlignedSeries series;
  series.step = picture.window_length;
  const auto bound = picture.clock_bounds.find(line.entity);
  if (bound != picture.clock_bounds.end()) series.clock_bound = bound->second;
  for (size_t i = cut.first; i < std::min(cut.second, line.values.size()); ++i) {
    const Nanos since = picture.window_starts[i] - picture.window_starts[cut.first];
    const auto cell = static_cast<size_t>(since / picture.window_length);
    if (cell >= 2 * kMostCells) break;
    series.values.resize(cell, std::nan(""));
    series.values.push_back(line.values[i]);
  }
  return correlate::Whiten(series);
}

bool SameQuantity(const TimeLine& a, const TimeLine& b) {
  return a.entity == b.entity && a.caller == b.caller &&
         (a.name == b.name || (a.name.rfind("latency", 0) == 0 && b.name.rfind("latency", 0) == 0));
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

}  // namespace

Result<CorrelationAnswer> RelatedLines(const Picture& picture,
                                       const telemetry::CorrelationQuestion& question) {
  const auto asked =
      std::find_if(picture.lines.begin(), picture.lines.end(), [&](const TimeLine& line) {
        return line.entity == question.entity && line.caller == telemetry::kNoEntity &&
               line.name == question.line;
      });
  if (asked == picture.lines.end() || picture.window_length <= 0)
    return Status::NotFound("there is no line '" + question.line + "' of this entity");
  const auto cut = Cut(picture, question.range);
  const Innovations first = Prepare(picture, *asked, cut);
  const auto lags = static_cast<int>(std::min(kMostLag, first.values.size() / 4));
  const std::set<EntityId> near = Near(picture, question.entity);
  CorrelationAnswer answer;
  for (const TimeLine& line : picture.lines) {
    if (near.count(line.entity) == 0 || SameQuantity(line, *asked)) continue;
    if (answer.compared == kMostLines) {
      ++answer.left_out;
      continue;
    }
    ++answer.compared;
    const auto found = correlate::CorrelateLagged(first, Prepare(picture, line, cut), lags);
    if (found.identifiable == correlate::Identifiable::kYes) {
      answer.related.push_back(Describe(line, found));
    } else {
      ++answer.not_identifiable;
    }
  }
  KeepDiscoveries(&answer.related);
  return answer;
}

}  // namespace tomograph::engine
