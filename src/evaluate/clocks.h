// `tomograph evaluate clocks`: a known error is put into one clock of recorded calls between two
// hosts, and what the clock model makes of it is held against it.
//
// The recordings have natural clocks, whose truth nobody wrote down. So the truth here is the
// injected error plus the straight line through the offsets that the model finds without injection:
// what is measured is how well the injected part is found, and how much the estimate wanders about
// the natural line. What the delays' asymmetry adds to both alike is not seen by this; the hard
// bounds are for that, and they are held against the line and against the run without injection.
#pragma once

#include <string>
#include <vector>

#include "base/nanotime.h"
#include "base/status.h"
#include "telemetry/host_clock.h"

namespace tomograph::evaluate {

struct ClockInjection {
  double offset_ms = 5;
  double drift_ppm = 40;
  double step_ms = 2;     // 0: none
  double step_at = 0.55;  // share of the recording
};

struct ClockScore {
  std::string set;
  double seconds = 0;
  int windows = 0;
  uint64_t calls = 0;                    // between the hosts
  std::vector<std::string> second_host;  // its services
  // Without injection.
  double natural_offset_ms = 0, natural_drift_ppm = 0;  // of the line, at its middle
  std::vector<telemetry::ClockFinding> natural_findings;
  // With it.
  double rms_us = 0, p95_us = 0;  // at the start of every span of the shifted host
  double rms_middle_us = 0;       // in the middle of every window
  double rms_own_us = 0;          // as rms_us, against the injection plus the run without it
  double drift_error_ppm = 0;     // at the end
  // The start, the middle and the end of every stretch of the answer (a window, or the parts
  // around a step): how many have a bound, and how many of those hold both truths.
  int checked = 0, inside = 0;
  int unbounded = 0;  // those that have none, which is not counted as a miss
  double median_bound_us = 0, p95_bound_us = 0;
  double step_injected_s = 0;                    // since the start
  double step_from_s = -1, step_to_s = -1;       // as found; -1: not found
  double step_found_ms = 0;                      // its size
  int step_window = -1, step_named_window = -1;  // in which it was, at whose end it was named
  std::vector<telemetry::ClockFinding> findings;
  Nanos start = 0;  // of the recording
};

/// Scores of every set below `data` that has two-sided spans between two hosts; kNotFound when
/// there is none. `second_host`: the services that share the second machine. Empty: services whose
/// clocks agree without injection share one, and a set whose clocks do not fall apart into two
/// groups, or are further apart within one, is left out.
Result<std::vector<ClockScore>> RunClocks(const std::string& data, const ClockInjection& injection,
                                          const std::vector<std::string>& second_host);
std::string ClocksText(const std::vector<ClockScore>& scores);
std::string ClocksJson(const std::vector<ClockScore>& scores);

}  // namespace tomograph::evaluate
