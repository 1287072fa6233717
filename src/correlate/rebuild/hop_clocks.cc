#include "correlate/rebuild/hop_clocks.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include "telemetry/host_clock.h"

namespace tomograph::correlate {
namespace {

using linking::CallRecord;
using telemetry::EntityId;

const double kReach_s = ToSeconds(HopClocks::kReach);
constexpr double kInSync = 1e-3;       // s: that clocks are off, as long as nothing says otherwise
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
constexpr Nanos kForgotten = kHour;
// Where calls are few, those of the slots before are searched as well.
constexpr size_t kFew = 32;
constexpr Nanos kLookBack = kMinute;

Nanos SlotOf(Nanos t) {
  const Nanos into = t % HopClocks::kSlot;
  return t - (into < 0 ? into + HopClocks::kSlot : into);
}

/// An offset that the calls of a slot may go by.
struct Line {
  double offset = 0, tolerance = 0;
  double room = 0, share = 0, chance = 0;
};

using Shares = std::vector<double>;  // by line, the last is of none

}  // namespace

/// The calls of one host in one slot; times since its middle, without the clock's drift.
class HopClocks::Slot {
 public:
  Slot(Nanos middle, double drift, std::span<const CallTime> sent,
       std::span<const CallRecord> records)
      : middle_(middle), drift_(drift), sent_(sent), records_(records) {
    for (const CallRecord& r : records) received_.push_back(TimeOf(r.start, r.end));
  }

  Nanos middle() const { return middle_; }
  std::span<const CallRecord> records() const { return records_; }
  std::span<const CallTime> received() const { return received_; }

  CallTime TimeOf(Nanos from, Nanos to) const {
    const double start = ToSeconds(from - middle_);
    return {start - drift_ * start, ToSeconds(to - middle_) - drift_ * start};
  }

  /// On the time of the callers.
  CallRecord Moved(size_t i, double offset) const {
    CallRecord r = records_[i];
    const Nanos shift = FromSeconds(offset + drift_ * ToSeconds(r.start - middle_));
    r.start -= shift;
    r.end -= shift;
    return r;
  }

  /// Those from `from` on, after those of the slots before that nothing explained.
  std::vector<CallTime> WithAstray(const Clock& clock, size_t from) const {
    std::vector<CallTime> calls;
    for (const auto& [start, end] : clock.astray) calls.push_back(TimeOf(start, end));
    calls.insert(calls.end(), received_.begin() + static_cast<std::ptrdiff_t>(from),
                 received_.end());
    return calls;
  }

  UnpairedOffset::Posterior Around(double offset, double reach, double room,
                                   const UnpairedOffset::Prior& prior) const {
    return UnpairedOffset(sent_, received_, offset, reach, room).Given(prior);
  }

  /// With the room that tells most.
  UnpairedOffset::Posterior Search(std::span<const CallTime> received, double around, double reach,
                                   const UnpairedOffset::Prior& prior, double* room) const {
    UnpairedOffset::Posterior best;
    best.evidence = -std::numeric_limits<double>::infinity();
    for (const double r : kRooms) {
      const auto found = UnpairedOffset(sent_, received, around, reach, r).Given(prior);
      if (found.evidence <= best.evidence) continue;
      best = found;
      *room = r;
    }
    return best;
  }

