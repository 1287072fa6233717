// OtlpJson: what was seen, as OTLP-JSON lines (what the Collector's file exporter writes: one
// ExportTraceServiceRequest, ExportMetricsServiceRequest or ExportLogsServiceRequest a line), change
// records as CDEvents lines. Decoded by src/ingest like anything else.
#pragma once

#include <memory>
#include <string>

#include "simulate/show/records.h"

namespace tomograph::simulate {

class OtlpJson : public Audience {
 public:
  OtlpJson();
  ~OtlpJson() override;
  SenderId Enter(const Sender& sender) override;
  void See(const SpanRecord& span) override;
  void See(const SampleRecord& sample) override;
  void See(const LogRecord& log) override;
  void See(const ChangeRecord& change) override;

  /// Everything since the last call; at most one line a signal. Empty when there is none.
  struct Lines {
    std::string traces, metrics, logs;  // each "" or one JSON object without line feed
    std::string changes;                // CDEvents, one a line
  };
  Lines Take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::simulate
