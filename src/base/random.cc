#include "base/random.h"

#include <cmath>

#include "base/check.h"

namespace tomograph {

Random::Random(uint64_t seed) {
  for (uint64_t& word : state_) {
    word = MixBits(seed);
    seed += 0x9e3779b97f4a7c15ULL;
  }
}

uint64_t Random::Next() {
  const auto rotate = [](uint64_t x, int k) { return (x << k) | (x >> (64 - k)); };
  const uint64_t result = rotate(state_[0] + state_[3], 23) + state_[0];
  const uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = rotate(state_[3], 45);
  return result;
}

double Random::Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

uint64_t Random::Below(uint64_t n) {
  TG_CHECK(n > 0);
  // Rejection keeps it exact: the last, incomplete block of n values is thrown away.
  const uint64_t limit = UINT64_MAX - UINT64_MAX % n;
  uint64_t x = Next();
  while (x >= limit) x = Next();
  return x % n;
}

double Random::Exponential(double mean) { return -mean * std::log1p(-Uniform()); }

double Random::Normal(double mean, double sd) {
  const double r = std::sqrt(-2.0 * std::log1p(-Uniform()));
  return mean + sd * r * std::cos(6.283185307179586 * Uniform());
}

uint64_t Random::Poisson(double mean) {
  // Knuth's product for small means; larger ones are split, since sums of Poissons are Poisson.
  uint64_t total = 0;
  while (mean > 30) {
    total += Poisson(30);
    mean -= 30;
  }
  if (mean <= 0) return total;
  const double limit = std::exp(-mean);
  double product = Uniform();
  for (; product > limit; product *= Uniform()) ++total;
  return total;
}

}  // namespace tomograph
