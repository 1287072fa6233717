#include "reconstruct/unseen_failures.h"

namespace tomograph::reconstruct {
namespace {

/// Beta-binomial moments of the failures among `rest` calls, which fail `cluster` at a time.
Moments FailuresAmong(double rest, double rest_variance, const Beta& x, double cluster) {
  const double share = x.share(), news = x.a + x.b;
  Moments m;
  m.mean = rest * share;
  m.variance = rest * share * (1 - share) * (news + rest / cluster) / (news + 1) * cluster +
               share * share * rest_variance;
  return m;
}

}  // namespace

Spread UnseenFailures(double failed, double rest, double rest_variance, double cluster,
                      const FailureHistory::Regimes& now, uint64_t seed) {
  Moments well = FailuresAmong(rest, rest_variance, now.well, cluster);
  Moments ill = FailuresAmong(rest, rest_variance, now.ill, cluster);
  well.floor = ill.floor = failed;
  return CountSpread(well, ill, 1 - now.ill_probability, seed);
}

}  // namespace tomograph::reconstruct
