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

class Slot {
 public:
  Slot(std::span<const CallTime> sent, std::vector<CallTime> received)
      : sent_(sent), received_(std::move(received)) {}

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
  std::vector<std::vector<double>> Assign(const std::vector<Line>& lines,
                                          const std::vector<double>& before) const {
    const size_t n = received_.size(), states = lines.size() + 1;
    std::vector<std::vector<double>> forward(n), fit(n);
    std::vector<double> last = before;
    for (size_t i = 0; i < n; ++i) {
      fit[i] = Fit(received_[i], lines);
      forward[i] = Moved(last);
      for (size_t k = 0; k < states; ++k) forward[i][k] *= fit[i][k];
      Normalize(&forward[i]);
      last = forward[i];
    }
    std::vector<double> after(states, 1);
    for (size_t i = n; i-- > 0;) {
      for (size_t k = 0; k < states; ++k) {
        forward[i][k] *= after[k];
        after[k] *= fit[i][k];
      }
      Normalize(&forward[i]);
      after = Moved(after);
      Normalize(&after);
    }
    return forward;
  }

  std::span<const CallTime> received() const { return received_; }
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
  std::vector<double> Fit(const CallTime& received, const std::vector<Line>& lines) const {
    std::vector<double> fit(lines.size() + 1, 1);
    for (size_t k = 0; k < lines.size(); ++k) {
      const Line& line = lines[k];
      const double chance = line.chance;
      const double share =
          std::clamp(line.share, chance + (1 - chance) * .01, chance + (1 - chance) * .99);
      fit[k] = Hit(received, line) ? share / chance : (1 - share) / (1 - chance);
    }
    return fit;
  }

  static std::vector<double> Moved(const std::vector<double>& from) {
    const double all = std::accumulate(from.begin(), from.end(), 0.0);
    std::vector<double> to;
    for (const double p : from)
      to.push_back(p * (1 - kChange) + all * kChange / static_cast<double>(from.size()));
    return to;
  }
  static void Normalize(std::vector<double>* p) {
    const double all = std::accumulate(p->begin(), p->end(), 0.0);
    for (double& x : *p) x /= all;
  }

  std::span<const CallTime> sent_;
  std::vector<CallTime> received_;
};

}  // namespace

double HopClocks::Clock::sigma() const { return std::sqrt(covariance[0]); }

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

void HopClocks::Sent(const CallRecord& record) {
  places_[record.service].sent.emplace_back(record.start, record.end);
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
    std::erase_if(place.sent,
                  [&](const auto& s) { return s.second < judged - kReach - kLookBack; });
    std::erase_if(place.clocks, [&](const auto& c) { return c.second.at < judged - kForgotten; });
    const bool idle = place.sent.empty() && place.slots.empty() && place.clocks.empty();
    at = idle ? places_.erase(at) : std::next(at);
  }
  placed_until_ = std::max(placed_until_, judged);
}

void HopClocks::Judge(Nanos slot, Place* place, const Placed& placed, const Unknown& unknown) {
  const Nanos middle = slot + kSlot / 2;
  std::vector<CallTime> sent;
  for (const auto& [start, end] : place->sent) {
    if (end >= slot - kReach - kLookBack && end < slot + kSlot + kReach)
      sent.push_back({ToSeconds(start - middle), ToSeconds(end - middle)});
  }
  std::sort(sent.begin(), sent.end(), [](const CallTime& a, const CallTime& b) {
    return std::tie(a.start, a.end) < std::tie(b.start, b.end);
  });
  for (auto& [host, records] : place->slots.begin()->second) {
    std::sort(records.begin(), records.end(), [](const CallRecord& a, const CallRecord& b) {
      return std::tie(a.start, a.id) < std::tie(b.start, b.id);
    });
    Clock* clock = &place->clocks[host];
    clock->Predict(middle);
    JudgeHost(middle, sent, records, clock, placed, unknown);
  }
}

