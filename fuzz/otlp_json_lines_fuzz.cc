// OTLP-JSON lines. The first byte says how the rest is cut into chunks, which must not matter.
#include <algorithm>

#include "otlp_fuzz_target.h"

namespace {

size_t Rows(tomograph::ByteView text, size_t step) {
  tomograph::fuzz::OtlpTables tables;
  const auto decoder = tomograph::ingest::otlp::NewLinesDecoder(tables.Context());
  size_t rows = 0;
  const tomograph::ingest::BatchSink sink = [&](tomograph::telemetry::Batch&& batch) {
    tomograph::fuzz::CheckTables(batch);
    rows += batch.rows();
  };
  for (size_t at = 0; at < text.size(); at += step) {
    TG_CHECK(decoder->Push(text.substr(at, step), sink).ok());
  }
  TG_CHECK(decoder->Finish(sink).ok());
  tables.CheckBalance();
  return rows;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const tomograph::ByteView text(reinterpret_cast<const char*>(data) + 1, size - 1);
  TG_CHECK(Rows(text, std::max<size_t>(1, data[0])) == Rows(text, size));
  return 0;
}
