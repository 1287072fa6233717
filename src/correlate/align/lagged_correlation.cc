#include "correlate/align/lagged_correlation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace tomograph::correlate {
namespace {

constexpr int kMostOrder = 12;
constexpr size_t kLeastPairs = 24;
constexpr double kLeastEffective = 8;
constexpr double kClip = 4;
// Of the cells, as lags of the residuals' own autocorrelation: a course that repeats is left in
// them where gaps allow a short past only.
constexpr size_t kLeftOverShare = 3;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double MedianOf(std::vector<double> v) {
  const auto middle = v.begin() + static_cast<ptrdiff_t>(v.size() / 2);
  std::nth_element(v.begin(), middle, v.end());
  return *middle;
}

/// Mean 0, deviation 1 over what is there; false when it does not vary.
bool Standardise(std::vector<double>* x, double least_deviation) {
  double n = 0, sum = 0, square = 0;
  for (const double v : *x) {
    if (!std::isfinite(v)) continue;
    ++n;
    sum += v;
  }
  if (n < 2) return false;
  const double mean = sum / n;
  for (const double v : *x) {
    if (std::isfinite(v)) square += (v - mean) * (v - mean);
  }
  const double deviation = std::sqrt(square / n);
  if (!(deviation > least_deviation) || !std::isfinite(deviation)) return false;
  for (double& v : *x) v = (v - mean) / deviation;
  return true;
}

/// Rows t at which x(t), x(t-1), ..., x(t-order) are all there.
std::vector<size_t> CompleteRows(const std::vector<double>& x, int order) {
  std::vector<size_t> rows;
  int run = 0;
  for (size_t t = 0; t < x.size(); ++t) {
    run = std::isfinite(x[t]) ? run + 1 : 0;
    if (run > order) rows.push_back(t);
  }
  return rows;
}

/// Coefficients of x(t) on its past, least squares, order by AIC: one Cholesky factor holds the
/// residual sums of all orders, since they are nested. With a constant: gaps and ends shift means.
class Autoregression {
 public:
  Autoregression(const std::vector<double>& x, const std::vector<size_t>& rows, int most) {
    const size_t m = static_cast<size_t>(most) + 1;
    std::vector<double> gram(m * m), right(m), z(m), row(m);
    double total = 0;
    for (const size_t t : rows) {
      row[0] = 1;
      for (size_t i = 1; i < m; ++i) row[i] = x[t - i];
      for (size_t i = 0; i < m; ++i) {
        for (size_t j = 0; j <= i; ++j) gram[i * m + j] += row[i] * row[j];
        right[i] += row[i] * x[t];
      }
      total += x[t] * x[t];
    }
    const double n = static_cast<double>(rows.size());
    double best = std::numeric_limits<double>::infinity(), left = total;
    size_t chosen = 1;
    for (size_t i = 0; i < m; ++i) {
      if (!Factor(&gram, m, i)) break;
      z[i] = right[i];
      for (size_t j = 0; j < i; ++j) z[i] -= gram[i * m + j] * z[j];
      z[i] /= gram[i * m + i];
      left -= z[i] * z[i];
      const double aic = n * std::log(std::max(left, 1e-12 * total) / n) + 2 * double(i + 1);
      if (i == 0 || aic < best) {
        best = aic;
        chosen = i + 1;
      }
    }
    coefficients_.assign(chosen, 0);
    for (size_t i = chosen; i-- > 0;) {
      double v = z[i];
      for (size_t j = i + 1; j < chosen; ++j) v -= gram[j * m + i] * coefficients_[j];
      coefficients_[i] = v / gram[i * m + i];
    }
  }

  int order() const { return static_cast<int>(coefficients_.size()) - 1; }
  double Residual(const std::vector<double>& x, size_t t) const {
    double e = x[t] - coefficients_[0];
    for (size_t i = 1; i < coefficients_.size(); ++i) e -= coefficients_[i] * x[t - i];
    return e;
  }

