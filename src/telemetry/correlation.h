// Which lines of a Picture move with one of them, or with a series that is in no line: the question
// that publish/ passes on and the answer that it shows. The engine answers
// (engine/related_lines.h), since publish/ knows the nouns alone and not the estimators of
// correlate/.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/nanotime.h"
#include "base/status.h"
#include "telemetry/batch.h"
#include "telemetry/entity.h"
#include "telemetry/sampled_series.h"

namespace tomograph::telemetry {

struct Picture;

inline constexpr size_t kMostWindowsCompared = 360;  // the newest of the range

/// The windows of the Picture that are compared, by number: [first, second).
std::pair<size_t, size_t> WindowsCompared(const Picture& picture, TimeRange range);

/// A series that is asked for by its samples.
struct AskedSeries {
  SampledSeries series;
  std::string quantity;  // a QuantityName: the entity's lines of it are made from the series, and
                         // so not compared with it; empty: no line is
};

struct CorrelationQuestion {
  EntityId entity = kNoEntity;
  std::string line;  // as TimeLine::name; not looked at when there are series
  TimeRange range{INT64_MIN, INT64_MAX};
  std::vector<AskedSeries> series = {};  // each is compared with all lines
};

struct RelatedLine {
  EntityId entity = kNoEntity, caller = kNoEntity;
  std::string name;
  size_t asked = 0;                                    // number of the asked series
  double r = 0;                                        // of what is new in both, at the lag
  double lag_s = 0, lag_lower_s = 0, lag_upper_s = 0;  // > 0: it follows the asked one; 90 %
  bool clocks_known = false;  // else the interval lacks what an unknown clock adds
  double n_eff = 0;
  double p = 1;  // chance, over all lags
  double q = 1;  // false discovery rate at which it is called related
};

/// What became of an asked series on the grid of the windows.
struct SeriesOnGrid {
  size_t samples = 0;      // that lie in it
  size_t ignored = 0;      // besides: not a number, or a second one of the same time
  size_t restarts = 0;     // of a counter
  Nanos cell = 0;          // length of one: a window, or several for a series that is rarer
  size_t cells = 0;        // that have a value
  Nanos interval = 0;      // median distance of the samples; 0: fewer than two
  bool corrected = false;  // times were moved by what their clock is known to be off
  Nanos clock_bound = kUnknownBound;
};

struct CorrelationAnswer {
  std::vector<RelatedLine> related;  // by q, then p
  std::vector<SeriesOnGrid> series;  // as asked
  size_t compared = 0;               // pairs of an asked series and a line
  size_t not_identifiable = 0;       // of these: too little data, or constant
  size_t left_out = 0;               // beyond the limit
};

using AnswerCorrelation = Result<CorrelationAnswer> (*)(const Picture&, const CorrelationQuestion&);

}  // namespace tomograph::telemetry
