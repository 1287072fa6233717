// CSV with a mapping -> samples, spans, logs or flows. RFC 4180 quoting; header row needed; a row
// that does not fit is counted and skipped.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ingest/decoder.h"

namespace tomograph::ingest::csv {

/// Which column is what. Read from YAML (all of it is in docs/recorded-input.md), e.g. for samples
/// in long form:
///   signal: samples
///   time: {column: timestamp, unit: s}
///   service: {column: service}
///   metric: {column: metric}      # long form; or
///   values: all                   # wide form: every other column is a metric
///   value: {column: value}
struct Mapping {
  telemetry::Signal signal = telemetry::Signal::kSample;
  std::string time_column;
  std::string time_unit = "s";      // s ms us ns rfc3339
  std::string duration_unit = "s";  // s ms us ns; follows time_unit where that is one of them
  /// Field of the batch -> column. Samples: service, instance, metric, value, unit; spans:
  /// trace_id, span_id, parent_span_id, service, name, start, end, duration, kind, status,
  /// client_address; logs: service, severity, body, trace_id, span_id; flows: end, duration,
  /// source_address, source_port, destination_address, destination_port, protocol, bytes, packets,
  /// sampling. For all: instance, pod, host, namespace, version, environment.
  std::map<std::string, std::string> columns;
  std::map<std::string, std::string> constants;  // field -> the same text for every row
  std::vector<std::string> labels;  // wide form: columns that are labels and no metrics
  bool wide = false;                // samples: every column not named above is a metric
  /// kInvalidArgument saying which key is wrong.
  static Result<Mapping> FromYaml(const std::string& text);
};

/// Spans without a trace and span id (an access log has none) get ids that are made up from the row
/// and its place in the file: they are joined to nothing.
std::unique_ptr<StreamDecoder> NewCsvDecoder(DecodeContext context, Mapping mapping);

}  // namespace tomograph::ingest::csv
