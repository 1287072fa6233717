// Base64 (RFC 4648), as proto3's JSON has it: both alphabets are read, padding may be missing.
#pragma once

#include <string>
#include <string_view>

#include "base/byte_view.h"

namespace tomograph::ingest::otlp {

void AppendBase64(ByteView bytes, std::string* out);
/// False when `text` is not base64.
bool DecodeBase64(std::string_view text, std::string* bytes);

}  // namespace tomograph::ingest::otlp
