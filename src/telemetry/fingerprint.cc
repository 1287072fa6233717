// A 128-bit hash by 64x64->128 multiplication, in the manner of wyhash (Wang Yi, public domain).
// Not cryptographic: tables that take text from outside compare the text too.
#include <cstring>

#include "base/random.h"
#include "telemetry/resource.h"

namespace tomograph::telemetry {
namespace {

uint64_t Multiply(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t Load(const char* p, size_t n) {
  uint64_t word = 0;
  if (n > 0) std::memcpy(&word, p, n);  // an empty view may be a null pointer
  return word;
}

constexpr uint64_t kA = 0xa0761d6478bd642fULL;
constexpr uint64_t kB = 0xe7037ed1a0b428dbULL;
constexpr uint64_t kC = 0x8ebc6af09c88c6e3ULL;

}  // namespace

Fingerprint FingerprintOf(std::string_view bytes, uint64_t seed) {
  uint64_t x = seed ^ kA;
  uint64_t y = seed ^ kC;
  const char* p = bytes.data();
  size_t n = bytes.size();
  for (; n >= 16; p += 16, n -= 16) {
    const uint64_t first = Load(p, 8);
    const uint64_t second = Load(p + 8, 8);
    x = Multiply(first ^ kB ^ x, second ^ kA);
    y = Multiply(second ^ kC ^ y, first ^ kB);
  }
  const uint64_t first = Load(p, n < 8 ? n : 8);
  const uint64_t second = n > 8 ? Load(p + 8, n - 8) : 0;
  const uint64_t length = bytes.size();
  x = Multiply(first ^ kB ^ x, second ^ kA ^ length);
  y = Multiply(second ^ kC ^ y, first ^ kA ^ length);
  return {MixBits(y ^ length), MixBits(x)};
}

Share ShareOf(std::string_view service) {
  return Share{static_cast<uint16_t>(1 + FingerprintOf(service).lo % (FairShare::kShares - 1))};
}

}  // namespace tomograph::telemetry
