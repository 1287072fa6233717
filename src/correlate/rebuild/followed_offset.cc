#include "correlate/rebuild/followed_offset.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "telemetry/host_clock.h"

namespace tomograph::correlate {
namespace {

const double kReach_s = ToSeconds(FollowedOffset::kReach);
constexpr double kSurelyOff = 2e-3;    // s
constexpr double kNearby = .02;        // s: what is looked at around a known offset
constexpr double kFirstDrift = 30e-6;  // s a second, as of quartz
constexpr double kMostDrift = 500e-6;  // as steep as a clock is slewed
constexpr double kDriftWander = 5e-8;  // s a second, a square root of a second
constexpr double kFinest = 5e-6;       // s: of a measured offset
constexpr double kJump = 5;            // standard deviations
constexpr double kChange = 1e-3;       // that from one call to the next the clock jumps
constexpr double kBelieved = .9;       // that a call goes by an offset, to place it by that
constexpr double kRooms[] = {.001, .003, .01, .03, .1, .3};  // s
constexpr double kPlausible = .9;                            // that clocks are in sync, to go by it
constexpr int kLongestPause = 12;  // slots without a search, after searches without result
// Where calls are few, those of the slots before are searched as well.
constexpr size_t kFew = 32;

// What calls meet at offsets that are none is chance.
constexpr double kDecoys[] = {-.53, -.37, -.23, -.11, .11, .23, .37, .53};  // s
constexpr double kLeastChance = .01, kMostChance = .98;
constexpr double kTemper = .5;  // calls come in bursts: their evidence counts half
constexpr double kDoubted = 4;  // log odds, to go by what is expected no more

using Shares = std::vector<double>;  // by line, the last is of none

/// What is expected, as a line; of what calls spend between the hosts nothing is known.
OffsetLine Held(const FollowedOffset::Expected& expected) {
  return {expected.offset, 0, 3 * expected.sigma, kReach_s, 0, 0};
}

}  // namespace

CallTime OffsetLine::Back(CallTime received) const {
  // The drift within a call is nothing against the tolerance.
  const double ahead = At(received.start);
  return {received.start - ahead, received.end - ahead};
}

bool OffsetLine::HasSender(std::span<const CallTime> sent, CallTime received) const {
  return HasSentAround(sent, Back(received), room, 0, tolerance);
}

bool OffsetLine::HasReceiver(CallTime sent, std::span<const CallTime> received,
                             double decoy) const {
  const double ahead = At(sent.start) + decoy;
  const double from = sent.start + ahead - tolerance, end = sent.end + ahead + tolerance;
  auto r = std::lower_bound(received.begin(), received.end(), from,
                            [](const CallTime& c, double t) { return c.start < t; });
  for (; r != received.end() && r->start <= from + room + 2 * tolerance; ++r)
    if (r->end <= end && sent.length() - r->length() <= room) return true;
  return false;
}

size_t FollowedOffset::Reading::LineOf(size_t i) const {
  size_t k = 0;
  while (k < lines.size() && goes_by[i][k] < kBelieved) ++k;
  return k;
}

/// The calls of a slot, without the clock's drift.
class FollowedOffset::Slot {
 public:
  Slot(Nanos middle, double drift, std::span<const CallTime> sent,
       std::span<const CallTime> received, std::span<const CallTime> later)
      : middle_(middle), drift_(drift), sent_(sent), raw_(received) {
    for (const CallTime& r : received) received_.push_back(Evened(r));
    for (const CallTime& r : later) later_.push_back(Evened(r));
  }

  Nanos middle() const { return middle_; }
  std::span<const CallTime> sent() const { return sent_; }
  std::span<const CallTime> raw() const { return raw_; }
  std::span<const CallTime> received() const { return received_; }
  std::pair<Nanos, Nanos> Raw(size_t i) const {
    return {middle_ + FromSeconds(raw_[i].start), middle_ + FromSeconds(raw_[i].end)};
  }

