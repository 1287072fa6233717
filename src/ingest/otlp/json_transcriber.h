// OTLP's JSON -> OTLP's protobuf, so that there is one decoder and both encodings give the same
// batches. Proto3's JSON mapping with OTLP's changes: trace and span ids in hex; integers as
// numbers or strings; enums as numbers or names; lowerCamelCase or snake_case; unknown fields and
// nulls are left out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/byte_view.h"
#include "base/status.h"
#include "telemetry/loss_ledger.h"

namespace tomograph::ingest::otlp {

struct Transcript {
  ByteView protobuf;        // valid until the transcriber's next call
  uint64_t wrong_type = 0;  // records left out for a value that is not of its field's type
  std::string first_wrong;  // what was wrong with the first of them
};

/// Not thread-safe: keeps simdjson's buffers from message to message.
class JsonTranscriber {
 public:
  JsonTranscriber();
  ~JsonTranscriber();

  /// The request in protobuf, without the records that have a value of a wrong type. What hangs on
  /// a wrong resource, scope or metric goes with it. kInvalidArgument: not JSON, no request, or one
  /// of another signal;
  /// kResourceExhausted: nested too deeply.
  Result<Transcript> Transcribe(ByteView json, telemetry::Signal signal);
  /// The same, when the request's own first field says its signal.
  Result<Transcript> TranscribeAny(ByteView json, telemetry::Signal* signal);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::ingest::otlp
