// Decoder: bytes in, batches out. Every format is a folder with the same small set of files:
//   <format>_decoder.h/.cc   the decoder            <format>_decoder_test.cc
//   fuzz/<format>_fuzz.cc with fuzz/corpus/<format>/   test/golden/ingest/<format>_*/
//
// Any chunking of the same bytes gives the same batches. Bad input never throws and never stops a
// stream: the record is counted in the ledger under a reason and the rest is kept. Each record
// found in the input is counted Received once and then exactly once more (Accepted or Lost).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/byte_view.h"
#include "base/nanotime.h"
#include "base/status.h"
#include "telemetry/batch.h"
#include "telemetry/identities.h"
#include "telemetry/loss_ledger.h"

namespace tomograph::ingest {

struct Limits {
  size_t max_record_bytes = 4u << 20;  // one line or one span, log record, event
  int max_depth = 32;                  // nested values
  size_t max_attributes = 256;         // a record
  size_t max_links = 128;              // a span
  size_t max_text_bytes = 64u << 10;   // one attribute value
  size_t max_body_bytes = 256u << 10;  // one log body
  size_t max_cells = 1'000'000;  // of a request: its records, and the attributes, events, links
                                 // and buckets in them, each of which may be two bytes there
  size_t max_plain_bytes = 64u << 20;  // a request, after a compression that its decoder undoes
  size_t rows_per_batch = 16'384;      // streams are cut into batches of about this size
};

/// What every decoder needs. The hooks complete a resource or series on first sight (normalize/
/// provides them; decoders must not know conventions). All of it outlives the decoder.
struct DecodeContext {
  telemetry::Identities* identities = nullptr;
  telemetry::LossLedger* ledger = nullptr;
  const Clock* clock = nullptr;
  std::function<void(telemetry::Resource*)> complete_resource;
  std::function<void(telemetry::Series*)> complete_series;
  Limits limits;
};

using BatchSink = std::function<void(telemetry::Batch&&)>;

/// Of the lines of a stream: those that could not be read.
struct DamagedLines {
  uint64_t count = 0;
  uint64_t first = 0;  // number of the line in which the first begins, from 1
  std::string why;     // of the first
  void Add(uint64_t line, std::string_view reason) {
    if (count++ > 0 && line >= first) return;
    first = line;
    why = reason;
  }
  void Add(const DamagedLines& others) {
    if (others.count == 0) return;
    Add(others.first, others.why);
    count += others.count - 1;
  }
};

/// For streams (files, pipes). Not thread-safe.
class StreamDecoder {
 public:
  virtual ~StreamDecoder() = default;
  /// A Status that is not ok means that nothing more can be read from this stream at all.
  virtual Status Push(ByteView chunk, const BatchSink& sink) = 0;
  /// The stream has ended: hands out what is left.
  virtual Status Finish(const BatchSink& sink) = 0;
  /// Since it was last asked; each is in the ledger too. Formats that are not made of lines have
  /// none.
  virtual DamagedLines TakeDamaged() { return {}; }
};

}  // namespace tomograph::ingest
