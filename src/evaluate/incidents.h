// `tomograph evaluate incidents`: predictions of a labelled suite first, written to a file without
// any label having been opened, then their scores. One configuration for all suites.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/nanotime.h"
#include "base/status.h"
#include "evaluate/scores.h"

namespace tomograph::evaluate {

enum class ChangePoint : uint8_t { kGiven, kGivenPlus60s, kInferred };
/// "given", "given+60s", "inferred"
Result<ChangePoint> ParseChangePoint(std::string_view text);

struct IncidentsResult {
  int predicted = 0;
  std::string predictions;               // JSON lines, as written
  std::optional<IncidentScores> scores;  // none: the labels are not there
  std::optional<double> specificity;     // none: the suite has no fault-free windows
  double paging_threshold = 0;
  double seconds_per_case = 0;
  int64_t peak_rss_bytes = 0;
};

/// `predictions_path` may be empty: nothing is written then.
Result<IncidentsResult> RunIncidents(const std::string& suite, const std::string& data_dir,
                                     const std::string& predictions_path, ChangePoint change_point);

/// One JSON object with the keys of the evaluation contract; scores are null without labels.
std::string IncidentsJson(const IncidentsResult& result);
/// The same for people.
std::string IncidentsText(const IncidentsResult& result);

}  // namespace tomograph::evaluate
