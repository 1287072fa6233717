// TraceTime: for how long the traces that a sampler left out kept a key busy in a window, as the
// seen ones and the windows before say it.
//
// How many there are: CallHistory. How long each takes: gamma distributed with an inverse gamma
// mean, so that few seen ones (of skewed times most lie below their mean) say little, and the past
// speaks for what it scattered around. As there, the past may end: the same with hardly any past
// stands beside it, weighed by how well each foresaw the window. Conjugate throughout (Gelman et
// al., Bayesian Data Analysis, 2013, ch. 2).
#pragma once

#include <algorithm>
#include <cmath>

#include "reconstruct/call_history.h"
#include "reconstruct/posterior.h"
#include "reconstruct/span_evidence.h"

namespace tomograph::reconstruct {

class TraceTime {
 public:
  /// Was any trace ever seen here?
  bool known() const { return traces_ > 0; }

  /// Seconds of all traces, of which `traces_seen` with `seconds` in all (and `squares`, the sum of
  /// their squares) were seen. `counted`: how many more there were, where metrics tell it. Learns
  /// the window.
  Moments Total(double traces_seen, double seconds, double squares, const SpanEvidence& e,
                const Moments* counted = nullptr) {
    const Times before = Before(), vague = Vague(before);
    const double odds =
        kSame / (1 - kSame) *
        std::exp(before.LogSeen(traces_seen, seconds) - vague.LogSeen(traces_seen, seconds));
    const double same = std::isfinite(odds) ? odds / (1 + odds) : 1;
    const auto of = [&](const Moments& unseen) {
      return Mixed(before.After(traces_seen, seconds).Of(unseen),
                   vague.After(traces_seen, seconds).Of(unseen), same);
    };
    const CallHistory::Rates rates = history_.After(traces_seen);
    Moments all = counted != nullptr
                      ? of(*counted)
                      : Mixed(of(Unseen(rates.as_before, e)), of(Unseen(rates.afresh, e)),
                              rates.as_before_probability);
    all.floor = seconds;
    Learn(traces_seen, seconds, squares);
    return all;
  }
  /// A window in which none was seen, although traces of others came.
  void LearnSilence() {
    if (known()) history_.Learn(0);
  }

 private:
  /// A trace's time is gamma distributed, `shape` its shape; the rate is Gamma(a, b).
  struct Times {
    double shape = 1, a = 1, b = 0;
    Times After(double traces, double seconds) const {
      return {shape, a + traces * shape, b + seconds};
    }
    double LogSeen(double traces, double seconds) const {
      const double n = traces * shape;
      if (!(n > 0) || !(b > 0)) return 0;
      return std::lgamma(a + n) - std::lgamma(a) + a * std::log(b) -
             (a + n) * std::log(b + seconds);
    }
    /// Seconds of so many traces.
    Moments Of(const Moments& traces) const {
      if (!(a > 1)) return {};                          // nothing is known
      const double inverse = b / (a - 1);               // E[1 / rate]
      const double finite = std::max(a, kLeastFinite);  // from 2 down it has no variance
      const double news = traces.mean * shape;
      const double square =
          (news + news * news + traces.variance * shape * shape) * (finite - 1) / (finite - 2);
      return {0, news * inverse, std::max(0.0, square - news * news) * inverse * inverse};
    }
  };

  static Moments Unseen(const CallHistory::Rate& rate, const SpanEvidence& e) {
    const double unseen = e.weight - 1, all = e.weight * rate.mean();
    return {0, unseen * rate.mean(),
            unseen * rate.mean() + unseen * unseen * rate.variance() + all * all * e.log_variance};
  }
  double Shape() const {
    const double mean = traces_ > 0 ? seconds_ / traces_ : 0;
    const double scatter = mean > 0 ? squares_ / (traces_ * mean * mean) - 1 : 1;
    return 1 / std::clamp((traces_ * scatter + kAssumedTraces) / (traces_ + kAssumedTraces),
                          kLeastScatter, kMostScatter);
  }
  Times Before() const {
    const double shape = Shape();
    if (!(seconds_ > 0)) return {shape, 1, 0};
    const double assumed = kAssumedTraces;
    const double unrest =
        std::max(kLeastUnrest, (beyond_ + assumed * kAssumedUnrest) / (seen_ + assumed));
    const double a = 1 / (1 / (shape * traces_) + unrest) + 1;
    return {shape, a, (a - 1) * seconds_ / (traces_ * shape)};
  }
  Times Vague(const Times& before) const {
    if (!(before.b > 0)) return before;
    return {before.shape, kVague, (kVague - 1) * before.b / (before.a - 1)};
  }
  void Learn(double traces, double seconds, double squares) {
    history_.Learn(traces);
    if (!(traces > 0)) return;
    if (traces_ > 0 && seconds_ > 0) {
      const double off = seconds / traces / (seconds_ / traces_) - 1;
      const double by_chance = (1 / traces + 1 / traces_) / Shape();
      beyond_ = kKeepUnrest * beyond_ + traces * std::min(1.0, off * off - by_chance);
      seen_ = kKeepUnrest * seen_ + traces;
    }
    traces_ = kKeep * traces_ + traces;
    seconds_ = kKeep * seconds_ + seconds;
    squares_ = kKeep * squares_ + squares;
  }

  static constexpr double kKeep = 0.8;   // a window with traces: half is forgotten after 3
  static constexpr double kSame = 0.95;  // how often times are as before
  static constexpr double kKeepUnrest = 0.97;
  static constexpr double kLeastUnrest = 0.0005;  // variance of a mean over its square
  static constexpr double kAssumedUnrest = 0.04;  // before anything is seen,
  static constexpr double kAssumedTraces = 5;     // which counts for so many
  static constexpr double kLeastScatter = 0.05, kMostScatter = 20;
  static constexpr double kVague = 3, kLeastFinite = 2.5;
  CallHistory history_;
  double traces_ = 0, seconds_ = 0, squares_ = 0;
  double beyond_ = 0, seen_ = 0;  // what means moved beyond chance, over their square, and of what
};

}  // namespace tomograph::reconstruct
