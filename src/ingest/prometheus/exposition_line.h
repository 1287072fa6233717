// One sample line of the Prometheus text format or OpenMetrics, taken apart without meaning:
//   name{label="value",...} value [timestamp] [# exemplar]
// also with quoted names as Prometheus 3 writes them: {"name",label="value"} value.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/prometheus/series_labels.h"

namespace tomograph::ingest::prometheus {

/// Views into the line (and into `unescaped`): valid until the next parse. Reused, so that a line
/// costs no allocation.
struct SampleLine {
  std::string_view name;
  std::vector<Label> labels;
  double value = 0;
  std::string_view timestamp;         // empty: none; not checked
  std::deque<std::string> unescaped;  // label values that held an escape
};

/// False when the line is not of this form; `line` is then half filled.
bool ParseSampleLine(std::string_view line, SampleLine* out);

/// A Go float: also +Inf, -Inf, NaN.
bool ParseNumber(std::string_view text, double* value);

}  // namespace tomograph::ingest::prometheus