 private:
  // Row i of the lower Cholesky factor, in place. False: the past repeats itself exactly.
  static bool Factor(std::vector<double>* a, size_t m, size_t i) {
    std::vector<double>& g = *a;
    const double before = g[i * m + i];
    for (size_t j = 0; j < i; ++j) {
      for (size_t k = 0; k < j; ++k) g[i * m + j] -= g[i * m + k] * g[j * m + k];
      g[i * m + j] /= g[j * m + j];
      g[i * m + i] -= g[i * m + j] * g[i * m + j];
    }
    if (!(g[i * m + i] > 1e-10 * before)) return false;
    g[i * m + i] = std::sqrt(g[i * m + i]);
    return true;
  }

  std::vector<double> coefficients_;  // the constant, then lags 1, 2, ...
};

/// The longest past that leaves enough complete rows: gaps cost one row for each lag.
int MostOrder(const std::vector<double>& x, size_t known) {
  int order = kMostOrder;
  while (order > 1) {
    const size_t rows = CompleteRows(x, order).size();
    if (rows >= std::max(kLeastPairs + static_cast<size_t>(order) * 3, known / 2)) break;
    --order;
  }
  return order;
}

void Clip(std::vector<double>* x) {
  std::vector<double> finite;
  for (const double v : *x) {
    if (std::isfinite(v)) finite.push_back(v);
  }
  if (finite.empty()) return;
  const double middle = MedianOf(finite);
  for (double& v : finite) v = std::abs(v - middle);
  const double reach = kClip * 1.4826 * MedianOf(finite);
  if (!(reach > 0)) return;  // more than half are alike: the few others are all there is
  for (double& v : *x) v = std::clamp(v, middle - reach, middle + reach);
}

std::vector<double> Autocorrelation(const std::vector<double>& x) {
  std::vector<double> rho;
  for (size_t lag = 1; lag <= x.size() / kLeftOverShare; ++lag) {
    double sum = 0, n = 0;
    for (size_t t = lag; t < x.size(); ++t) {
      const double product = x[t] * x[t - lag];
      if (!std::isfinite(product)) continue;
      sum += product;
      ++n;
    }
    rho.push_back(n > 0 ? sum / n : 0);
  }
  return rho;
}

struct AtLag {
  double pairs = 0, r = 0, n_eff = 0;
};

AtLag Compare(const std::vector<double>& e, const std::vector<double>& f, int lag, double overlap) {
  const auto n = static_cast<int>(std::min(e.size(), f.size()));
  double ef = 0, ee = 0, ff = 0, eeff = 0, pairs = 0;
  for (int t = std::max(0, -lag); t < std::min(n, n - lag); ++t) {
    const double a = e[static_cast<size_t>(t)], b = f[static_cast<size_t>(t + lag)];
    const double product = a * b;
    if (!std::isfinite(product)) continue;
    ef += product;
    ee += a * a;
    ff += b * b;
    eeff += product * product;
    ++pairs;
  }
  AtLag at;
  at.pairs = pairs;
  if (!(ee > 0) || !(ff > 0)) return at;
  at.r = std::clamp(ef / std::sqrt(ee * ff), -0.9999, 0.9999);
  at.n_eff = 1 / std::max(overlap / pairs, eeff / (ee * ff));
  return at;
}

double TwoSided(const AtLag& at) {
  return std::erfc(std::atanh(std::abs(at.r)) * std::sqrt(at.n_eff - 3) / std::sqrt(2.0));
}

/// 1 + 2 sum rho rho: how many fewer pairs it is than it seems. Never fewer than one each: what is
/// left is noise mostly, and noise must not make a result surer.
double Overlap(const Innovations& a, const Innovations& b) {
  const double n = static_cast<double>(std::min(a.known, b.known));
  double sum = 0;
  for (size_t j = 0; j < std::min(a.autocorrelation.size(), b.autocorrelation.size()); ++j) {
    sum += a.autocorrelation[j] * b.autocorrelation[j] * (1 - static_cast<double>(j + 1) / n);
  }
  return std::max(1.0, 1 + 2 * sum);
}

/// The narrowest 90 % around the best lag, as numbers of lags.
std::pair<size_t, size_t> Narrowest(const std::vector<AtLag>& at, size_t best) {
  std::vector<double> mass(at.size());
  const auto log_likelihood = [&](size_t k) {
    return -at[best].n_eff / 2 * std::log1p(-at[k].r * at[k].r);
  };
  for (size_t k = 0; k < at.size(); ++k) {
    // As good a fit with the other sign is another finding, and no doubt about this one's lag.
    if (at[k].r * at[best].r > 0) mass[k] = std::exp(log_likelihood(k) - log_likelihood(best));
  }
  const double total = std::accumulate(mass.begin(), mass.end(), 0.0);
  size_t from = best, to = best;
  double covered = mass[best];
  while (covered < 0.9 * total) {
    const double below = from > 0 ? mass[from - 1] : -1,
                 above = to + 1 < at.size() ? mass[to + 1] : -1;
    covered += below > above ? mass[--from] : mass[++to];
  }
  return {from, to};
}

}  // namespace

