// The truth as files, and in memory again.
//   truth.csv    time_s,state,entity,caller,detail,value: one TruthRow a line. time_s: seconds
//   since
//                1970 as a decimal, exact to the nanosecond; value: the shortest decimal that reads
//                back as the same. Texts are quoted where CSV needs it.
//   faults.json  {"faults":[{"kind","target","from","until","by","felt_by":[...]}]}, times in RFC
//                3339. Without "felt_by" nobody compared the run with its twin; an empty list says
//                that nobody felt it.
// Nothing of this is telemetry: ingest/recording leaves both out (no mapping beside the CSV).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/status.h"
#include "simulate/system/truth_log.h"
#include "simulate/write/output_file.h"

namespace tomograph::simulate {

/// A few hundred ns a row. What cannot be written is said by Close.
class TruthFile : public TruthLog {
 public:
  static Result<std::unique_ptr<TruthFile>> Open(const std::string& path);
  void Say(const TruthRow& row) override;
  /// Hands what was said to the system; kIo, kUnavailable (full disk).
  Status Flush();
  Status Close();

 private:
  explicit TruthFile(OutputFile file) : file_(std::move(file)) {}

  OutputFile file_;
  std::string lines_;
};

Status WriteFaults(const std::string& path, const std::vector<TruthFault>& faults,
                   bool impact_known);

/// All that was said, by what it is of.
class MemoryTruth : public TruthLog {
 public:
  using Key = std::tuple<std::string, std::string, std::string, std::string>;  // state .. detail
  using Series = std::vector<std::pair<Nanos, double>>;  // ascending in time, if said so

  void Say(const TruthRow& row) override;
  /// Null when nothing was said of it.
  const Series* Find(const std::string& state, const std::string& entity,
                     const std::string& caller = "", const std::string& detail = "") const;
  /// The value of the second that `time` lies in, (end - 1 s, end]; empty: none was said.
  static std::optional<double> At(const Series& series, Nanos time);
  const std::map<Key, Series>& all() const { return series_; }

  std::vector<TruthFault> faults;
  bool impact_known = false;  // was each fault's felt_by found out?

 private:
  std::map<Key, Series> series_;
};

/// Reads truth.csv and faults.json of a folder. kNotFound, or kCorrupt that names the line.
Result<MemoryTruth> ReadTruth(const std::string& folder);

}  // namespace tomograph::simulate
