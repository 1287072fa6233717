// `tomograph evaluate requests`: which request caused which call, told from times alone, and how
// often that is right. A set is a folder with observed.csv (what a tracer without ids sees) and,
// where it can be scored, truth.csv, which is opened after the predictions are written. The two
// exceptions are asked for: `ids` (that share of the links is read from it first and given) and
// `evidence` (what records show beyond their times is made up from it, see request_evidence.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/status.h"
#include "correlate/linking/request_linker.h"
#include "evaluate/request_evidence.h"

namespace tomograph::evaluate {

struct RequestsOptions {
  std::string data;         // folder of the set
  std::string predictions;  // also write them here; empty: nowhere
  uint64_t seed = 1;
  double ids = 0;            // share of the calls whose request is given by an exact id
  double drop = 0;           // share of the calls that are taken away
  double drop_requests = 0;  // share of the received requests that are taken away
  EvidenceKinds evidence;    // what is made up beside the times
  bool stream = false;       // hand the records over in small pieces, in order of their ends
  bool speed = true;         // also measure the speeds, on the set repeated in time
  correlate::linking::LinkerOptions linker;
};

struct RequestsScores {
  /// Links are those of services with exactly one caller, as elsewhere; `every` is of all, and
  /// `joining` of the others: where requests of one trace may meet, and one waits for the rest.
  int links = 0, joining_links = 0;
  double link_accuracy = 0, every_link_accuracy = 0;
  double joining_link_accuracy = 0, joining_link_ece = 0;
  double every_e2e_accuracy = 0;
  double inferred_link_accuracy = 0;  // of those that were not given
  double e2e_accuracy = 0;            // traces all of whose links are right
  double top5_accuracy = 0;           // links with the true request among the five likeliest
  double link_ece = 0;
  double e2e_at_80 = 0;  // of the 80 % of traces that are surest
};

struct RequestsSpeed {
  double assign = 0, posteriors = 0;  // records per second of processor time, once learned
  double learn_seconds = 0;           // until then
};

struct RequestsResult {
  size_t records = 0;
  std::string predictions;               // JSON lines
  std::optional<RequestsScores> scores;  // none: truth.csv is not there
  std::optional<RequestsSpeed> speed;
  correlate::linking::LinkerStats stats;
};

Result<RequestsResult> RunRequests(const RequestsOptions& options);

/// One JSON object with the keys of the evaluation contract; scores are null without truth.
std::string RequestsJson(const RequestsResult& result);
std::string RequestsText(const RequestsResult& result);

}  // namespace tomograph::evaluate
