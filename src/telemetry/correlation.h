// Which lines of a Picture move with one of them: the question that publish/ passes on and the
// answer that it shows. The engine answers (engine/related_lines.h), since publish/ knows the nouns
// alone and not the estimators of correlate/.
#pragma once

#include <string>
#include <vector>

#include "base/nanotime.h"
#include "base/status.h"
#include "telemetry/entity.h"

namespace tomograph::telemetry {

struct Picture;

struct CorrelationQuestion {
  EntityId entity = kNoEntity;
  std::string line;  // as TimeLine::name
  TimeRange range{INT64_MIN, INT64_MAX};
};

struct RelatedLine {
  EntityId entity = kNoEntity, caller = kNoEntity;
  std::string name;
  double r = 0;                                        // of what is new in both, at the lag
  double lag_s = 0, lag_lower_s = 0, lag_upper_s = 0;  // > 0: it follows the asked one; 90 %
  bool clocks_known = false;  // else the interval lacks what an unknown clock adds
  double n_eff = 0;
  double p = 1;  // chance, over all lags
  double q = 1;  // false discovery rate at which it is called related
};

struct CorrelationAnswer {
  std::vector<RelatedLine> related;  // by q, then p
  size_t compared = 0;
  size_t not_identifiable = 0;  // of these: too little data, or constant
  size_t left_out = 0;          // beyond the limit
};

using AnswerCorrelation = Result<CorrelationAnswer> (*)(const Picture&, const CorrelationQuestion&);

}  // namespace tomograph::telemetry
