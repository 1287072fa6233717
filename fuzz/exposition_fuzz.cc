#include <vector>

#include "base/check.h"
#include "ingest/decoder_harness.h"
#include "ingest/prometheus/exposition.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using tomograph::ingest::DecodeContext;
  using tomograph::ingest::DecoderHarness;
  const tomograph::ByteView bytes(reinterpret_cast<const char*>(data), size);
  const DecoderHarness::Make make = [](DecodeContext context) {
    tomograph::ingest::prometheus::ExpositionOptions options;
    options.default_time = 1;
    return tomograph::ingest::prometheus::NewExpositionDecoder(std::move(context), options);
  };
  DecoderHarness whole;
  DecoderHarness pieces;
  const auto status = whole.Run(make, bytes);
  TG_CHECK(pieces.Run(make, bytes, {1, 3, 7, 2, 50, 5}).code() == status.code());
  TG_CHECK(whole.Balanced());
  TG_CHECK(whole.Spell() == pieces.Spell());
  TG_CHECK(whole.SpellLedger() == pieces.SpellLedger());
  return 0;
}
