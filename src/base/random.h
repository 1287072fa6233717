// Seeded random numbers that are the same on every machine and compiler (the standard library's
// distributions are not). xoshiro256++ seeded by splitmix64 (Blackman & Vigna 2019).
#pragma once

#include <cstdint>

namespace tomograph {

/// One 64-bit mixing step (splitmix64's finaliser): also a good hash of an integer.
inline uint64_t MixBits(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// Not thread-safe; copy it to branch a stream.
class Random {
 public:
  explicit Random(uint64_t seed);
  uint64_t Next();
  /// Uniform in [0, 1).
  double Uniform();
  /// Uniform in [0, n); n > 0.
  uint64_t Below(uint64_t n);
  double Exponential(double mean);
  double Normal(double mean, double sd);
  uint64_t Poisson(double mean);

 private:
  uint64_t state_[4];
};

}  // namespace tomograph
