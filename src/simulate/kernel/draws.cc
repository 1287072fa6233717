#include "simulate/kernel/draws.h"

#include <cmath>

namespace tomograph::simulate {

double Duration::Draw(Random* random) const {
  if (mean_s <= 0) return 0;
  if (cv == 0) return mean_s;
  if (cv < 0) return random->Exponential(mean_s);
  // Log-normal: variance of the logarithm is log(1 + cv^2), and the mean lies half of it above.
  const double variance = std::log1p(cv * cv);
  return mean_s * std::exp(random->Normal(-variance / 2, std::sqrt(variance)));
}

}  // namespace tomograph::simulate
