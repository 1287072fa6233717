#include "reconstruct/replica_lag.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <string>

#include "reconstruct/estimates.h"

namespace tomograph::reconstruct {
namespace {

using telemetry::Basis;
using telemetry::Estimate;
using telemetry::GaugeStats;
using telemetry::Quantity;
using telemetry::Window;
using telemetry::WindowKey;
using telemetry::WindowSet;

// How often a phase ends, 1/s. Orders of magnitude: what readings say soon outweighs them.
constexpr double kOftenFalls = 1.0 / 1200;
constexpr double kProposedFalls = 1.0 / 60;
constexpr double kOftenRecovers = 1.0 / 60;
constexpr double kOftenChangesSpeed = 1.0 / 90;
constexpr double kOftenRelapses = 1.0 / 240;
constexpr double kStops = 0.5;  // of those that fall behind, the share that applies nothing at all
constexpr double kCatchUpMedian = 1, kCatchUpLogSd = 1.5;  // s a second

constexpr double kLeastLag_s = 1e-3;  // below, clocks say more than replication
constexpr double kReadingShare = 0.05, kReadingTick_s = 0.2;
constexpr double kTail = 4;            // degrees of freedom of a reading's error
constexpr double kMistaken = 1e-4;     // density, 1/s, of a reading that nothing explains
constexpr double kForget = 1.0 / 200;  // of what is usual, a reading
constexpr double kNudge = 0.02;        // a window, by how much particles stray
constexpr double kAllSeconds = 0.8;    // so many readings a second: it is measured
constexpr size_t kQuantiles = 64;
constexpr double kMostSteps = 15;       // a window
constexpr double kLeastOfPhase = 0.25;  // of all particles
constexpr double kLeastBeyond_s = 1, kBeyondUsual = 10;

/// Quantiles of the standard normal distribution at (i + 1/2) / kQuantiles.
double StandardNormal(size_t i) {
  static const auto table = [] {
    std::array<double, kQuantiles> quantiles;
    for (size_t k = 0; k < kQuantiles; ++k) {
      const double q = (static_cast<double>(k) + 0.5) / kQuantiles;
      double low = -8, high = 8;
      for (int halving = 0; halving < 50; ++halving) {
        const double middle = (low + high) / 2;
        (std::erfc(-middle / std::numbers::sqrt2) / 2 < q ? low : high) = middle;
      }
      quantiles[k] = low;
    }
    return quantiles;
  }();
  return table[i];
}

double SpeedOfFall(Random* random) {
  return random->Uniform() < kStops ? 1 : 1 - random->Uniform() * 0.98;
}

double SpeedOfRecovery(Random* random) {
  return -kCatchUpMedian * std::exp(random->Normal(0, kCatchUpLogSd));
}

double ReadingSd(double lag) { return kReadingTick_s + kReadingShare * lag; }

/// Student's t of what is read when the lag is `lag`.
double ReadingDensity(double reading, double lag) {
  const double sd = ReadingSd(lag), x = (reading - lag) / sd;
  static const double norm = std::exp(std::lgamma((kTail + 1) / 2) - std::lgamma(kTail / 2)) /
                             std::sqrt(kTail * std::numbers::pi);
  return norm / sd * std::pow(1 + x * x / kTail, -(kTail + 1) / 2);
}

double Beyond(double usual) { return std::max(kLeastBeyond_s, kBeyondUsual * usual); }

/// Of (value, weight), ordered by value.
double QuantileOf(const std::vector<std::pair<double, double>>& sorted, double total, double q) {
  double up_to = 0;
  for (const auto& [value, weight] : sorted) {
    up_to += weight;
    if (up_to >= q * total) return value;
  }
  return sorted.back().first;
}

}  // namespace

void ReplicaLagModel::Usual::Learn(double lag) {
  const double x = std::log(std::max(lag, kLeastLag_s));
  readings += 1;
  const double share = std::max(1 / readings, kForget);
  const double off = x - log_median;
  log_median += share * (readings < 4 ? off : std::clamp(off, -2 * log_sd, 2 * log_sd));
  // A first guess of the scatter counts as two readings.
  const double of_scatter = std::max(1 / (readings + 2), kForget);
  const double square = std::min(off * off, 9 * log_sd * log_sd);
  if (readings > 1) {
    log_sd = std::sqrt(std::max(log_sd * log_sd + of_scatter * (square - log_sd * log_sd), 1e-4));
  }
  for (size_t i = 0; i < quantiles.size(); ++i)
    quantiles[i] = static_cast<float>(std::exp(log_median + log_sd * StandardNormal(i)));
}

double ReplicaLagModel::Usual::Draw(Random* random) const {
  return quantiles[random->Below(quantiles.size())];
}

double ReplicaLagModel::Usual::Density(double lag) const {
  const double x = std::max(lag, kLeastLag_s);
  // Less than usual is no symptom, however much less: it corrects what was held to be usual.
  const double z = std::max((std::log(x) - log_median) / log_sd, -1.0);
  return std::exp(-z * z / 2) / (x * log_sd * std::sqrt(2 * std::numbers::pi));
}

double ReplicaLagModel::Usual::median() const { return std::exp(log_median); }

void ReplicaLagModel::Step(double seconds, Replica* replica, Particle* p) {
  Random* random = &replica->random;
  const auto happens = [&](double often) { return random->Uniform() < often * seconds; };
  switch (p->phase) {
    case Phase::kFollows:
      p->lag = replica->usual.Draw(random);
      if (happens(kProposedFalls)) {
        p->weight *= kOftenFalls / kProposedFalls;
        p->phase = Phase::kFallsBehind;
        p->speed = SpeedOfFall(random);
      } else {
        p->weight *= (1 - kOftenFalls * seconds) / (1 - kProposedFalls * seconds);
      }
      return;
    case Phase::kFallsBehind:
      p->lag += p->speed * seconds;
      if (happens(kOftenRecovers)) {
        p->phase = Phase::kCatchesUp;
        p->speed = SpeedOfRecovery(random);
      } else if (happens(kOftenChangesSpeed)) {
        p->speed = SpeedOfFall(random);
      }
      return;
    case Phase::kCatchesUp:
      p->lag += p->speed * seconds;
      if (p->lag <= replica->usual.median()) {
        p->phase = Phase::kFollows;
        p->lag = replica->usual.Draw(random);
      } else if (happens(kOftenRelapses)) {
        p->phase = Phase::kFallsBehind;
        p->speed = SpeedOfFall(random);
      } else if (happens(kOftenChangesSpeed)) {
        p->speed = SpeedOfRecovery(random);
      }
  }
}

void ReplicaLagModel::Nudge(Replica* replica, Particle* p) {
  if (p->phase == Phase::kFollows) return;
  p->lag = std::max(p->lag + replica->random.Normal(0, kNudge) * ReadingSd(p->lag) * 5, 0.0);
  if (p->speed == 1) return;
  p->speed *= std::exp(replica->random.Normal(0, 2 * kNudge));
  if (p->phase == Phase::kFallsBehind) p->speed = std::min(p->speed, 1.0);
}

void ReplicaLagModel::Move(const WindowSet& windows, Nanos look, Replica* replica) {
  const double length = ToSeconds(windows.length);
  const double steps = std::clamp(std::ceil(length), 1.0, kMostSteps);
  const double seconds = length / steps;
  const double looked_at = ToSeconds(look - windows.start) / seconds;
  for (Particle& p : replica->particles) {
    double sum = 0;
    for (int step = 0; step < static_cast<int>(steps); ++step) {
      const double before = p.lag;
      Step(seconds, replica, &p);
      sum += p.phase == Phase::kFollows ? p.lag : (before + p.lag) / 2;
      const double into = looked_at - step;
      if (into >= 0 && into < 1) p.at_look = before + into * (p.lag - before);
    }
    p.mean = sum / steps;
    Nudge(replica, &p);
  }
}

void ReplicaLagModel::Weigh(double reading, Replica* replica) {
  double total = 0, follows = 0;
  const double usual = replica->usual.Density(reading);
  for (Particle& p : replica->particles) {
    const bool at_rest = p.phase == Phase::kFollows;
    p.weight *= kMistaken + (at_rest ? usual : ReadingDensity(reading, p.at_look));
    total += p.weight;
    follows += at_rest ? p.weight : 0;
  }
  if (follows > 0.5 * total) replica->usual.Learn(reading);
}

bool ReplicaLagModel::Uneven(const Replica& replica) {
  double sum = 0, squares = 0;
  for (const Particle& p : replica.particles) {
    sum += p.weight;
    squares += p.weight * p.weight;
  }
  return sum * sum < 0.5 * squares * static_cast<double>(kParticles);
}

void ReplicaLagModel::Resample(Replica* replica) {
  constexpr size_t kPhases = 3;
  std::array<std::vector<Particle>, kPhases> of;
  std::array<double, kPhases> weight{};
  for (const Particle& p : replica->particles) {
    of[static_cast<size_t>(p.phase)].push_back(p);
    weight[static_cast<size_t>(p.phase)] += p.weight;
  }
  const double total = weight[0] + weight[1] + weight[2];
  std::array<double, kPhases> share{};
  for (size_t k = 0; k < kPhases; ++k)
    share[k] = weight[k] > 0 ? std::max(weight[k] / total, kLeastOfPhase) : 0;
  const double shares = share[0] + share[1] + share[2];
  replica->particles.clear();
  for (size_t k = 0; k < kPhases; ++k) {
    const auto n = static_cast<size_t>(std::lround(share[k] / shares * kParticles));
    const double step = weight[k] / static_cast<double>(std::max<size_t>(n, 1));
    double at = replica->random.Uniform() * step, up_to = 0;
    size_t from = 0;
    for (size_t i = 0; i < n; ++i, at += step) {
      while (from + 1 < of[k].size() && up_to + of[k][from].weight < at)
        up_to += of[k][from++].weight;
      Particle p = of[k][from];
      p.weight = step / total;
      replica->particles.push_back(p);
    }
  }
}

void ReplicaLagModel::Emit(WindowKey key, const WindowSet& windows, const GaugeStats* measured,
                           const Replica& replica, std::vector<Estimate>* estimates) {
  Estimate lag = EstimateOf("replica_lag", key, windows, "s");
  Estimate diverged = EstimateOf("replica_diverged", key, windows, "1");
  const double beyond = Beyond(replica.usual.median());
  char detail[32];
  std::snprintf(detail, sizeof detail, "%.3g s", beyond);
  diverged.detail = detail;
  const double silent = ToSeconds(windows.end() - replica.last_reading);
  if (silent > ToSeconds(kSilent)) {
    lag.note = diverged.note = "nobody has measured its lag for ten minutes";
    estimates->insert(estimates->end(), {lag, diverged});
    return;
  }
  std::vector<std::pair<double, double>> means;
  double late = 0, total = 0;
  for (const Particle& p : replica.particles) {
    means.emplace_back(p.mean, p.weight);
    total += p.weight;
    late += p.lag > beyond ? p.weight : 0;
  }
  std::sort(means.begin(), means.end());
  const auto quantile = [&](double q) { return QuantileOf(means, total, q); };
  Spread spread{quantile(.5), {quantile(.25), quantile(.75)}, {quantile(.05), quantile(.95)}};
  const double seconds = ToSeconds(windows.length);
  if (measured != nullptr && measured->samples >= kAllSeconds * seconds && seconds >= 1) {
    const double value = measured->mean();
    spread = {value, {value, value}, {value, value}};
    Fill(spread, Basis::kObserved, 1, "readings", &lag);
  } else {
    Fill(spread, Basis::kInferred, 0.9, "particle_filter", &lag);
  }
  const double p = late / total;
  // Of yes and no, those that belong to the most likely 50 and 90 %.
  const auto credible = [p](double most) {
    return telemetry::Interval{p > most ? 1.0 : 0.0, 1 - p > most ? 0.0 : 1.0};
  };
  Fill({p, credible(.5), credible(.9)}, Basis::kInferred, std::max(p, 1 - p), "particle_filter",
       &diverged);
  lag.evidence = diverged.evidence = {
      WindowEvidence(key, replica.last_reading / windows.length * windows.length)};
  estimates->insert(estimates->end(), {std::move(lag), std::move(diverged)});
}

void ReplicaLagModel::Update(const WindowSet& windows, std::vector<Estimate>* estimates) {
  std::map<WindowKey, const GaugeStats*> readings;
  for (const Window& w : windows.windows) {
    const auto at = w.gauges.find(Quantity::kReplicaLag);
    if (at == w.gauges.end() || at->second.samples == 0) continue;
    readings[w.key] = &at->second;
    const auto [known, fresh] =
        replicas_.try_emplace(w.key, MixBits(static_cast<uint64_t>(w.key.entity)));
    if (!fresh) continue;
    // Before the first reading the lag may have been anything; what it says is believed.
    Replica& replica = known->second;
    replica.usual.Learn(at->second.min);
    replica.particles.resize(kParticles);
    for (Particle& p : replica.particles) {
      p.lag = at->second.last;
      if (replica.random.Uniform() < 0.2) {
        p.phase = Phase::kFallsBehind;
        p.speed = SpeedOfFall(&replica.random);
      }
    }
  }
  for (auto it = replicas_.begin(); it != replicas_.end();) {
    Replica& replica = it->second;
    const auto reading = readings.find(it->first);
    const GaugeStats* measured = reading == readings.end() ? nullptr : reading->second;
    Move(windows, measured != nullptr ? measured->last_ns : windows.end(), &replica);
    if (measured != nullptr) {
      replica.last_reading = measured->last_ns;
      Weigh(std::max(measured->last, 0.0), &replica);
    }
    if (measured != nullptr || Uneven(replica)) Resample(&replica);
    Emit(it->first, windows, measured, replica, estimates);
    const bool forgotten = windows.end() - replica.last_reading > kForgetSilent;
    it = forgotten ? replicas_.erase(it) : std::next(it);
  }
}

}  // namespace tomograph::reconstruct
