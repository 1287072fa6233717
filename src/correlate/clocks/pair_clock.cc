#include "correlate/clocks/pair_clock.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "correlate/clocks/rate_change.h"
#include "telemetry/host_clock.h"

namespace tomograph::correlate {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr OffsetInterval kNoBound{-kInfinity, kInfinity};
constexpr double kUsualDrift = 30e3;    // ns a second: of clocks that nothing is known of
constexpr double kKnownDrift = 10e3;    // ns a second: so well known, drift hides no step
constexpr double kDriftReach = 50e3;    // ns a second: beyond what quartz changes by at once
constexpr double kDriftWander = 50;     // ns a second, a square root of a second
constexpr double kOffsetWander = 1000;  // ns, a square root of a second
constexpr double kSmooth = 0.8;         // weight of what the spacing was before
constexpr size_t kSpacings = 4;
constexpr size_t kWellSeen = 10;      // points on either side of a step
constexpr double kMuchBetter = 0.85;  // of the spread without a step
constexpr double kMuchLikelier = 10;  // nats; of one explanation than another
constexpr double kSure = 6;           // standard deviations that no noise explains
constexpr double kSurprising = 3;     // standard deviations; of a drift hardly known
constexpr double kSuspicious = 4;     // two such in a row and to one side neither

double Square(double x) { return x * x; }

double MedianOf(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// How far the points lie from their median, in all.
double Spread(const std::vector<double>& values) {
  const double median = MedianOf(values);
  double sum = 0;
  for (const double v : values) sum += std::abs(v - median);
  return sum;
}

std::vector<double> Level0(const std::vector<BandPoint>& side, double slope) {
  std::vector<double> values;
  for (const BandPoint& p : side) values.push_back(p.value - slope * p.t);
  return values;
}

/// Does any line fit? `drift.likely` is tried first, since it mostly does and looking for one is
/// dear.
bool Fits(const BandPoints& points, const DriftRange& drift) {
  const OffsetInterval cut = CutAt0(points, drift.likely);
  return cut.upper >= cut.lower || BandFit(points, drift).feasible();
}

/// Mean spacing of the smallest values; negative when there are too few.
double SpacingOf(std::vector<double> values) {
  if (values.size() < 3) return -1;
  std::sort(values.begin(), values.end());
  const size_t k = std::min(kSpacings, values.size() - 1);
  return (values[k] - values[0]) / static_cast<double>(k);
}

/// What the calls of lax points make likely.
std::vector<double> LikelyAt0(const BandPoints& points, double slope) {
  std::vector<double> values;
  for (const auto* side : {&points.upper, &points.lower})
    for (const BandPoint& p : *side)
      if (!std::isnan(p.likely)) values.push_back(p.likely - slope * p.t);
  return values;
}

std::vector<double> Negated(std::vector<double> values) {
  for (double& v : values) v = -v;
  return values;
}

size_t MayBeLeftOut(const BandPoints& points) { return 1 + points.size() / 50; }

/// The point that binds a side at one slope.
size_t Binding(const std::vector<BandPoint>& side, double slope, bool upper) {
  size_t best = 0;
  for (size_t i = 1; i < side.size(); ++i) {
    const double v = side[i].value - slope * side[i].t;
    const double b = side[best].value - slope * side[best].t;
    if (upper ? v < b : v > b) best = i;
  }
  return best;
}

/// Leaves those out that are not, as long as both sides have some.
template <typename Clear>
void KeepClear(const Clear& clear, BandPoints* points) {
  BandPoints kept = *points;
  std::erase_if(kept.upper, [&](const BandPoint& p) { return !clear(p); });
  std::erase_if(kept.lower, [&](const BandPoint& p) { return !clear(p); });
  if (kept.two_sided()) *points = std::move(kept);
}

BandPoints Without(BandPoints points, double slope, bool upper) {
  auto& side = upper ? points.upper : points.lower;
  if (!side.empty())
    side.erase(side.begin() + static_cast<std::ptrdiff_t>(Binding(side, slope, upper)));
  return points;
}

}  // namespace

/// Variance of the middle of a band as its own points show it; negative when there are too few.
double PairClock::NoiseOf(const BandPoints& points) const {
  const std::vector<double> likely = LikelyAt0(points, drift_);
  if (!likely.empty()) {
    const double n = static_cast<double>(likely.size());
    // Of a median: pi / 2 that of a mean; and the mean deviation is 0.8 standard deviations.
    return n < 3 ? -1 : 1.57 * Square(1.25 * Spread(likely) / n) / n;
  }
  const double above = SpacingOf(Level0(points.upper, drift_));
  const double below = SpacingOf(Negated(Level0(points.lower, drift_)));
  return above < 0 || below < 0 ? -1 : (Square(above) + Square(below)) / 4;
}

PairClock::Reading PairClock::Read(const BandPoints& points) const {
  const OffsetInterval cut = CutAt0(points, drift_);
  const std::vector<double> likely = LikelyAt0(points, drift_);
  Reading reading;
  reading.middle = (cut.lower + cut.upper) / 2;
  reading.gap = cut.upper - cut.lower;
  if (!likely.empty() && reading.gap > 0)
    reading.middle = std::clamp(MedianOf(likely), cut.lower, cut.upper);
  const double uniform = Square(reading.gap) / 12;  // nothing known but the band
  const double now = NoiseOf(points);
  if (now < 0) {
    reading.variance = uniform;
  } else {
    // The spacing of a few is itself noisy: a small one must not make a window seem exact.
    reading.variance =
        scale_squared_ > 0 ? std::max(scale_squared_, (now + scale_squared_) / 2) : 2 * now;
    if (reading.gap > 0) reading.variance = std::min(reading.variance, uniform);
  }
  reading.variance = std::max(reading.variance, Square(coarse_));
  return reading;
}

void PairClock::Learn(const BandPoints& points) {
  const OffsetInterval cut = CutAt0(points, drift_);
  const double gap = std::max(0.0, cut.upper - cut.lower);
  usual_gap_ = usual_gap_ > 0 ? kSmooth * usual_gap_ + (1 - kSmooth) * gap : gap;
  const double now = NoiseOf(points);
  if (now < 0) return;
  scale_squared_ = scale_squared_ > 0 ? kSmooth * scale_squared_ + (1 - kSmooth) * now : now;
}

void PairClock::Advance(double seconds) {
  offset_ += drift_ * seconds;
  p00_ += seconds * (2 * p01_ + seconds * p11_) + Square(kOffsetWander) * seconds;
  p01_ += seconds * p11_;
  p11_ += Square(kDriftWander) * seconds;
}

void PairClock::Update(const Reading& reading) {
  const double innovation = reading.middle - offset_;
  const double s = p00_ + reading.variance;
  const double k0 = p00_ / s, k1 = p01_ / s;
  offset_ += k0 * innovation;
  drift_ = std::clamp(drift_ + k1 * innovation, -kMaxSlew, kMaxSlew);
  p11_ -= k1 * p01_;
  p01_ *= 1 - k0;
  p00_ *= 1 - k0;
}

void PairClock::Start(const Reading& reading) {
  known_ = true;
  offset_ = reading.middle;
  p00_ = reading.variance;
  p01_ = 0;
  p11_ = Square(kUsualDrift);
  suspicion_ = 0;
}

void PairClock::ForgetOffset() {
  p00_ = Square(static_cast<double>(kSecond));  // no reading is as bad, and it is still exact to ns
  p01_ = 0;
  scale_squared_ = 0;
  suspicion_ = 0;
}

/// What surprises more than it should was known worse than it seemed: drift of a clock that runs
/// off as no quartz does.
void PairClock::Doubt() {
  const double factor = Square(suspicion_);
  p00_ *= factor;
  p01_ *= factor;
  p11_ *= factor;
}

bool PairClock::DriftKnown() const { return known_ && p11_ <= Square(kKnownDrift); }

DriftRange PairClock::PossibleDrift() const {
  const double reach = kDriftReach + kSuspicious * (known_ ? std::sqrt(p11_) : kUsualDrift);
  return {std::max(drift_ - reach, -kMaxSlew), drift_, std::min(drift_ + reach, kMaxSlew)};
}

/// Of a clock that is not slewed, by what is known of it.
DriftRange PairClock::DriftNearby() const {
  const double reach = kKnownDrift + kSuspicious * std::sqrt(p11_);
  return {drift_ - reach, drift_, drift_ + reach};
}

/// Of lines: nothing but a line is taken for a slew that goes on unseen.
DriftRange PairClock::AllowedDrift() const {
  const DriftRange possible = PossibleDrift();
  return {std::min(possible.least, -kMaxSlope), drift_, std::max(possible.most, kMaxSlope)};
}

BandFit PairClock::Fit(const BandPoints& points) const {
  const BandFit fit(points, AllowedDrift());
  if (fit.feasible()) return fit;
  const BandFit steep(points, kAnyDrift);
  return steep.feasible() ? steep : fit;
}

bool PairClock::Agrees(const Reading& reading) const {
  if (!known_) return true;
  const double sd = std::sqrt(p00_ + reading.variance);
  const double off = (reading.middle - offset_) / sd;
  return std::abs(off) < kSure && !(std::abs(off) > kSuspicious &&
                                    std::abs(suspicion_) > kSuspicious && off * suspicion_ > 0);
}

bool PairClock::TryOutliers(BandPoints* points, PairWindow* out) const {
  BandPoints rest = *points;
  const size_t most = MayBeLeftOut(rest);
  double contradiction = 0;
  for (size_t k = 1; k <= most; ++k) {
    const BandFit fit(rest, AllowedDrift());
    const double slope = fit.feasible() ? drift_ : fit.slope();
    if (!fit.feasible()) contradiction = std::max(contradiction, -fit.gap());
    const BandPoints a = Without(rest, slope, true), b = Without(rest, slope, false);
    if (!a.two_sided() || !b.two_sided()) return false;
    const auto merit = [&](const BandPoints& p) {
      // A feasible band first, then one that agrees with the state.
      const double gap = BandFit(p, AllowedDrift()).gap();
      if (gap < 0) return gap - 1e18;
      return known_ ? -std::abs(Read(p).middle - offset_) : gap;
    };
    rest = merit(a) >= merit(b) ? a : b;
    const Reading reading = Read(rest);
    if (!BandFit(rest, AllowedDrift()).feasible() || !Agrees(reading)) continue;
    if (known_) {
      // Leaving out has to bring the window back to what is usual, not just to the brink of it.
      const double sd = std::sqrt(p00_ + reading.variance);
      if (std::abs(reading.middle - offset_) > kSuspicious * sd) continue;
    }
    out->verdict = PairWindow::Verdict::kOutliers;
    out->left_out = k;
    out->vouched_to = out->covered_to = -kInfinity;  // they may as well come after a step
    out->size = std::max(contradiction, std::abs(Read(*points).middle - reading.middle));
    *points = std::move(rest);
    return true;
  }
  return false;
}

/// Of a stretch without a step.
PairLevel PairClock::Level(const BandPoints& points, double half) const {
  PairLevel level{offset_, p00_, drift_, p11_, {kNoBound, kNoBound, kNoBound}};
  const BandFit fit = Fit(points);
  if (points.size() == 0 || !fit.feasible()) return level;
  for (size_t i = 0; i < 3; ++i) level.bounds[i] = fit.At((static_cast<double>(i) - 1) * half);
  level.offset = std::clamp(level.offset, level.bounds[1].lower, level.bounds[1].upper);
  return level;
}

/// Of a window in which no step was seen.
void PairClock::BoundUnstepped(const BandPoints& points, double half, PairWindow* out) {
  PairLevel* level = &out->after;
  *level = Level(points, half);
  out->before = *level;
  if (points.size() == 0 || !Fit(points).feasible()) {
    carried_ = kNoBound;
    return;
  }
  CarryOver(points, half, level);
  const OffsetInterval carried = carried_;
  carried_ = level->bounds[2];
  // Of a clock that is slewed, which quartz cannot do, nothing but the line holds.
  const Covered covered = CoveredIn(points, carried, half);
  out->covered_to = std::min(out->covered_to, covered.to);
  const auto despite = BoundsDespiteAStep(points, carried, PossibleDrift(), covered, half);
  for (size_t k = 0; k < 3; ++k) {
    OffsetInterval& bound = level->bounds[k];
    if (!points.lower.empty()) bound.lower = std::min(bound.lower, despite[k].lower);
    if (!points.upper.empty()) bound.upper = std::max(bound.upper, despite[k].upper);
  }
  out->before = *level;
}

/// A side of which the window has nothing is bounded by what was before, as in a window without
/// calls, unless the other side shows that this is over.
void PairClock::CarryOver(const BandPoints& points, double half, PairLevel* level) {
  if (points.two_sided()) return;
  const OffsetInterval now = level->bounds[0];
  if (now.lower > carried_.upper || now.upper < carried_.lower) carried_ = kNoBound;
  for (size_t k = 0; k < 3; ++k) {
    const OffsetInterval then = Carried(static_cast<double>(k) * half);
    if (points.lower.empty()) level->bounds[k].lower = then.lower;
    if (points.upper.empty()) level->bounds[k].upper = then.upper;
  }
}

Covered PairClock::CoveredIn(const BandPoints& points, OffsetInterval carried, double half) const {
  const bool begins = std::isinf(carried.lower) && std::isinf(carried.upper);
  return CoveredBy(points, drift_, usual_gap_ > 0 ? usual_gap_ : kInfinity, begins, half);
}

/// What the last window says of some seconds after the start of this one.
OffsetInterval PairClock::Carried(double seconds) const {
  const DriftRange drift = PossibleDrift();
  return {carried_.lower + drift.least * seconds, carried_.upper + drift.most * seconds};
}

/// By when the clocks of a long call were read, its end or its start, the calls of a window may or
/// may not fall apart into those before a step and those after it.
bool PairClock::TryStep(const BandPoints& points, double half, PairWindow* out) {
  BandPoints by_start = points;
  for (auto* side : {&by_start.upper, &by_start.lower}) {
    for (BandPoint& p : *side) p.t -= p.lasted;
    std::sort(side->begin(), side->end(),
              [](const BandPoint& a, const BandPoint& b) { return a.t < b.t; });
  }
  PairClock first = *this, second = *this;
  PairWindow at_end = *out, at_start = *out;
  const bool ends = first.Split(points, half, /*by_start=*/false, &at_end);
  const bool starts = second.Split(by_start, half, /*by_start=*/true, &at_start);
  if (!ends && !starts) return false;
  const bool choose_ends =
      ends && (!starts || at_end.at_start || at_end.spread <= at_start.spread / kMuchBetter);
  PairClock chosen = choose_ends ? first : second;
  *out = choose_ends ? at_end : at_start;
  BoundStepped(points, chosen, half, out);
  const OffsetInterval carried = out->after.bounds[2];
  *this = chosen;
  carried_ = carried;
  return true;
}

/// The bounds of a window with a step that was seen.
void PairClock::BoundStepped(const BandPoints& points, const PairClock& after, double half,
                             PairWindow* out) const {
  // When a call was is known as well as the clocks are, and not by those that just stepped.
  const double known =
      std::isinf(carried_.upper - carried_.lower) ? 0 : carried_.upper - carried_.lower;
  const double unsure = (std::abs(out->size) + known) * 1e-9;
  const Covered likely{std::max(out->step_from - unsure, -half),
                       std::min(out->step_to + unsure, half)};
  Covered covered = CoveredIn(points, carried_, half);
  covered = {std::min(covered.from, likely.from), std::max(covered.to, likely.to)};
  const bool steep = out->verdict == PairWindow::Verdict::kRateChange || !DriftKnown();
  const StepSides sides =
      SidesOfAStep(points, carried_, steep ? kAnyDrift : AllowedDrift(), covered, likely, half);
  out->before.bounds = Level(sides.before, half).bounds;
  for (size_t k = 0; k < 3; ++k) {
    const OffsetInterval then = Carried(static_cast<double>(k) * half);
    if (sides.before.lower.empty()) out->before.bounds[k].lower = then.lower;
    if (sides.before.upper.empty()) out->before.bounds[k].upper = then.upper;
  }
  // Of few calls none may be left after the last instant at which it may have been: then those
  // after the likely one bound. Wrong when it was within the last of them.
  const auto likeliest = out->after.bounds;
  out->after.bounds = after.Level(sides.after, half).bounds;
  for (size_t k = 0; k < 3; ++k) {
    OffsetInterval& bound = out->after.bounds[k];
    if (sides.after.lower.empty()) bound.lower = likeliest[k].lower;
    if (sides.after.upper.empty()) bound.upper = likeliest[k].upper;
  }
  out->may_from = sides.from;
  out->may_to = sides.to;
  out->covered_to = covered.to;
  // Where it may have been nearly anywhere, two lines say less than the calls one by one do.
  const DriftRange drift = steep ? DriftRange{-kMaxSlew, drift_, kMaxSlew} : PossibleDrift();
  const auto despite = BoundsDespiteAStep(points, carried_, drift, covered, half);
  double of_lines = 0, of_calls = 0;
  for (size_t k = 0; k < 3; ++k) {
    const OffsetInterval a = out->before.bounds[k], b = out->after.bounds[k];
    of_lines = std::max(of_lines, std::max(a.upper, b.upper) - std::min(a.lower, b.lower));
    of_calls = std::max(of_calls, despite[k].upper - despite[k].lower);
  }
  if (of_calls < of_lines) {
    out->before.bounds = out->after.bounds = despite;
    out->may_from = likely.from;
    out->may_to = likely.to;
  }
  if (out->at_start) out->before = out->after;
}

/// Calls in one direction alone tell no level of their own: how far they lie from where such calls
/// would at the known one, delayed as those after the step are; ns in all.
double PairClock::BesideKnown(const BandPoints& before, const BandPoints& after) const {
  if (!known_ || before.size() == 0 || before.two_sided()) return 0;
  const OffsetInterval level = CutAt0(after, drift_);
  const double moved = offset_ - (level.lower + level.upper) / 2;
  const bool upper = !before.upper.empty();
  const double own = MedianAt0(upper ? before.upper : before.lower, drift_);
  const double usual = MedianAt0(upper ? after.upper : after.lower, drift_) + moved;
  return std::abs(own - usual) * static_cast<double>(before.size());
}

/// One level before some instant, another after it. Points are ordered by the end of their calls
/// or by the start; the clocks were read at some time in between.
bool PairClock::Split(const BandPoints& points, double half, bool by_start, PairWindow* out) {
  std::vector<double> times;
  for (const BandPoint& p : points.upper) times.push_back(p.t);
  for (const BandPoint& p : points.lower) times.push_back(p.t);
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  const auto part = [&](size_t from, size_t to) {  // of times[from] to before times[to]
    return points.Between(from == 0 ? -kInfinity : times[from],
                          to == times.size() ? kInfinity : times[to]);
  };
  // A clock that is set goes on as fast as before.
  const DriftRange allowed = DriftKnown() ? DriftNearby() : AllowedDrift();
  // Costs of a split before times[i]; i = 0: all is after the step.
  std::vector<double> cost(times.size(), kInfinity), spread = cost;
  for (size_t i = 0; i < times.size(); ++i) {
    const BandPoints after = part(i, times.size());
    if (!after.two_sided() || !Fits(after, allowed)) continue;
    if (i == 0 && !known_) continue;
    const BandPoints before = part(0, i);
    if (i > 0 && !Fits(before, allowed)) continue;
    spread[i] = SpreadOf(before, drift_) + SpreadOf(after, drift_);
    cost[i] = spread[i] + BesideKnown(before, after);
  }
  const size_t best =
      static_cast<size_t>(std::min_element(cost.begin(), cost.end()) - cost.begin());
  if (cost[best] == kInfinity) return false;
  // Every split about as good may be the true one.
  const double noise =
      3 * cost[best] / static_cast<double>(std::max<size_t>(1, points.size())) + 2 * kMicrosecond;
  size_t first = best, last = best;
  for (size_t i = 0; i < cost.size(); ++i) {
    if (cost[i] > cost[best] + noise) continue;
    first = std::min(first, i);
    last = std::max(last, i);
  }
  BandPoints before = part(0, first), after = part(last, times.size());
  if (first > 0) {
    const double from = times[first - 1], to = times[last];
    // Calls that began before it and ended after it may have read their clocks at either time.
    const auto clear = [&](const BandPoint& p) {
      return by_start ? p.t + p.lasted <= to : p.t - p.lasted >= from;
    };
    KeepClear(clear, by_start ? &before : &after);
  }
  if (first > 0 && TakeStep(before, after, half, out)) {
    out->spread = spread[best];
    out->well_seen = std::min(before.size(), after.size()) >= kWellSeen;
    out->step_from = -2 * half;
    out->step_to = half;
    for (const auto* side : {&before.upper, &before.lower})
      for (const BandPoint& p : *side)
        out->step_from = std::max(out->step_from, by_start ? p.t : p.t - p.lasted);
    for (const auto* side : {&after.upper, &after.lower})
      for (const BandPoint& p : *side)
        out->step_to = std::min(out->step_to, by_start ? p.t + p.lasted : p.t);
    out->step_at = (times[best - 1] + times[best]) / 2;
    return true;
  }
  // Or all of the window comes after it: in the window before, if nothing explained that.
  if (cost[0] == kInfinity || !TakeStep({}, points, half, out)) return false;
  out->step_from = unexplained_ ? -3 * half : -2 * half;
  out->step_at = -half;
  out->step_to = times[0];
  out->spread = spread[0];
  out->at_start = true;
  out->before = out->after;
  return true;
}

bool PairClock::TakeStep(const BandPoints& before, const BandPoints& after, double half,
                         PairWindow* out) {
  if (!after.two_sided()) return false;
  PairClock earlier = *this;
  if (before.two_sided()) {
    const Reading reading = earlier.Read(before);
    if (!earlier.known_) {
      earlier.Start(reading);
    } else if (earlier.Agrees(reading)) {
      earlier.Update(reading);
    } else {
      return false;
    }
  } else if (!known_) {
    return false;
  }
  const Reading reading = earlier.Read(after);
  const double size = reading.middle - earlier.offset_;
  const double by_drift = before.two_sided() ? earlier.p11_ * Square(half) : 0;
  if (std::abs(size) < kSuspicious * std::sqrt(earlier.p00_ + by_drift + reading.variance))
    return false;
  out->verdict = PairWindow::Verdict::kStep;
  out->size = size;
  out->before = earlier.Level(before, half);
  *this = earlier;
  double drift_variance = p11_;  // a clock that is set goes on as fast as before
  if (last_step_ * size > 0)
    drift_variance = std::max(drift_variance, Square(size / (2 * half)));  // or it never was a step
  Start(reading);
  p11_ = drift_variance;
  out->after = Level(after, half);
  return true;
}

/// A clock that is slewed: its rate changes, and its offset does not jump. Only from a drift that
/// is known, or to one that none has by itself; and when no step, or no few outliers, explain the
/// window about as well.
bool PairClock::TryRateChange(const BandPoints& points, double half, PairWindow* out) {
  if (!known_ || usual_gap_ <= 0) return false;
  const auto change = FindRateChange(points, offset_, drift_, usual_gap_, half);
  if (!change) return false;
  if (!DriftKnown() && std::abs(change->slope - drift_) < kMaxSlope) return false;
  PairClock stepped = *this;
  PairWindow step = *out;
  // Of deviations as exponential as delays are, the logarithm of how much likelier a change is.
  const auto likelier = [&](double spread) {
    return static_cast<double>(points.size()) * std::log(spread / change->spread);
  };
  if (stepped.TryStep(points, half, &step) && likelier(step.spread) < kMuchLikelier) return false;
  BandPoints rest = points;
  PairWindow unused = *out;
  if (TryOutliers(&rest, &unused) && likelier(SpreadOf(rest, drift_)) < kMuchLikelier) return false;
  const BandPoints after_it = points.Between(change->at, kInfinity);
  PairClock after = *this;
  after.drift_ = change->slope;
  const Reading reading = after.Read(after_it);
  after.Start(reading);
  after.p11_ = Square(change->slope_sd);
  // The line is known best in the middle of its calls.
  const double best_at = (std::max(change->at, -half) + half) / 2;
  after.p01_ = -best_at * after.p11_;
  after.p00_ += Square(best_at) * after.p11_;
  out->verdict = PairWindow::Verdict::kRateChange;
  out->size = (change->slope - drift_) * (half - change->at);
  out->spread = change->spread;
  out->step_from = change->from;
  out->step_at = change->at;
  out->step_to = change->to;
  out->before = Level(points.Between(-kInfinity, change->at), half);
  out->after = after.Level(after_it, half);
  BoundStepped(points, after, half, out);
  *this = after;
  carried_ = out->after.bounds[2];
  return true;
}

/// A step inside the window can look like a few outliers at the end of it, or like drift where that
/// is not known. It is one when two levels explain far more than the other does.
bool PairClock::StepsRather(const BandPoints& points, double half, bool consistent,
                            PairWindow* out) {
  if (consistent && DriftKnown()) return false;
  PairClock stepped = *this;
  PairWindow step = *out;
  if (!stepped.TryStep(points, half, &step) || step.at_start || !step.well_seen) return false;
  if (!DriftKnown()) {
    const double usual = known_ ? std::sqrt(p11_) : kUsualDrift;
    for (const double sd : {-2, -1, 0, 1, 2})
      if (step.spread > kMuchBetter * SpreadOf(points, drift_ + sd * usual)) return false;
  }
  if (consistent) {
    *this = stepped;
    *out = step;
    return true;
  }
  BandPoints rest = points;
  PairWindow unused = *out;
  if (TryOutliers(&rest, &unused) && step.spread > kMuchBetter * SpreadOf(rest, drift_))
    return false;
  *this = stepped;
  *out = step;
  return true;
}

PairWindow PairClock::Close(const OffsetBand& band, Nanos start, Nanos length, Nanos slack,
                            bool anew) {
  const double half = ToSeconds(length) / 2;
  const Nanos middle = start + length / 2;
  if (known_ && middle - at_ > telemetry::kClockMemory) known_ = false;
  if (!known_) base_ = band.Base();
  BandPoints points = band.Points(base_, slack, length);
  const bool outlived = distrusted_ && (start > last_contact_ || !points.two_sided());
  const double drift_variance = outlived && known_ ? p11_ : kInfinity;  // drift outlives a step
  if (outlived) known_ = false;
  distrusted_ = false;
  if (known_) Advance(ToSeconds(middle - at_));
  if (anew) ForgetOffset();
  // The last window's end and this one's start.
  const double idle = telemetry::kClockWander * static_cast<double>(start - last_contact_);
  carried_ = known_ ? OffsetInterval{carried_.lower - idle, carried_.upper + idle} : kNoBound;
  at_ = middle;
  last_contact_ = start + length;
  coarse_ = std::max<double>(kMicrosecond, static_cast<double>(slack) / 2);
  PairWindow out;
  out.base = base_;
  if (points.two_sided()) out.vouched_to = std::min(points.upper.back().t, points.lower.back().t);
  out.covered_to = half;
  const Reading reading = points.two_sided() ? Read(points) : Reading{};
  const BandFit fit(points, AllowedDrift());
  if (!points.two_sided()) {
    // One direction bounds from one side, and can only refute what was known.
    out.vouched_to = out.covered_to = -kInfinity;
    const OffsetInterval at = fit.At(0);
    const double beyond = std::max(offset_ - at.upper, at.lower - offset_);
    if (known_ && beyond > kSure * std::sqrt(p00_)) {
      known_ = false;
      out.verdict = PairWindow::Verdict::kContradiction;
      out.size = beyond;
      drift_ = 0;
      carried_ = kNoBound;
    }
    BoundUnstepped(points, half, &out);
  } else if (!(fit.feasible() && Agrees(reading)) && TryRateChange(points, half, &out)) {
    offset_ = out.after.offset;
  } else if (StepsRather(points, half, fit.feasible() && Agrees(reading), &out)) {
    offset_ = out.after.offset;
  } else if ((fit.feasible() && Agrees(reading)) || TryOutliers(&points, &out)) {
    const Reading used = Read(points);
    if (known_) {
      suspicion_ = (used.middle - offset_) / std::sqrt(p00_ + used.variance);
      if (!DriftKnown() && std::abs(suspicion_) > kSurprising) Doubt();
      Update(used);
    } else {
      Start(used);
      p11_ = std::min(p11_, drift_variance);
    }
    Learn(points);
    BoundUnstepped(points, half, &out);
    offset_ = out.after.offset;
  } else if (TryStep(points, half, &out)) {
    offset_ = out.after.offset;
  } else if (!known_ && Fit(points).feasible()) {
    // Nothing to compare with, and no slower line fits: it is slewed already.
    drift_ = Fit(points).slope();
    Start(Read(points));
    Learn(points);
    BoundUnstepped(points, half, &out);
    offset_ = out.after.offset;
  } else {
    out.verdict = PairWindow::Verdict::kContradiction;
    out.size = fit.feasible() ? std::abs(reading.middle - offset_) : -fit.gap();
    out.before = out.after = {offset_, p00_, drift_, p11_, {kNoBound, kNoBound, kNoBound}};
    carried_ = kNoBound;
    // Believed twice: what was known is then wrong, whatever it is that happened.
    if (Fit(points).feasible()) known_ = false;
  }
  unexplained_ = out.verdict == PairWindow::Verdict::kContradiction;
  last_step_ = out.verdict == PairWindow::Verdict::kStep ? out.size : 0;
  out.measured = known_;
  bounds_ = out.after.bounds;
  return out;
}

std::optional<PairWindow> PairClock::Predict(Nanos start, Nanos length) const {
  const Nanos middle = start + length / 2;
  if (distrusted_ || middle - at_ > telemetry::kClockMemory) return std::nullopt;
  PairClock later = *this;
  if (known_) later.Advance(ToSeconds(middle - at_));
  PairWindow out;
  out.base = base_;
  out.measured = known_;
  out.vouched_to = -kInfinity;
  out.after = {later.offset_, later.p00_, later.drift_, later.p11_, {}};
  const double half = ToSeconds(length) / 2;
  for (size_t i = 0; i < 3; ++i) {
    const double age = ToSeconds(start - last_contact_) + static_cast<double>(i) * half;
    const double wander = telemetry::kClockWander * 1e9 * age;
    out.after.bounds[i] = {bounds_[2].lower - wander, bounds_[2].upper + wander};
  }
  out.before = out.after;
  return out;
}

}  // namespace tomograph::correlate