  /// By call and line the probability that it goes by that; what is left goes by none. A hidden
  /// Markov chain, forward and backward: calls go on by what those before them went by, but for a
  /// jump. `before` is what the last call before the slot went by.
  std::vector<Shares> Assign(const std::vector<Line>& lines, const Shares& before) const {
    const size_t n = received_.size(), states = lines.size() + 1;
    std::vector<Shares> forward(n), fit(n);
    Shares last = before;
    for (size_t i = 0; i < n; ++i) {
      fit[i] = Fit(received_[i], lines);
      forward[i] = Changed(last);
      for (size_t k = 0; k < states; ++k) forward[i][k] *= fit[i][k];
      Normalize(&forward[i]);
      last = forward[i];
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
    return forward;
  }

  double ShareOf(const Line& line) const {
    const auto hits = std::count_if(received_.begin(), received_.end(),
                                    [&](const CallTime& r) { return Hit(r, line); });
    return static_cast<double>(hits) / static_cast<double>(std::max<size_t>(received_.size(), 1));
  }

 private:
  bool Hit(const CallTime& received, const Line& line) const {
    return HasSentAround(sent_, received, line.room, line.offset, line.tolerance);
  }

  /// How well each line explains a call, and none.
  Shares Fit(const CallTime& received, const std::vector<Line>& lines) const {
    Shares fit(lines.size() + 1, 1);
    for (size_t k = 0; k < lines.size(); ++k) {
      const Line& line = lines[k];
      const double chance = line.chance;
      const double share =
          std::clamp(line.share, chance + (1 - chance) * .01, chance + (1 - chance) * .99);
      fit[k] = Hit(received, line) ? share / chance : (1 - share) / (1 - chance);
    }
    return fit;
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
  std::span<const CallTime> sent_;
  std::span<const CallRecord> records_;
  std::vector<CallTime> received_;
};

struct HopClocks::Explained {
  std::vector<Line> lines;          // the known one, if there is, then the found one
  std::vector<Shares> goes_by;      // by call
  UnpairedOffset::Posterior moved;  // where the clock went, if it did
  double room = 0;                  // by which that was found

  /// The line that call i goes by; lines.size(): none.
  size_t LineOf(size_t i) const {
    size_t k = 0;
    while (k < lines.size() && goes_by[i][k] < kBelieved) ++k;
    return k;
  }
};

double HopClocks::Clock::sigma() const { return std::sqrt(covariance[0]); }

double HopClocks::Clock::Tolerance(double offset_sigma) const {
  return 3 * offset_sigma + std::sqrt(covariance[2]) * ToSeconds(kSlot) / 2;
}

void HopClocks::Clock::Searched(bool found) {
  fruitless = found ? 0 : fruitless + 1;
  pause = found ? 0 : std::min(fruitless, kLongestPause);
}

void HopClocks::Clock::Predict(Nanos to) {
  const double dt = std::max(0.0, ToSeconds(to - at));
  const double wander = kDriftWander * kDriftWander;
  offset += drift * dt;
  covariance[0] += dt * (2 * covariance[1] + dt * covariance[2]) + wander * dt * dt * dt / 3;
  covariance[1] += dt * covariance[2] + wander * dt * dt / 2;
  covariance[2] += wander * dt;
  at = std::max(at, to);
}

void HopClocks::Clock::Measure(double measured, double sigma) {
  const double variance = std::max(sigma, kFinest) * std::max(sigma, kFinest);
  const double surprise = measured - offset;
  const double gain = covariance[0] / (covariance[0] + variance);
  const double drift_gain = covariance[1] / (covariance[0] + variance);
  offset += gain * surprise;
  drift += drift_gain * surprise;
  covariance[2] -= drift_gain * covariance[1];
  covariance[1] *= 1 - gain;
  covariance[0] *= 1 - gain;
}

void HopClocks::Clock::Jump(double measured, double sigma) {
  const double by = measured - offset;
  // A second one in a row to the same side: the clock runs at another rate, if one may.
  const double rate = drift + by / ToSeconds(kSlot);
  const bool again = known && at - jumped_at <= kSlot && by * jumped_by > 0;
  if (again && std::abs(rate) <= kMostDrift) drift = rate;
  if (!known) drift = 0;
  covariance[2] = std::max(covariance[2], kFirstDrift * kFirstDrift);
  jumped_at = at;
  jumped_by = by;
  offset = measured;
  covariance[0] = std::max(sigma, kFinest) * std::max(sigma, kFinest);
  covariance[1] = 0;
  known = true;
}

bool HopClocks::Takes(const CallRecord& record) {
  constexpr Nanos kFarthest = Nanos{1} << 62;
  return std::min(record.start, record.end) > -kFarthest &&
         std::max(record.start, record.end) < kFarthest;
}

void HopClocks::Sent(const CallRecord& record, EntityId host) {
  places_[record.service].sent.push_back({record.start, record.end, host});
}

void HopClocks::Received(const CallRecord& record, EntityId host) {
  places_[record.service].slots[SlotOf(record.end)][host].push_back(record);
}

void HopClocks::Advance(Nanos until, const Placed& placed, const Unknown& unknown) {
  const Nanos judged = SlotOf(until - kSlot - kReach) + kSlot;  // slots before this are
  for (auto at = places_.begin(); at != places_.end();) {
    Place& place = at->second;
    while (!place.slots.empty() && place.slots.begin()->first < judged) {
      Judge(place.slots.begin()->first, &place, placed, unknown);
      place.slots.erase(place.slots.begin());
    }
    std::erase_if(place.sent, [&](const auto& s) { return s.end < judged - kReach - kLookBack; });
    std::erase_if(place.clocks, [&](const auto& c) { return c.second.at < judged - kForgotten; });
    const bool idle = place.sent.empty() && place.slots.empty() && place.clocks.empty();
    at = idle ? places_.erase(at) : std::next(at);
  }
  placed_until_ = std::max(placed_until_, judged);
}

void HopClocks::Judge(Nanos slot, Place* place, const Placed& placed, const Unknown& unknown) {
  const Nanos middle = slot + kSlot / 2;
  std::vector<CallTime> sent;
  EntityId sender = telemetry::kNoEntity;  // the host of all callers, if there is one
  for (const auto& [start, end, host] : place->sent) {
    if (end < slot - kReach - kLookBack || end >= slot + kSlot + kReach) continue;
    sender = sent.empty() || sender == host ? host : telemetry::kNoEntity;
    sent.push_back({ToSeconds(start - middle), ToSeconds(end - middle)});
  }
  std::sort(sent.begin(), sent.end(), [](const CallTime& a, const CallTime& b) {
    return std::tie(a.start, a.end) < std::tie(b.start, b.end);
  });
  for (auto& [host, records] : place->slots.begin()->second) {
    std::sort(records.begin(), records.end(), [](const CallRecord& a, const CallRecord& b) {
      return std::tie(a.start, a.id) < std::tie(b.start, b.id);
    });
    if (host == sender && host != telemetry::kNoEntity) {
      for (const CallRecord& record : records) placed(record);
      continue;
    }
    Clock* clock = &place->clocks[host];
    clock->Predict(middle);
    JudgeHost(middle, sent, records, clock, placed, unknown);
  }
}

void HopClocks::JudgeHost(Nanos middle, std::span<const CallTime> sent,
                          std::span<const CallRecord> records, Clock* clock, const Placed& placed,
                          const Unknown& unknown) {
  if (clock->known && middle - clock->confirmed > telemetry::kClockMemory) clock->known = false;
  const Slot slot(middle, clock->known ? clock->drift : 0, sent, records);
  clock->pause = std::max(0, clock->pause - 1);
  const Explained by = clock->known ? ExplainByKnown(slot, clock) : Explain(slot, clock);
  for (size_t i = 0; i < records.size(); ++i) {
    const size_t line = by.LineOf(i);
    if (line < by.lines.size()) {
      placed(slot.Moved(i, by.lines[line].offset));
    } else if (by.lines.empty() && clock->plausible) {
      placed(records[i]);
    } else if (records[i].known_parent != 0) {
      placed(slot.Moved(i, by.lines.empty() ? 0 : by.lines.back().offset));  // an id tells
    } else {
      unknown(records[i].id);
    }
  }
  Learn(slot, by, clock);
}

HopClocks::Explained HopClocks::Explain(const Slot& slot, Clock* clock) {
  Explained by;
  if (clock->pause > 0) return by;
  UnpairedOffset::Prior prior;
  if (!clock->off) prior.sigma = kInSync;
  by.moved = slot.Search(slot.WithAstray(*clock, 0), 0, kReach_s, prior, &by.room);
  clock->plausible = by.moved.expected >= kPlausible;
  clock->Searched(by.moved.found);
  if (!by.moved.found) return by;
  by.lines = {{by.moved.offset, clock->Tolerance(by.moved.sigma), by.room, by.moved.share,
               by.moved.chance}};
  by.goes_by = slot.Assign(by.lines, {.5, .5});
  return by;
}

HopClocks::Explained HopClocks::ExplainByKnown(const Slot& slot, Clock* clock) {
  Explained by;
  by.room = clock->room;
  const double sigma = clock->sigma(), reach = std::max(kNearby, 6 * sigma);
  const auto here =
      slot.Around(clock->offset, reach, clock->room, {clock->offset, sigma, clock->share});
  const double surprise = std::abs(here.offset - clock->offset);
  const bool as_expected =
      here.found && surprise <= kJump * std::sqrt(sigma * sigma + here.sigma * here.sigma);
  if (as_expected) clock->Measure(here.offset, here.sigma);
  if (here.found && !as_expected) by.moved = here;
  const double tolerance = clock->Tolerance(clock->sigma());
  by.lines = {{clock->offset, tolerance, clock->room, clock->share, here.chance}};
  by.goes_by = slot.Assign(by.lines, {clock->holds, 1 - clock->holds});
  // A jump shows as calls at the end that do not go by it.
  const size_t n = slot.records().size();
  size_t from = n;
  while (from > 0 && by.LineOf(from - 1) != 0) --from;
  if (as_expected && from == n) {
    clock->confirmed = slot.middle();
    clock->share += .2 * (slot.ShareOf(by.lines[0]) - clock->share);
    if (n >= kFew) {
      double room = clock->room;
      const auto again =
          slot.Search(slot.received(), clock->offset, reach, {clock->offset, sigma}, &room);
      if (std::exchange(clock->room, room) != room) clock->share = again.share;
    }
  }
  if (!by.moved.found && from < n && clock->pause == 0) {
    by.moved = slot.Search(slot.WithAstray(*clock, from), 0, kReach_s, {}, &by.room);
    clock->Searched(by.moved.found);
  }
  if (!by.moved.found) return by;
  by.lines.push_back({by.moved.offset, clock->Tolerance(by.moved.sigma), by.room, by.moved.share,
                      by.moved.chance});
  by.goes_by = slot.Assign(by.lines, {clock->holds, 0, 1 - clock->holds});
  return by;
}

void HopClocks::Learn(const Slot& slot, const Explained& by, Clock* clock) {
  auto& astray = clock->astray;
  if (by.moved.found) astray.clear();
  const auto records = slot.records();
  for (size_t i = 0; i < records.size() && records.size() < kFew; ++i) {
    if (by.lines.empty() || by.goes_by[i].back() > 1 - kBelieved)
      astray.emplace_back(records[i].start, records[i].end);
  }
  std::erase_if(astray, [&](const auto& a) { return a.first < slot.middle() - kLookBack; });
  if (astray.size() > kFew)
    astray.erase(astray.begin(), astray.end() - static_cast<std::ptrdiff_t>(kFew));
  if (by.lines.empty()) return;
  // What the last calls go by is what the next ones are expected to go by.
  const Shares& last = by.goes_by.back();
  const size_t found = by.lines.size() - 1;
  clock->holds = last[0];
  if (!by.moved.found || (found > 0 && last[found] <= last[0])) return;
  clock->Jump(by.moved.offset, by.moved.sigma);
  clock->room = by.room;
  clock->share = by.moved.share;
  clock->holds = last[found];
  clock->confirmed = slot.middle();
  clock->off = clock->off || std::abs(by.moved.offset) > kSurelyOff;
}

size_t HopClocks::bytes() const {
  size_t total = 0;
  for (const auto& [id, place] : places_) {
    total += place.sent.capacity() * sizeof(place.sent[0]);
    total += place.clocks.size() * (sizeof(Clock) + 64);
    for (const auto& [slot, hosts] : place.slots)
      for (const auto& [host, records] : hosts) total += records.capacity() * sizeof(CallRecord);
  }
  return total;
}

}  // namespace tomograph::correlate
