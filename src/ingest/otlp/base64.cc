#include "ingest/otlp/base64.h"

#include <algorithm>
#include <cstdint>

namespace tomograph::ingest::otlp {
namespace {

constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int Digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

}  // namespace

void AppendBase64(ByteView bytes, std::string* out) {
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t word = 0;
    for (size_t k = 0; k < 3; ++k)
      word = word << 8 | (k < n ? static_cast<uint8_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k)
      out->push_back(k <= n ? kDigits[word >> (18 - 6 * k) & 63] : '=');
  }
}

bool DecodeBase64(std::string_view text, std::string* bytes) {
  bytes->clear();
  for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  if (text.size() % 4 == 1) return false;
  uint32_t word = 0;
  int bits = 0;
  for (const char c : text) {
    const int digit = Digit(c);
    if (digit < 0) return false;
    word = word << 6 | static_cast<uint32_t>(digit);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes->push_back(static_cast<char>(word >> bits));
  }
  return true;
}

}  // namespace tomograph::ingest::otlp
