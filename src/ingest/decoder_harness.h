// For tests of stream decoders: runs one over an input cut in different ways and makes batches
// comparable by spelling them out, ids as the strings and labels that they stand for.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ingest/decoder.h"

namespace tomograph::ingest {

/// Tables, ledger and clock for one run.
struct DecoderHarness {
  DecoderHarness();

  using Make = std::function<std::unique_ptr<StreamDecoder>(DecodeContext)>;
  /// Feeds `input` in pieces of the given sizes (the last one repeats; empty: all at once), and
  /// keeps the batches.
  Status Run(const Make& make, ByteView input, const std::vector<size_t>& pieces = {});

  /// All batches as text, one row a line.
  std::string Spell() const;
  /// The ledger as text: "csv sample received=3 accepted=2 malformed=1".
  std::string SpellLedger() const;
  bool Balanced() const;

  telemetry::Identities identities;
  telemetry::LossLedger ledger;
  VirtualClock clock{1'700'000'000 * kSecond};
  DecodeContext context;
  std::vector<telemetry::Batch> batches;
};

std::string SpellBatch(const telemetry::Batch& batch, const telemetry::Identities& identities);

/// Whole, byte by byte, and in random pieces: empty when batches and ledger are the same each time,
/// else what differs. `limits` applies to all runs.
std::string CheckAnyChunking(const DecoderHarness::Make& make, ByteView input,
                             const Limits& limits = {});

}  // namespace tomograph::ingest
