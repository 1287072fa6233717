// Draws: random numbers that belong to what they are for and not to when they are drawn ("common
// random numbers", Law & Kelton). The service time of the third call of request 17 is the same in a
// run with a fault and in its twin without, whatever else happened before; so the difference
// between the two runs is the fault's effect and no luck.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/random.h"

namespace tomograph::simulate {

/// A name as a number that is the same in every run: FNV-1a.
constexpr uint64_t NameKey(std::string_view name) {
  uint64_t key = 0xcbf29ce484222325ULL;
  for (const char c : name) key = (key ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return key;
}

class Draws {
 public:
  explicit Draws(uint64_t seed) : seed_(seed) {}

  /// A stream of its own for each (what, which, part): e.g. (NameKey("work"), request, call).
  Random For(uint64_t what, uint64_t which = 0, uint64_t part = 0) const {
    return Random(MixBits(MixBits(MixBits(seed_ ^ what) ^ which) ^ part));
  }

 private:
  uint64_t seed_;
};

/// Log-normal with this mean and coefficient of variation (sd / mean); cv 0: the mean itself,
/// cv < 0: exponential, so that a queue can be held against M/M/c.
struct Duration {
  double mean_s = 0;
  double cv = 0;
  double Draw(Random* random) const;
};

}  // namespace tomograph::simulate