Innovations Whiten(const AlignedSeries& series) {
  Innovations out;
  out.step = series.step;
  out.timing_error = series.timing_error();
  out.clock_is_known = series.clock_is_known();
  std::vector<double> x = series.values;
  for (double& v : x) v = std::isfinite(v) ? v : kNaN;
  const auto known = static_cast<size_t>(
      std::count_if(x.begin(), x.end(), [](double v) { return std::isfinite(v); }));
  out.values.assign(x.size(), kNaN);
  double level = 0;
  for (const double v : x) level = std::max(level, std::isfinite(v) ? std::abs(v) : 0);
  out.enough = known >= kLeastPairs;
  if (!out.enough) return out;
  // Deviations at the limit of what a double can tell from the level are none.
  if (!Standardise(&x, 1e-9 * level)) return out;
  const int most = MostOrder(x, known);
  const std::vector<size_t> rows = CompleteRows(x, most);
  out.enough = rows.size() >= kLeastPairs;
  if (!out.enough) return out;
  const Autoregression past(x, rows, most);
  out.order = past.order();
  for (const size_t t : CompleteRows(x, past.order())) out.values[t] = past.Residual(x, t);
  Clip(&out.values);
  out.varies = Standardise(&out.values, 1e-6);
  for (const double v : out.values) out.known += std::isfinite(v) ? 1 : 0;
  out.autocorrelation = Autocorrelation(out.values);
  return out;
}

LaggedCorrelation CorrelateLagged(const Innovations& first, const Innovations& second,
                                  int max_lag) {
  LaggedCorrelation out;
  if (first.step != second.step) {
    out.identifiable = Identifiable::kOtherGrid;
    return out;
  }
  if (!first.enough || !second.enough) return out;
  if (!first.varies || !second.varies) {
    out.identifiable = Identifiable::kConstant;
    return out;
  }
  const double overlap = Overlap(first, second);
  std::vector<AtLag> at;
  size_t best = 0, tried = 0;
  double least = 2;
  for (int lag = -max_lag; lag <= max_lag; ++lag) {
    AtLag here = Compare(first.values, second.values, lag, overlap);
    if (here.pairs < kLeastPairs || here.n_eff < kLeastEffective) {
      here.r = 0;
    } else {
      ++tried;
      const double p = TwoSided(here);
      if (p < least) {
        least = p;
        best = at.size();
      }
    }
    at.push_back(here);
  }
  if (tried == 0) return out;
  const auto [from, to] = Narrowest(at, best);
  const auto lag_of = [&](size_t k) { return (static_cast<Nanos>(k) - max_lag) * first.step; };
  const Nanos error = first.step / 2 + first.timing_error + second.timing_error;
  out.identifiable = Identifiable::kYes;
  out.lag = lag_of(best);
  out.lag_least = lag_of(from) - error;
  out.lag_most = lag_of(to) + error;
  out.clocks_known = first.clock_is_known && second.clock_is_known;
  out.r = at[best].r;
  out.n_eff = at[best].n_eff;
  out.p = std::clamp(
      -std::expm1(static_cast<double>(tried) * std::log1p(-std::min(least, 1 - 1e-16))), 0.0, 1.0);
  return out;
}

std::vector<double> FalseDiscoveryRates(const std::vector<double>& p) {
  const size_t m = p.size();
  std::vector<size_t> order(m);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  double harmonic = 0;
  for (size_t i = 1; i <= m; ++i) harmonic += 1 / static_cast<double>(i);
  std::vector<double> q(m);
  double least = 1;
  for (size_t i = m; i-- > 0;) {
    least = std::min(least,
                     p[order[i]] * static_cast<double>(m) * harmonic / static_cast<double>(i + 1));
    q[order[i]] = least;
  }
  return q;
}

}  // namespace tomograph::correlate
