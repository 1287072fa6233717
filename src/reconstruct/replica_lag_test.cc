#include "reconstruct/replica_lag.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>

namespace tomograph::reconstruct {
namespace {

using telemetry::Basis;
using telemetry::EntityId;
using telemetry::Estimate;
using telemetry::kNoEntity;
using telemetry::Quantity;
using telemetry::WindowSet;

constexpr EntityId kReplica{7};
constexpr Nanos kWindow = 5 * kSecond;

/// A primary whose writes come and go, and a replica that applies them at a capacity of its own, in
/// order: it knows nothing of phases. Lag is the age of the oldest write that is not applied yet.
class Replication {
 public:
  explicit Replication(uint64_t seed) : random_(seed) {}

  double Second() {
    ++now_;
    if (now_ >= until_) NextMood();
    const double writes = 1 + 0.3 * std::sin(now_ / 50) + 0.2 * std::fabs(random_.Normal(0, 1));
    log_.push_back({now_, writes});
    double room = mood_ * (1 + 0.1 * random_.Normal(0, 1));
    while (!log_.empty() && room > 0) {
      const double taken = std::min(room, log_.front().bytes);
      log_.front().bytes -= taken;
      room -= taken;
      if (log_.front().bytes <= 1e-9) log_.pop_front();
    }
    const double apply = 0.02 + random_.Exponential(0.03);
    return apply + (log_.empty() ? 0 : now_ - log_.front().at + 1);
  }
  bool in_trouble() const { return mood_ < 2; }

 private:
  struct Write {
    double at, bytes;
  };
  void NextMood() {
    if (in_trouble()) {
      mood_ = 4;
      until_ = now_ + 300 + random_.Exponential(600);
      return;
    }
    mood_ = random_.Uniform() < 0.4 ? 0 : 0.9 * random_.Uniform();  // paused or throttled
    until_ = now_ + 120 + random_.Exponential(180);
  }

  Random random_;
  std::deque<Write> log_;
  double now_ = 0, until_ = 300;
  double mood_ = 4;  // what it applies a second
};

double Crps(const Estimate& e, double truth) {
  // Of the distribution whose quantiles the intervals tell, by the quantile score at each.
  const double q[] = {.05, .25, .5, .75, .95};
  const double at[] = {e.i90.lower, e.i50.lower, e.value, e.i50.upper, e.i90.upper};
  double sum = 0;
  for (int i = 0; i < 5; ++i) sum += (truth - at[i]) * (q[i] - (truth < at[i] ? 1 : 0));
  return 2 * sum / 5;
}

struct Score {
  double n = 0, in90 = 0, in50 = 0, crps = 0, naive = 0;
  double both = 0, either = 0, brier = 0;  // of diverged
};

struct Scores {
  Score all, incident;
};

Scores ScoreOf(double read_share, int seeds) {
  Scores scores;
  for (int seed = 1; seed <= seeds; ++seed) {
    Replication replication(static_cast<uint64_t>(seed));
    Random read(static_cast<uint64_t>(seed) * 77);
    ReplicaLagModel model;
    double last = -1;
    for (int w = 0; w < 720; ++w) {
      WindowSet set;
      set.start = w * kWindow;
      set.length = kWindow;
      telemetry::Window window;
      window.key = {kReplica, kNoEntity};
      double sum = 0, lag = 0;
      bool trouble = false;
      for (int s = 0; s < 5; ++s) {
        lag = replication.Second();
        sum += lag;
        trouble |= replication.in_trouble() || lag > 1;
        if (read.Uniform() >= read_share) continue;
        window.gauges[Quantity::kReplicaLag].Add(lag, set.start + (s + 1) * kSecond - 1);
        last = lag;
      }
      if (!window.gauges.empty()) set.windows = {window};
      std::vector<Estimate> estimates;
      model.Update(set, &estimates);
      if (estimates.empty() || w < 24) continue;
      const Estimate& e = estimates[0];
      const Estimate& d = estimates[1];
      const double truth = sum / 5;
      const bool diverged = lag > std::stod(d.detail), said = d.value > 0.5;
      for (Score* s : {&scores.all, trouble ? &scores.incident : nullptr}) {
        if (s == nullptr) continue;
        s->n += 1;
        s->in90 += e.i90.Contains(truth);
        s->in50 += e.i50.Contains(truth);
        s->crps += Crps(e, truth);
        s->naive += std::fabs(last - truth);
        s->both += diverged && said;
        s->either += diverged || said;
        s->brier += (d.value - diverged) * (d.value - diverged);
      }
    }
  }
  return scores;
}

TEST(ReplicaLag, IntervalsCoverWhatWasWithheld) {
  const Scores s = ScoreOf(0.05, 12);
  for (const Score& x : {s.all, s.incident}) {
    std::printf("n %.0f: 90 %% covers %.3f, 50 %% %.3f; CRPS %.3f, last value %.3f; overlap %.3f\n",
                x.n, x.in90 / x.n, x.in50 / x.n, x.crps / x.n, x.naive / x.n, x.both / x.either);
    EXPECT_GT(x.in90 / x.n, 0.86);
    EXPECT_LT(x.in90 / x.n, 0.96);
    EXPECT_LT(x.crps, 0.7 * x.naive);
  }
  EXPECT_GT(s.all.both / s.all.either, 0.8);
}

}  // namespace
}  // namespace tomograph::reconstruct
