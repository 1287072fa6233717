#include "validate/holdout.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/random.h"

namespace tomograph::validate {

using telemetry::Accuracy;
using telemetry::Basis;
using telemetry::Estimate;
using telemetry::Interval;
using telemetry::Window;
using telemetry::WindowKey;
using telemetry::WindowSet;

namespace {

constexpr double kNormal50 = 0.6744897501960817, kNormal90 = 1.6448536269514722;
constexpr double kGamma = 0.01, kTarget = 0.1;
constexpr double kMostLogWidening = 1.6094379124341003;  // 5 times
constexpr double kWorthTelling = 1.05;
constexpr double kLeastNumber = 0.25;  // of requests, for the variance of a reading
constexpr size_t kRow = 200;
constexpr Nanos kForgotten = kHour;

/// `sd`: of the measurement, if the estimate is right.
bool Held(const Interval& interval, double normal, double measured, double sd) {
  if (sd <= 0) return interval.Contains(measured);  // exact borders for what is counted exactly
  const double half = (interval.upper - interval.lower) / 2;
  const double middle = (interval.upper + interval.lower) / 2;
  return std::fabs(measured - middle) <= std::hypot(half, normal * sd);
}

/// The quantile score at the five levels that an estimate tells, twice.
double Crps(const Estimate& e, double truth) {
  const double at[] = {e.i90.lower, e.i50.lower, e.value, e.i50.upper, e.i90.upper};
  const double level[] = {.05, .25, .5, .75, .95};
  double sum = 0;
  for (int i = 0; i < 5; ++i) sum += (truth - at[i]) * (level[i] - (truth < at[i] ? 1 : 0));
  return 2 * sum / 5;
}

Interval Widened(const Interval& interval, double value, double by) {
  const double least = interval.lower >= 0 ? 0 : -INFINITY;
  return {std::max(least, value - by * (value - interval.lower)),
          value + by * (interval.upper - value)};
}

}  // namespace

Holdout::Holdout(Models models, size_t max_entities)
    : models_(std::move(models)), max_entities_(max_entities) {}

bool Holdout::Hidden(const WindowKey& key, Witness witness, const WindowSet& windows) {
  const auto term = static_cast<uint64_t>(windows.start / (kTerm * windows.length));
  const uint64_t whose =
      MixBits(static_cast<uint64_t>(key.entity)) ^
      MixBits(static_cast<uint64_t>(key.caller) + static_cast<uint64_t>(witness));
  return MixBits(whose ^ MixBits(term)) % kOneIn == 0;
}

void Holdout::Update(const WindowSet& windows) {
  struct Hid {
    Key key;
    Measurement measured;
  };
  std::vector<Hid> hid;
  WindowSet shown = windows;
  for (Window& w : shown.windows) {
    for (const Measurement& m : MeasuredIn(w)) {
      const Key key(m.state, w.key);
      Entity* entity = EntityOf(key);
      if (entity == nullptr) continue;
      entity->last = windows.end();
      if (Hidden(w.key, m.witness, windows)) {
        Hide(m.witness, &w);
        hid.push_back({key, m});
      } else {
        entity->last_shown = m.value;
        entity->was_shown = true;
      }
    }
  }
  std::vector<Estimate> estimates;
  for (const auto& model : models_) model->Update(shown, &estimates);
  std::map<Key, const Estimate*> said;
  for (const Estimate& e : estimates)
    if (e.detail.empty() && e.start == windows.start) said[{e.state, {e.entity, e.caller}}] = &e;
  for (const Hid& h : hid) {
    const auto found = said.find(h.key);
    Score(h.key, h.measured, found == said.end() ? nullptr : found->second, windows.end());
  }
  Forget(windows.end());
}

Holdout::Entity* Holdout::EntityOf(const Key& key) {
  const auto found = entities_.find(key);
  if (found != entities_.end()) return &found->second;
  if (entities_.size() >= max_entities_) return nullptr;
  return &entities_[key];
}

void Holdout::Score(const Key& key, const Measurement& measured, const Estimate* said, Nanos end) {
  Entity& entity = entities_[key];
  State& state = states_[key.first];
  const bool abstained = said == nullptr || said->basis == Basis::kMissing;
  double variance = measured.variance;
  if (!abstained && measured.readings > 0)
    variance += std::max(said->value, kLeastNumber) / measured.readings;
  const double sd = std::sqrt(variance);
  const bool in50 = !abstained && Held(said->i50, kNormal50, measured.value, sd);
  const bool in90 = !abstained && Held(said->i90, kNormal90, measured.value, sd);
  for (Sums* sums : {&entity.sums, &state.sums}) {
    sums->newest = end;
    if (abstained) {
      ++sums->abstained;
      continue;
    }
    ++sums->scored;
    sums->in50 += in50;
    sums->in90 += in90;
    sums->width += said->i90.upper - said->i90.lower;
    sums->measured += measured.value;
    sums->crps += Crps(*said, measured.value);
    if (!entity.was_shown) continue;
    ++sums->naive_scored;
    sums->naive_crps += std::fabs(entity.last_shown - measured.value);
  }
  if (abstained) return;
  // What the intervals would have held as wide as they are made by now.
  const Interval wider = Widened(said->i90, said->value, std::exp(entity.log_widening));
  const double missed = Held(wider, kNormal90, measured.value, sd) ? 0 : 1;
  entity.log_widening =
      std::clamp(entity.log_widening + kGamma * (missed - kTarget), 0.0, kMostLogWidening);
  state.last200.push_back(in90);
  state.held += in90;
  if (state.last200.size() > kRow) {
    state.held -= state.last200.front();
    state.last200.pop_front();
  }
  if (state.last200.size() == kRow)
    state.worst200 = std::min(state.worst200, static_cast<double>(state.held) / kRow);
}

void Holdout::Forget(Nanos now) {
  std::erase_if(entities_, [&](const auto& e) { return e.second.last < now - kForgotten; });
}

std::map<std::string, double> Holdout::Usual() const {
  std::map<std::string, std::vector<double>> of_state;
  for (const auto& [key, entity] : entities_)
    if (entity.sums.scored >= kEnough) of_state[key.first].push_back(std::exp(entity.log_widening));
  std::map<std::string, double> usual;
  for (auto& [state, widenings] : of_state) {
    if (widenings.size() < kEnoughEntities) continue;
    const auto middle = widenings.begin() + static_cast<std::ptrdiff_t>(widenings.size() / 2);
    std::nth_element(widenings.begin(), middle, widenings.end());
    usual[state] = *middle;
  }
  return usual;
}

void Holdout::Widen(std::vector<Estimate>* estimates) const {
  const std::map<std::string, double> usual = Usual();
  for (Estimate& e : *estimates) {
    if (e.basis != Basis::kInferred || !e.detail.empty()) continue;
    double by = 1;
    const auto own = entities_.find({e.state, {e.entity, e.caller}});
    if (own != entities_.end() && own->second.sums.scored >= kEnough) {
      by = std::exp(own->second.log_widening);
    } else if (const auto others = usual.find(e.state); others != usual.end()) {
      by = others->second;
    }
    if (by < kWorthTelling) continue;
    e.i50 = Widened(e.i50, e.value, by);
    e.i90 = Widened(e.i90, e.value, by);
    char text[80];
    std::snprintf(text, sizeof text, "%.1f times as wide as modelled, as hidden measurements ask",
                  by);
    e.note += (e.note.empty() ? "" : "; ") + std::string(text);
  }
}

Accuracy Holdout::AccuracyOf(const Key& key, const Sums& sums) {
  const auto mean = [](double sum, double n) { return n > 0 ? sum / n : std::nan(""); };
  Accuracy a;
  a.state = key.first;
  a.entity = key.second.entity;
  a.caller = key.second.caller;
  a.scored = static_cast<uint64_t>(sums.scored);
  a.abstained = static_cast<uint64_t>(sums.abstained);
  a.in50 = mean(sums.in50, sums.scored);
  a.in90 = mean(sums.in90, sums.scored);
  a.last200_in90 = a.worst200_in90 = std::nan("");
  a.width = mean(sums.width, sums.scored);
  a.mean = mean(sums.measured, sums.scored);
  a.crps = mean(sums.crps, sums.scored);
  a.last_value_crps = mean(sums.naive_crps, sums.naive_scored);
  a.newest = sums.newest;
  return a;
}

std::vector<Accuracy> Holdout::Scores() const {
  const std::map<std::string, double> usual = Usual();
  std::vector<Accuracy> scores;
  for (const auto& [name, state] : states_) {
    scores.push_back(AccuracyOf({name, {}}, state.sums));
    Accuracy& all = scores.back();
    if (state.last200.size() == kRow) {
      all.last200_in90 = static_cast<double>(state.held) / kRow;
      all.worst200_in90 = state.worst200;
    }
    if (const auto found = usual.find(name); found != usual.end()) all.widened = found->second;
    for (auto e = entities_.lower_bound({name, {}}); e != entities_.end() && e->first.first == name;
         ++e) {
      const Sums& sums = e->second.sums;
      if (sums.scored + sums.abstained <= 0) continue;
      scores.push_back(AccuracyOf(e->first, sums));
      if (sums.scored >= kEnough) scores.back().widened = std::exp(e->second.log_widening);
    }
  }
  return scores;
}

}  // namespace tomograph::validate