void HopClocks::JudgeHost(Nanos middle, std::span<const CallTime> sent,
                          std::span<const CallRecord> records, Clock* clock, const Placed& placed,
                          const Unknown& unknown) {
  Clock& c = *clock;
  if (c.known && middle - c.confirmed > telemetry::kClockMemory) {
    c.known = false;
    c.drift = 0;
  }
  const double drift = c.known ? c.drift : 0;
  const auto time_of = [&](Nanos from, Nanos to) {
    const double start = ToSeconds(from - middle);
    return CallTime{start - drift * start, ToSeconds(to - middle) - drift * start};
  };
  std::vector<CallTime> received;
  for (const CallRecord& r : records) received.push_back(time_of(r.start, r.end));
  const Slot slot(sent, std::move(received));
  const auto with_astray = [&](size_t from) {
    std::vector<CallTime> calls;
    for (const auto& [start, end] : c.astray) calls.push_back(time_of(start, end));
    const auto rest = slot.received().subspan(from);
    calls.insert(calls.end(), rest.begin(), rest.end());
    return calls;
  };
  const auto place = [&](size_t i, double offset) {
    CallRecord r = records[i];
    const Nanos shift = FromSeconds(offset + drift * ToSeconds(r.start - middle));
    r.start -= shift;
    r.end -= shift;
    placed(r);
  };
  const bool may_search = c.pause == 0;
  c.pause = std::max(0, c.pause - 1);
  const auto searched = [&](bool found) {
    c.fruitless = found ? 0 : c.fruitless + 1;
    c.pause = found ? 0 : std::min(c.fruitless - 1, kLongestPause);
  };
  const auto tolerance = [&](double sigma) {
    return 3 * sigma + std::sqrt(c.covariance[2]) * ToSeconds(kSlot) / 2;
  };

  std::vector<Line> lines;
  UnpairedOffset::Posterior moved;
  double room = c.room;
  const auto believed = [](double p) { return p >= kBelieved; };
  std::vector<std::vector<double>> goes_by;
  if (c.known) {
    const double sigma = c.sigma();
    const double reach = std::max(kNearby, 6 * sigma);
    const auto here = slot.Around(c.offset, reach, room, {c.offset, sigma, c.share});
    const double surprise = std::abs(here.offset - c.offset);
    const bool as_expected =
        here.found && surprise <= kJump * std::sqrt(sigma * sigma + here.sigma * here.sigma);
    if (as_expected) c.Measure(here.offset, here.sigma);
    if (here.found && !as_expected) moved = here;
    lines.push_back({c.offset, tolerance(c.sigma()), c.room, c.share, here.chance});
    goes_by = slot.Assign(lines, {c.holds, 1 - c.holds});
    // A jump shows as calls at the end that do not go by it.
    size_t from = records.size();
    while (from > 0 && !believed(goes_by[from - 1][0])) --from;
    if (!moved.found && from < records.size() && may_search) {
      moved = slot.Search(with_astray(from), 0, kReach_s, {}, &room);
      searched(moved.found);
    }
    if (as_expected && from == records.size()) {
      c.confirmed = middle;
      c.share += .2 * (slot.ShareOf(lines[0]) - c.share);
      if (records.size() >= kFew) {
        const auto again = slot.Search(slot.received(), c.offset, reach, {c.offset, sigma}, &room);
        if (std::exchange(c.room, room) != room) c.share = again.share;
      }
    }
  } else if (may_search) {
    UnpairedOffset::Prior prior;
    if (!c.off) prior.sigma = kInSync;
    moved = slot.Search(with_astray(0), 0, kReach_s, prior, &room);
    c.plausible = moved.expected >= kPlausible;
    searched(moved.found);
  }
  if (moved.found) {
    lines.push_back({moved.offset, tolerance(moved.sigma), room, moved.share, moved.chance});
    goes_by =
        c.known ? slot.Assign(lines, {c.holds, 0, 1 - c.holds}) : slot.Assign(lines, {.5, .5});
  }
  for (size_t i = 0; i < records.size(); ++i) {
    size_t best = lines.size();
    for (size_t k = 0; k < lines.size(); ++k)
      if (believed(goes_by[i][k])) best = k;
    if (best < lines.size()) {
      place(i, lines[best].offset);
    } else if (lines.empty() && c.plausible) {
      place(i, 0);
    } else if (records[i].known_parent != 0) {
      place(i, lines.empty() ? 0 : lines.back().offset);  // an id tells: it is no guess
    } else {
      unknown(records[i].id);
    }
  }
  if (moved.found) c.astray.clear();
  if (records.size() < kFew) {
    for (size_t i = 0; i < records.size(); ++i)
      if (lines.empty() || goes_by[i].back() > 1 - kBelieved)
        c.astray.emplace_back(records[i].start, records[i].end);
  }
  std::erase_if(c.astray, [&](const auto& a) { return a.first < middle - kLookBack; });
  if (c.astray.size() > kFew)
    c.astray.erase(c.astray.begin(), c.astray.end() - static_cast<std::ptrdiff_t>(kFew));
  // What the last calls go by is what the next ones are expected to go by.
  if (lines.empty()) return;
  const std::vector<double>& last = goes_by.back();
  const size_t end = lines.size() - 1;
  c.holds = last[0];
  if (moved.found && (end == 0 || last[end] > last[0])) {
    c.Jump(moved.offset, moved.sigma);
    c.room = room;
    c.share = moved.share;
    c.holds = last[end];
    c.confirmed = middle;
    c.off = c.off || std::abs(moved.offset) > kSurelyOff;
  }
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
