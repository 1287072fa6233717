// The three kinds of export request, protobuf -> columns. They throw protozero::exception at
// damaged bytes (Decode catches it and takes back what was appended) and count records in `tally`,
// not in the ledger.
#pragma once

#include <optional>

#include "ingest/decoder.h"
#include "ingest/otlp/record_tally.h"
#include "ingest/otlp/values.h"

namespace tomograph::ingest::otlp {

struct Pass {
  const DecodeContext& context;
  Values values;
  RecordTally tally;
  size_t cells = 0;  // that were taken

  bool TooLarge(ByteView record) const { return record.size() > context.limits.max_record_bytes; }
  /// False, and nothing is taken, when the request has no room for a record with so many parts.
  bool Take(size_t parts) {
    if (parts >= context.limits.max_cells - cells) return false;
    cells += 1 + parts;
    return true;
  }

  explicit Pass(const DecodeContext& c) : context(c), values(&c.identities->strings, c.limits) {}
};

void DecodeTraces(ByteView request, Pass* pass, telemetry::SpanBatch* spans);
void DecodeMetrics(ByteView request, Pass* pass, telemetry::SampleBatch* samples);
void DecodeLogs(ByteView request, Pass* pass, telemetry::LogBatch* logs);

/// The three requests share their frame: request > resource block > scope block > records.
struct ResourceBlock {
  telemetry::ResourceId resource = telemetry::kNoResource;
  telemetry::Fingerprint fingerprint;
};
/// Finds the Resource of a ResourceSpans, ResourceMetrics or ResourceLogs; decodes it on first
/// sight.
ResourceBlock FindResource(ByteView resource_block, Pass* pass);

/// Ids in OTLP are 16 and 8 bytes; others are no ids and read as empty.
telemetry::TraceId ReadTraceId(ByteView bytes);
uint64_t ReadSpanId(ByteView bytes);
/// Nanoseconds as OTLP has them (unsigned); nothing when they are outside of our range. 0 is not
/// given.
std::optional<Nanos> ReadTime(uint64_t unix_nanos);

}  // namespace tomograph::ingest::otlp
