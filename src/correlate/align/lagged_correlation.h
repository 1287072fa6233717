// Does one series follow another, after how long, and could it be chance? Pure; any thread.
//
// Two series that each drift or have a daily course look related at some lag whatever they are
// (Yule 1926). So what is compared is what is new in each: the residuals of an autoregression of
// its own (order by AIC up to 12, least squares over complete rows; Haugh 1976), clipped at 4
// robust deviations so that one coincidence is no correlation. For residuals e of x and f of y, at
// lag k:
//   r(k)   = sum e(t) f(t+k) / sqrt(sum e^2 sum f^2)              over the n(k) pairs that are
//   there var(k) = the greater of
//            (1 + 2 sum_j rho_e(j) rho_f(j) (1 - j/n)) / n        what autocorrelation is left
//                                                                 (Bartlett 1935; Pyper & Peterman
//                                                                 1998)
//            sum e^2 f^2 / (sum e^2 sum f^2)                      both restless at the same times,
//            or
//                                                                 few events (White 1980)
//   n_eff  = 1 / var(k);   p(k) = 2 Q(atanh |r| sqrt(n_eff - 3))  (Fisher 1921)
//   p      = 1 - (1 - p_min)^m over all m lags                    (Sidak 1967)
// The lag's posterior under a flat prior is (1 - r(k)^2)^(-n_eff/2); its narrowest 90 % around the
// best lag, half a cell, and both series' timing errors make the interval.
//
// Assumes series that are stationary, or become so by differencing, and one lag. Wrong for an
// effect that is spread over many lags (the interval holds the strongest one), for one jump in each
// (that is no repeated movement: see diagnose/propagation.h), and where the true lag is not within
// [-L, L]. Two series that follow a third are correlated too: this never says which causes which.
// Measured: docs/models/alignment.md.
#pragma once

#include <vector>

#include "base/nanotime.h"
#include "correlate/align/aligned_series.h"

namespace tomograph::correlate {

/// What is new in a series, cell by cell. Cost: O(cells) with a constant of about 100.
struct Innovations {
  std::vector<double> values;           // mean 0, deviation 1; NaN: not known
  std::vector<double> autocorrelation;  // what is left, at 1, 2, ... cells
  Nanos step = 0;
  Nanos timing_error = 0;
  bool clock_is_known = false;
  size_t known = 0;     // values that are there
  int order = 0;        // of the autoregression
  bool enough = false;  // values in a row to say anything of its past
  bool varies = false;
};
Innovations Whiten(const AlignedSeries& series);

enum class Identifiable : uint8_t {
  kYes,
  kTooLittle,  // fewer than 24 pairs at every lag, or too few effective ones
  kConstant,   // one does not vary, or not beyond what its own past says
  kOtherGrid,  // the cells differ in length
};

struct LaggedCorrelation {
  Identifiable identifiable = Identifiable::kTooLittle;
  // All below: of kYes alone, else as they stand here.
  Nanos lag = 0;                      // > 0: the second follows the first
  Nanos lag_least = 0, lag_most = 0;  // 90 %; wider than what the clocks and sampling leave open
  bool clocks_known = false;          // false: the interval lacks what an unknown clock adds
  double r = 0;
  double p = 1;  // of the greatest over all lags
  double n_eff = 0;
};

/// Lags from -max_lag to +max_lag cells. Both on the same grid. Cost: O(cells * lags).
LaggedCorrelation CorrelateLagged(const Innovations& first, const Innovations& second, int max_lag);

/// Benjamini & Yekutieli (2001): the false discovery rate at which each of these tests would be
/// called a discovery, under any dependence between them. Same order as `p`.
std::vector<double> FalseDiscoveryRates(const std::vector<double>& p);

}  // namespace tomograph::correlate
