// Recording: a simulated run as a folder that `tomograph reconstruct` reads:
//   traces-NNN.jsonl metrics-NNN.jsonl logs-NNN.jsonl   OTLP-JSON lines; a new file after
//   kFileBytes changes.jsonl                                       CDEvents truth/scenario.yaml
//   truth/truth.csv truth/faults.json   what was really so (truth_file.h): no
//                                                           telemetry, and ingest leaves it out
// Files are made when there is something for them. Errors name the file and the system's reason: a
// folder that is not empty is kFailedPrecondition (an older run's files would be read as this
// one's), a full disk kUnavailable, everything else kIo. What was written before an error is whole
// lines but for the last one, and remains.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "simulate/system/truth_log.h"
#include "simulate/write/otlp_json.h"

namespace tomograph::simulate {

class Recording {
 public:
  static constexpr uint64_t kFileBytes = 512u << 20;

  /// Makes the folder (and those above it) unless it is there and empty. `file_bytes` smaller for
  /// tests alone.
  static Result<std::unique_ptr<Recording>> Create(const std::string& folder,
                                                   std::string_view scenario_yaml,
                                                   uint64_t file_bytes = kFileBytes);
  ~Recording();

  Status Write(const OtlpJson::Lines& lines);
  TruthLog* truth();
  /// Faults, and the rest of everything. Nothing may be written afterwards.
  Status Finish(const std::vector<TruthFault>& faults, bool impact_known);
  uint64_t bytes() const;

 private:
  struct Impl;
  explicit Recording(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::simulate
