// OTLP's JSON -> OTLP's protobuf, so that there is one decoder and both encodings give the same
// batches. Proto3's JSON mapping with OTLP's changes: trace and span ids in hex; integers as
// numbers or strings; enums as numbers or names; lowerCamelCase or snake_case; unknown fields and
// nulls are left out.
#pragma once

#include <memory>
#include <string_view>

#include "base/byte_view.h"
#include "base/status.h"
#include "telemetry/loss_ledger.h"

namespace tomograph::ingest::otlp {

/// Not thread-safe: keeps simdjson's buffers from message to message.
class JsonTranscriber {
 public:
  JsonTranscriber();
  ~JsonTranscriber();

  /// The request in protobuf. kInvalidArgument says what is wrong and where; kResourceExhausted:
  /// nested too deeply. Valid until the next call.
  Result<ByteView> Transcribe(ByteView json, telemetry::Signal signal);
  /// The same, when the request's own first field says its signal.
  Result<ByteView> TranscribeAny(ByteView json, telemetry::Signal* signal);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::ingest::otlp