  /// Those from `from` on, after those of the slots before that nothing explained.
  std::vector<CallTime> With(std::span<const std::pair<Nanos, Nanos>> astray, size_t from) const {
    std::vector<CallTime> calls;
    for (const auto& [start, end] : astray)
      calls.push_back(Evened({ToSeconds(start - middle_), ToSeconds(end - middle_)}));
    calls.insert(calls.end(), received_.begin() + static_cast<std::ptrdiff_t>(from),
                 received_.end());
    return calls;
  }

  UnpairedOffset::Posterior Around(double offset, double reach, double room,
                                   const UnpairedOffset::Prior& prior) const {
    return UnpairedOffset(sent_, received_, offset, reach, room).Given(prior);
  }

  /// With the room that tells most.
  static UnpairedOffset::Posterior Search(std::span<const CallTime> sent,
                                          std::span<const CallTime> received, double around,
                                          double reach, const UnpairedOffset::Prior& prior,
                                          double* room) {
    UnpairedOffset::Posterior best;
    best.evidence = -std::numeric_limits<double>::infinity();
    for (const double r : kRooms) {
      const auto found = UnpairedOffset(sent, received, around, reach, r).Given(prior);
      if (found.evidence <= best.evidence) continue;
      best = found;
      *room = r;
    }
    return best;
  }
  UnpairedOffset::Posterior Search(std::span<const CallTime> received, double around, double reach,
                                   const UnpairedOffset::Prior& prior, double* room) const {
    return Search(sent_, received, around, reach, prior, room);
  }

  /// By call and line the probability that it goes by that; what is left goes by none. A hidden
  /// Markov chain, forward and backward: calls go on by what those before them went by, but for a
  /// jump. `before` is what the last call before the slot went by.
  void Assign(const Shares& before, Reading* reading) const {
    const std::vector<OffsetLine>& lines = reading->lines;
    std::vector<CallTime> calls = received_;
    for (const CallTime& r : later_)
      if (SentIsKnown(r, lines)) calls.push_back(r);
    const size_t n = calls.size(), states = lines.size() + 1;
    std::vector<Shares> forward(n), fit(n);
    reading->at_end = before;
    Shares last = before;
    for (size_t i = 0; i < n; ++i) {
      fit[i] = Fit(calls[i], lines);
      forward[i] = Changed(last);
      for (size_t k = 0; k < states; ++k) forward[i][k] *= fit[i][k];
      Normalize(&forward[i]);
      last = forward[i];
      if (i + 1 == received_.size()) reading->at_end = last;
    }
    Shares after(states, 1);
    for (size_t i = n; i-- > 0;) {
      for (size_t k = 0; k < states; ++k) {
        forward[i][k] *= after[k];
        after[k] *= fit[i][k];
      }
      Normalize(&forward[i]);
      after = Changed(after);
      Normalize(&after);
    }
    reading->goes_by = std::move(forward);
    reading->in_doubt.assign(n, false);
    UnmixSetBack(calls, fit, reading);
    reading->goes_by.resize(received_.size());
    reading->in_doubt.resize(received_.size());
  }

  double ShareOf(const OffsetLine& line) const {
    const auto hits = std::count_if(received_.begin(), received_.end(),
                                    [&](const CallTime& r) { return Hit(r, line); });
    return static_cast<double>(hits) / static_cast<double>(std::max<size_t>(received_.size(), 1));
  }

 private:
  CallTime Evened(CallTime t) const {
    const double by = drift_ * t.start;
    return {t.start - by, t.end - by};
  }

  bool Hit(const CallTime& received, const OffsetLine& line) const {
    // Beyond the slot the clock may run at another rate than is known so far.
    const double beyond = std::max(0.0, received.start - ToSeconds(kSlot) / 2);
    return HasSentAround(sent_, received, line.room, line.offset,
                         line.tolerance + kMostDrift * beyond);
  }

