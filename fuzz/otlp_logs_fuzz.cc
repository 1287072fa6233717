// OTLP logs in protobuf.
#include "otlp_fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return tomograph::fuzz::DecodeOtlp({reinterpret_cast<const char*>(data), size},
                                     tomograph::telemetry::Signal::kLog);
}
