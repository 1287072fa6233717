#include "correlate/align/aligned_series.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tomograph::correlate {
namespace {

constexpr double kLeastKnown = 0.5;  // of a cell

/// What has been laid on the grid so far.
class Cells {
 public:
  explicit Cells(const Grid& grid) : grid_(grid), sum_(grid.cells), known_(grid.cells) {}

  // Times are compared as doubles relative to the grid's start: samples may be years off.
  void Lay(double from, double to, double value) {
    const double step = static_cast<double>(grid_.step);
    from = std::max(from, 0.0);
    to = std::min(to, step * static_cast<double>(grid_.cells));
    while (from < to) {
      const auto cell = std::min(static_cast<size_t>(from / step), grid_.cells - 1);
      const double end = std::min(to, step * static_cast<double>(cell + 1));
      if (!(end > from)) break;
      sum_[cell] += value * (end - from);
      known_[cell] += end - from;
      from = end;
    }
  }

  std::vector<double> Means() const {
    std::vector<double> means(grid_.cells, std::numeric_limits<double>::quiet_NaN());
    for (size_t i = 0; i < means.size(); ++i) {
      if (known_[i] >= kLeastKnown * static_cast<double>(grid_.step))
        means[i] = sum_[i] / known_[i];
    }
    return means;
  }

 private:
  const Grid& grid_;
  std::vector<double> sum_, known_;
};

double Between(Nanos from, Nanos to) { return static_cast<double>(to) - static_cast<double>(from); }

bool IsIn(const Grid& grid, Nanos t) {
  const double at = Between(grid.start, t);
  return at >= 0 && at < static_cast<double>(grid.step) * static_cast<double>(grid.cells);
}

bool IsPlaced(const telemetry::ClockCorrection& c) {
  return c.corrected || c.bound != telemetry::kUnknownBound;
}

/// Corrected, in order of time, one a time; `series` gets what was learned on the way.
std::vector<Sample> InOrder(std::span<const Sample> samples,
                            std::span<const telemetry::ClockSegment> clock, const Grid& grid,
                            AlignedSeries* series) {
  std::vector<telemetry::ClockCorrection> corrections;
  for (const Sample& s : samples) corrections.push_back(telemetry::CorrectionAt(clock, s.time));
  const auto placed =
      static_cast<size_t>(std::count_if(corrections.begin(), corrections.end(), IsPlaced));
  const bool by_clock = placed > 0 && 2 * placed >= samples.size();
  std::vector<Sample> kept;
  Nanos bound = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const telemetry::ClockCorrection c = by_clock ? corrections[i] : telemetry::ClockCorrection{};
    const Nanos time = c.corrected ? samples[i].time - c.offset : samples[i].time;
    const size_t counts = IsIn(grid, time) ? 1 : 0;
    if (!std::isfinite(samples[i].value) || (by_clock && !IsPlaced(c))) {
      series->ignored += counts;
      continue;
    }
    series->samples += counts;
    series->corrected |= c.corrected && counts > 0;
    // The unknown is the greatest bound of all.
    if (counts > 0)
      bound = std::max(bound, c.bound == telemetry::kUnknownBound ? INT64_MAX : c.bound);
    kept.push_back({time, samples[i].value});
  }
  series->clock_bound =
      series->samples == 0 || bound == INT64_MAX ? telemetry::kUnknownBound : bound;
  std::stable_sort(kept.begin(), kept.end(),
                   [](const Sample& a, const Sample& b) { return a.time < b.time; });
  std::vector<Sample> single;
  for (const Sample& s : kept) {
    if (!single.empty() && single.back().time == s.time) {
      single.back() = s;
      if (!IsIn(grid, s.time)) continue;
      ++series->ignored;
      --series->samples;
    } else {
      single.push_back(s);
    }
  }
  return single;
}

Nanos MedianInterval(const std::vector<Sample>& samples) {
  std::vector<double> gaps;
  for (size_t i = 1; i < samples.size(); ++i)
    gaps.push_back(Between(samples[i - 1].time, samples[i].time));
  if (gaps.empty()) return 0;
  const auto middle = gaps.begin() + static_cast<ptrdiff_t>(gaps.size() / 2);
  std::nth_element(gaps.begin(), middle, gaps.end());
  return static_cast<Nanos>(std::min(*middle, 9e18));
}

}  // namespace

AlignedSeries Align(std::span<const Sample> samples, Reading reading,
                    std::span<const telemetry::ClockSegment> clock, const Grid& grid) {
  AlignedSeries series;
  series.step = grid.step;
  const std::vector<Sample> s = InOrder(samples, clock, grid, &series);
  series.interval = MedianInterval(s);
  if (grid.step <= 0 || grid.cells == 0) return series;
  // One sample alone says nothing of its rate: it stands for the cell that it is in.
  const double interval = static_cast<double>(series.interval > 0 ? series.interval : grid.step);
  Cells cells(grid);
  for (size_t i = 0; i < s.size(); ++i) {
    const double at = Between(grid.start, s[i].time);
    const double back = i > 0 ? Between(s[i - 1].time, s[i].time) : 2 * kLongestGap * interval;
    const double ahead =
        i + 1 < s.size() ? Between(s[i].time, s[i + 1].time) : 2 * kLongestGap * interval;
    const auto bridged = [&](double gap) { return gap <= kLongestGap * interval; };
    switch (reading) {
      case Reading::kLevel:
        cells.Lay(at - (bridged(back) ? back : interval) / 2,
                  at + (bridged(ahead) ? ahead : interval) / 2, s[i].value);
        break;
      case Reading::kCounter:
        if (i == 0) break;
        if (s[i].value < s[i - 1].value) {
          if (IsIn(grid, s[i].time)) ++series.restarts;
        } else if (bridged(back)) {
          cells.Lay(at - back, at, (s[i].value - s[i - 1].value) / (back * 1e-9));
        }
        break;
      case Reading::kCount: {
        const double over = bridged(back) ? back : interval;
        cells.Lay(at - over, at, s[i].value / (over * 1e-9));
        break;
      }
    }
  }
  series.values = cells.Means();
  return series;
}

}  // namespace tomograph::correlate