  /// How well each line explains a call, and none.
  Shares Fit(const CallTime& received, const std::vector<OffsetLine>& lines) const {
    Shares fit(lines.size() + 1, 1);
    for (size_t k = 0; k < lines.size(); ++k) {
      const double chance = lines[k].chance;
      const double share =
          std::clamp(lines[k].share, chance + (1 - chance) * .01, chance + (1 - chance) * .99);
      fit[k] = Hit(received, lines[k]) ? share / chance : (1 - share) / (1 - chance);
    }
    return fit;
  }

  /// All that may have been sent for it, by any of the lines, has come.
  static bool SentIsKnown(const CallTime& received, const std::vector<OffsetLine>& lines) {
    const double until = ToSeconds(kSlot) / 2 + kReach_s;
    return std::all_of(lines.begin(), lines.end(), [&](const OffsetLine& line) {
      return received.end - line.offset + line.room + line.tolerance < until;
    });
  }

  /// If the clock was set back, what is received since is also among what was before, by as much.
  void UnmixSetBack(const std::vector<CallTime>& calls, const std::vector<Shares>& fit,
                    Reading* reading) const {
    const std::vector<OffsetLine>& lines = reading->lines;
    if (lines.size() > 1) {
      const double by = lines.front().offset - lines.back().offset;
      if (by <= 0) return;
      const auto [from, to] = ShownTwice(calls, by, fit);
      for (size_t i = from; i < to; ++i) {
        const bool before = Hit(calls[i], lines.front()), after = Hit(calls[i], lines.back());
        if (before == after) {
          reading->in_doubt[i] = true;
          continue;
        }
        Shares& at = reading->goes_by[i] = fit[i];
        at.back() = 0;
        Normalize(&at);
      }
      return;
    }
    // It may have been, where calls cease to go by the only line.
    size_t since = calls.size();
    while (since > 0 && reading->goes_by[since - 1].front() < kBelieved) --since;
    if (since == calls.size()) return;
    for (size_t i = since; i-- > 0 && calls[i].start >= calls[since].start - kReach_s;)
      reading->in_doubt[i] = !Hit(calls[i], lines.front());
  }

  /// The calls within the times that a clock shows twice which is set back by so much: before them
  /// all go by the first line, after them by the last, and among them by either. The instant that
  /// explains them best.
  static std::pair<size_t, size_t> ShownTwice(const std::vector<CallTime>& calls, double by,
                                              const std::vector<Shares>& fit) {
    const size_t n = calls.size();
    std::vector<double> first(n + 1), either(n + 1), last(n + 1), ends;  // sums up to a call
    for (size_t i = 0; i < n; ++i) {
      const double a = fit[i].front(), b = fit[i][1];
      first[i + 1] = first[i] + std::log(a);
      either[i + 1] = either[i] + std::log((a + b) / 2);
      last[i + 1] = last[i] + std::log(b);
      ends.insert(ends.end(), {calls[i].start, calls[i].start + by});
    }
    std::sort(ends.begin(), ends.end());
    const auto before = [&](double t) {
      const auto at = std::upper_bound(calls.begin(), calls.end(), t,
                                       [](double x, const CallTime& c) { return x < c.start; });
      return static_cast<size_t>(at - calls.begin());
    };
    std::pair<size_t, size_t> best{0, 0};
    double most = last[n];
    for (const double end : ends) {
      const size_t from = before(end - by), to = before(end);
      const double explains = first[from] + either[to] - either[from] + last[n] - last[to];
      if (explains > most) most = explains, best = {from, to};
    }
    return best;
  }

  static Shares Changed(const Shares& from) {
    const double all = std::accumulate(from.begin(), from.end(), 0.0);
    Shares to;
    for (const double p : from)
      to.push_back(p * (1 - kChange) + all * kChange / static_cast<double>(from.size()));
    return to;
  }
  static void Normalize(Shares* p) {
    const double all = std::accumulate(p->begin(), p->end(), 0.0);
    for (double& x : *p) x /= all;
  }

