// Remote write, compressed as it comes and, so that damage reaches the protobuf too, uncompressed.
#include <snappy.h>

#include <string>

#include "base/check.h"
#include "ingest/decoder_harness.h"
#include "ingest/prometheus/remote_write.h"

namespace {

void Decode(tomograph::ByteView body) {
  tomograph::ingest::DecoderHarness harness;
  tomograph::net::BodyShare share;
  tomograph::telemetry::Batch batch;
  const auto status =
      tomograph::ingest::prometheus::DecodeRemoteWrite(body, harness.context, &share, &batch);
  TG_CHECK(harness.Balanced());
  TG_CHECK(status.ok() || batch.rows() == 0);
  TG_CHECK(batch.samples.value.size() == batch.samples.rows());
  TG_CHECK(batch.samples.time_ns.size() == batch.samples.rows());
  TG_CHECK(batch.samples.start_ns.size() == batch.samples.rows());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const tomograph::ByteView bytes(reinterpret_cast<const char*>(data), size);
  Decode(bytes);
  std::string compressed;
  snappy::Compress(bytes.data(), bytes.size(), &compressed);
  Decode(compressed);
  return 0;
}
