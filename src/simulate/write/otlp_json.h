// OtlpJson: what was seen, as OTLP-JSON lines (what the Collector's file exporter writes: one
// ExportTraceServiceRequest, ExportMetricsServiceRequest or ExportLogsServiceRequest a line),
// change records as CDEvents lines. Decoded by src/ingest like anything else; span_attributes.h
// says which attributes a span gets.
//
// A line holds the records of many senders, each sender's in the order in which they came. It ends
// when it has kLineBytes or at Take, so that what reads lines or posts them (one a request) meets
// no limit, however much a second holds. Same records and same Takes: the same bytes.
//
// Cost: about 0.5 us a span (bench/simulated_telemetry_bench.cc). Memory: what was not taken yet.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "simulate/show/records.h"

namespace tomograph::simulate {

class OtlpJson : public Audience {
 public:
  static constexpr size_t kLineBytes = 2u << 20;  // a line is this and one record at most

  OtlpJson();
  ~OtlpJson() override;
  /// Equal senders get numbers of their own.
  SenderId Enter(const Sender& sender) override;
  void See(const SpanRecord& span) override;
  void See(const SampleRecord& sample) override;
  void See(const LogRecord& log) override;
  void See(const ChangeRecord& change) override;

  /// Everything since the last call: each "" or lines, of which every one is a JSON object and ends
  /// with a line feed.
  struct Lines {
    std::string traces, metrics, logs;
    std::string changes;  // CDEvents
  };
  Lines Take();

  struct Written {
    uint64_t spans = 0, samples = 0, logs = 0, changes = 0;
  };
  const Written& written() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::simulate