  Nanos middle_;
  double drift_;
  std::span<const CallTime> sent_, raw_;
  std::vector<CallTime> received_, later_;
};

double FollowedOffset::sigma() const { return std::sqrt(covariance_[0]); }

/// By how much an offset may miss within a slot.
double FollowedOffset::Tolerance(double offset_sigma) const {
  return 3 * offset_sigma + std::sqrt(covariance_[2]) * ToSeconds(kSlot) / 2;
}

void FollowedOffset::Searched(bool found) {
  fruitless_ = found ? 0 : fruitless_ + 1;
  pause_ = found ? 0 : std::min(fruitless_, kLongestPause);
}

void FollowedOffset::Predict(Nanos to) {
  if (known_ && to - confirmed_ > telemetry::kClockMemory) {
    known_ = false;
    pause_ = fruitless_ = 0;
  }
  if (!known_) {
    at_ = std::max(at_, to);
    drift_ = covariance_[0] = covariance_[1] = 0;
    covariance_[2] = kFirstDrift * kFirstDrift;
    return;
  }
  const double dt = std::max(0.0, ToSeconds(to - at_));
  const double wander = kDriftWander * kDriftWander;
  offset_ += drift_ * dt;
  covariance_[0] += dt * (2 * covariance_[1] + dt * covariance_[2]) + wander * dt * dt * dt / 3;
  covariance_[1] += dt * covariance_[2] + wander * dt * dt / 2;
  covariance_[2] += wander * dt;
  at_ = std::max(at_, to);
  line_ = {offset_, drift_, Tolerance(sigma()), room_, share_, line_.chance};
}

void FollowedOffset::Measure(double measured, double sigma) {
  const double variance = std::max(sigma, kFinest) * std::max(sigma, kFinest);
  const double surprise = measured - offset_;
  const double gain = covariance_[0] / (covariance_[0] + variance);
  const double drift_gain = covariance_[1] / (covariance_[0] + variance);
  offset_ += gain * surprise;
  drift_ += drift_gain * surprise;
  covariance_[2] -= drift_gain * covariance_[1];
  covariance_[1] *= 1 - gain;
  covariance_[0] *= 1 - gain;
}

void FollowedOffset::Jump(double measured, double sigma) {
  const double by = measured - offset_;
  // A second one in a row to the same side: the clock runs at another rate, if one may.
  const double rate = drift_ + by / ToSeconds(kSlot);
  const bool again = known_ && at_ - jumped_at_ <= kSlot && by * jumped_by_ > 0;
  if (again && std::abs(rate) <= kMostDrift) drift_ = rate;
  covariance_[2] = std::max(covariance_[2], kFirstDrift * kFirstDrift);
  jumped_at_ = at_;
  jumped_by_ = by;
  offset_ = measured;
  covariance_[0] = std::max(sigma, kFinest) * std::max(sigma, kFinest);
  covariance_[1] = 0;
  known_ = true;
  doubt_ = 0;
}

FollowedOffset::Reading FollowedOffset::Read(std::span<const CallTime> sent,
                                             std::span<const CallTime> some_sent,
                                             std::span<const CallTime> received,
                                             std::span<const CallTime> later,
                                             const Expected& expected) {
  const Slot slot(at_, known_ ? drift_ : 0, sent, received, later);
  pause_ = std::max(0, pause_ - 1);
  Reading reading = known_ ? ReadKnown(slot, some_sent) : ReadUnknown(slot, some_sent, expected);
  Learn(slot, &reading);
  reading.doubt = doubt_;
  Count(slot, expected, &reading);
  return reading;
}

void FollowedOffset::Count(const Slot& slot, const Expected& expected, Reading* reading) {
  expected_ = expected;
  const std::span<const CallTime> received = slot.raw();
  read_ += received.size();
  const OffsetLine held = Held(expected);
  for (size_t i = 0; i < received.size(); ++i) {
    const size_t by = reading->as_expected ? 0 : reading->LineOf(i);
    const OffsetLine* line = reading->as_expected         ? &held
                             : by < reading->lines.size() ? &reading->lines[by]
                                                          : nullptr;
    reading->explained.push_back(line != nullptr && line->HasSender(slot.sent(), received[i]));
    if (!reading->explained.back()) continue;
    ++explained_;
    // A call may say that it began at any time; it is of this slot.
    const double start = std::clamp(received[i].start, -ToSeconds(kLookBack), ToSeconds(kSlot));
    last_explained_ = std::max(last_explained_, at_ + FromSeconds(start));
  }
}

/// What was sent has something received within it, if the offset is that: at least half of
/// what may have. Page's test over the slots, against as many as at offsets that are none.
void FollowedOffset::Doubt(const Slot& slot, const OffsetLine& line) {
  const std::span<const CallTime> received = slot.raw();
  const double half = ToSeconds(kSlot) / 2;
  int sent = 0, met = 0;
  double by_chance = 0;
  for (const CallTime& s : slot.sent()) {
    const double end = s.end + line.At(s.end);
    if (end < -half || end >= half) continue;
    ++sent;
    met += line.HasReceiver(s, received);
    for (const double decoy : kDecoys)
      by_chance += line.HasReceiver(s, received, decoy) / static_cast<double>(std::size(kDecoys));
  }
  if (sent == 0) return;
  const double chance = std::clamp(by_chance / sent, kLeastChance, kMostChance);
  const double most = std::min(1., static_cast<double>(received.size()) / sent);
  const double share = chance + (1 - chance) * most / 2;
  const double odds =
      (sent - met) * std::log((1 - chance) / (1 - share)) + met * std::log(chance / share);
  doubt_ = std::clamp(doubt_ + kTemper * odds, 0., 2 * kDoubted);
}

FollowedOffset::Told FollowedOffset::told() const {
  const bool as_expected = !known_ && plausible_ && doubt_ < kDoubted;
  Told told{known_, as_expected, 0, 0, 0, read_, explained_, last_explained_, steps_, last_step_};
  if (known_) told.offset = offset_, told.sigma = sigma(), told.drift = drift_;
  if (told.as_expected) told.offset = expected_.offset, told.sigma = expected_.sigma;
  return told;
}

void FollowedOffset::TellStep(const Slot& slot, const Reading& reading) {
  const double by = reading.last().offset - reading.first().offset;
  const double slewed = kMostDrift * ToSeconds(std::max(at_ - confirmed_, kSlot));
  const double noise = std::hypot(sigma(), reading.moved.sigma);
  if (std::abs(by) <= std::max(kInSync, slewed + kJump * noise)) return;
  const Nanos before = FromSeconds(reading.first().offset);
  const Nanos after = FromSeconds(reading.last().offset);
  Nanos last = last_explained_ - before, next = INT64_MAX;
  for (size_t i = 0; i < slot.received().size(); ++i) {
    const Nanos start = slot.Raw(i).first;
    if (reading.LineOf(i) == 0) last = std::max(last, start - before);
    if (reading.LineOf(i) == 1) next = std::min(next, start - after);
  }
  if (next == INT64_MAX) next = slot.middle() - after;
  ++steps_;
  last_step_ = {std::min(last, next), std::max(last, next), FromSeconds(by)};
}

UnpairedOffset::Posterior FollowedOffset::SearchAll(const Slot& slot,
                                                    std::span<const CallTime> some_sent,
                                                    const std::vector<CallTime>& received,
                                                    const UnpairedOffset::Prior& prior,
                                                    double* room) {
  auto found = slot.Search(received, 0, kReach_s, prior, room);
  plausible_ = found.expected >= kPlausible;
  if (!found.found && !some_sent.empty())
    found = Slot::Search(some_sent, received, 0, kReach_s, prior, room);
  Searched(found.found);
  return found;
}

FollowedOffset::Reading FollowedOffset::ReadUnknown(const Slot& slot,
                                                    std::span<const CallTime> some_sent,
                                                    const Expected& expected) {
  Reading reading;
  if (expected.sigma > 0) Doubt(slot, Held(expected));
  if (pause_ == 0) {
    const UnpairedOffset::Prior prior{expected.offset, expected.sigma, -1, doubt_};
    double room = 0;
    reading.moved = SearchAll(slot, some_sent, slot.With(astray_, 0), prior, &room);
    if (reading.moved.found) {
      const auto& at = reading.moved;
      reading.lines = {{at.offset, 0, Tolerance(at.sigma), room, at.share, at.chance}};
      slot.Assign({.5, .5}, &reading);
    }
  }
  reading.as_expected = reading.lines.empty() && plausible_ && doubt_ < kDoubted;
  return reading;
}

FollowedOffset::Reading FollowedOffset::ReadKnown(const Slot& slot,
                                                  std::span<const CallTime> some_sent) {
  Reading reading;
  double room = room_;
  const double sigma = this->sigma(), reach = std::max(kNearby, 6 * sigma);
  const auto here = slot.Around(offset_, reach, room_, {offset_, sigma, share_});
  const double surprise = std::abs(here.offset - offset_);
  const bool as_expected =
      here.found && surprise <= kJump * std::sqrt(sigma * sigma + here.sigma * here.sigma);
  // The drift of the slot's times is that before.
  const double drift = drift_;
  if (as_expected) Measure(here.offset, here.sigma);
  if (here.found && !as_expected) reading.moved = here;
  line_ = {offset_, drift, Tolerance(this->sigma()), room_, share_, here.chance};
  reading.lines = {line_};
  Doubt(slot, line_);
  slot.Assign({holds_, 1 - holds_}, &reading);
  // A jump shows as calls at the end that do not go by it.
  const size_t n = slot.received().size();
  size_t from = n;
  while (from > 0 && reading.LineOf(from - 1) != 0) --from;
  if (as_expected && from == n) {
    confirmed_ = slot.middle();
    share_ += .2 * (slot.ShareOf(line_) - share_);
    if (n >= kFew) {
      const auto again = slot.Search(slot.received(), offset_, reach, {offset_, sigma}, &room);
      if (std::exchange(room_, room) != room) share_ = again.share;
    }
  }
  if (!reading.moved.found && from < n && pause_ == 0) {
    reading.moved = SearchAll(slot, some_sent, slot.With(astray_, from), {}, &room);
  }
  if (!reading.moved.found) return reading;
  const auto& at = reading.moved;
  reading.lines.push_back({at.offset, drift, Tolerance(at.sigma), room, at.share, at.chance});
  slot.Assign({holds_, 0, 1 - holds_}, &reading);
  return reading;
}

void FollowedOffset::Learn(const Slot& slot, Reading* reading) {
  if (reading->moved.found) astray_.clear();
  const size_t n = slot.received().size();
  for (size_t i = 0; i < n && n < kFew; ++i) {
    if (reading->lines.empty() || reading->goes_by[i].back() > 1 - kBelieved ||
        reading->in_doubt[i])
      astray_.push_back(slot.Raw(i));
  }
  std::erase_if(astray_, [&](const auto& a) { return a.first < slot.middle() - kLookBack; });
  if (astray_.size() > kFew)
    astray_.erase(astray_.begin(), astray_.end() - static_cast<std::ptrdiff_t>(kFew));
  if (reading->lines.empty() || n == 0) return;
  // What the last calls go by is what the next ones are expected to go by.
  const Shares& last = reading->at_end;
  const size_t found = reading->lines.size() - 1;
  holds_ = last[0];
  if (!reading->moved.found || (found > 0 && last[found] <= last[0])) return;
  reading->jumped = found > 0;
  if (reading->jumped) TellStep(slot, *reading);
  Jump(reading->moved.offset, reading->moved.sigma);
  room_ = reading->lines.back().room;
  share_ = reading->moved.share;
  holds_ = last[found];
  confirmed_ = slot.middle();
  off_ = off_ || std::abs(reading->moved.offset) > kSurelyOff;
}

}  // namespace tomograph::correlate
