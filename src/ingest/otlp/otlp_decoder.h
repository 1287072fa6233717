// OTLP export requests, protobuf (walked once by protozero, straight into columns) and JSON
// (simdjson). Whole messages; stateless and thread-safe, since all state is in the context's
// tables.
//
// Rejected records (no ids, in JSON a value of the wrong type, ...) are counted in the ledger and
// in `rejected`, which the listeners turn into partial_success. A message that cannot be parsed is
// kInvalidArgument and counts as one lost kMessage; records before the damage are not kept, so that
// a sender's retry never doubles them.
#pragma once

#include <cstdint>
#include <string>

#include "ingest/decoder.h"

namespace tomograph::ingest::otlp {

enum class Encoding { kProtobuf, kJson };

struct Decoded {
  uint64_t rejected = 0;
  std::string message;  // why, for partial_success; empty when nothing was rejected
};

/// Appends to batch->spans / samples / logs. `signal` is kSpan, kSample or kLog and says which
/// request it is.
Result<Decoded> Decode(ByteView message, telemetry::Signal signal, Encoding encoding,
                       telemetry::Format format, const DecodeContext& context,
                       telemetry::Batch* batch);

/// The bytes of an Export*ServiceResponse (empty message when nothing was rejected).
std::string EncodeResponse(const Decoded& decoded, telemetry::Signal signal, Encoding encoding);

/// OTLP-JSON lines as the Collector's file exporter writes them: one request of any signal a line.
std::unique_ptr<StreamDecoder> NewLinesDecoder(DecodeContext context);

}  // namespace tomograph::ingest::otlp
