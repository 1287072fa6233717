// The input is a mapping, a line of "---", and the CSV.
#include <string>

#include "base/check.h"
#include "ingest/csv/csv_decoder.h"
#include "ingest/decoder_harness.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using tomograph::ingest::DecodeContext;
  using tomograph::ingest::DecoderHarness;
  namespace csv = tomograph::ingest::csv;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t border = input.find("\n---\n");
  if (border == std::string_view::npos) return 0;
  const auto mapping = csv::Mapping::FromYaml(std::string(input.substr(0, border)));
  if (!mapping.ok()) return 0;
  const std::string_view text = input.substr(border + 5);
  const DecoderHarness::Make make = [&](DecodeContext context) {
    return csv::NewCsvDecoder(std::move(context), *mapping);
  };
  DecoderHarness whole;
  DecoderHarness pieces;
  const auto status = whole.Run(make, text);
  TG_CHECK(pieces.Run(make, text, {1, 3, 7, 2, 50, 5}).code() == status.code());
  TG_CHECK(whole.Balanced());
  if (!status.ok()) return 0;
  TG_CHECK(whole.Spell() == pieces.Spell());
  TG_CHECK(whole.SpellLedger() == pieces.SpellLedger());
  return 0;
}
