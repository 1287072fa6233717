#include "correlate/linking/learner.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "correlate/linking/call_chains.h"
#include "correlate/linking/first_guess.h"
#include "correlate/linking/free_energy.h"
#include "correlate/linking/own_time.h"
#include "correlate/linking/queue_order.h"
#include "correlate/linking/sampler.h"
#include "correlate/linking/weigh_evidence.h"

namespace tomograph::correlate::linking {
namespace {

constexpr int kRounds = 8;
constexpr int kSweeps = 6;           // per round
constexpr float kStrictOrder = -6;   // order weight to start from
constexpr int kMostPerClass = 8;     // slots of one class in one request
constexpr int kChainSlots = 3;       // a chain has as many densities as so many slots
constexpr int kMostAlone = 4;        // classes of which each is tried as the only one handed off
constexpr double kLeftOver = .01;    // of a class's calls: more slots are tried beyond
constexpr double kOrderly = .5;      // nats that a gap's density is above any time in the request
constexpr double kVague = .7;        // share of the first guess below which nobody stands out
constexpr double kLost = .003;       // of the calls without request: requests may be missing
constexpr double kExplained = .7;    // of them, that may be left when there are more slots
constexpr double kWorth = .05;       // nats a call that more slots or hand-offs must bring
constexpr double kLostWorth = .075;  // and that lost requests must
constexpr double kOrderWorth = .01;  // and the order of arrival
constexpr double kAtHand = .25;      // nats by which a request that is there makes a call rather
constexpr float kSure = .5f;         // share of the first guess
constexpr int kGrainTries = 20, kGrainPairs = 8;
constexpr double kOnGrid = .99;           // of the times, if a clock is as coarse
constexpr int64_t kCoarsest = 1'000'000;  // microseconds

/// Is nobody left out of the candidates? Only then is it known who came first, and what came after
/// what; and only then is an owner that was drawn one of all.
bool AllInView(const LinkWindow& window, int service) {
  const ServiceRange& range = window.services[service];
  const auto limited =
      std::count_if(window.calls.begin() + range.first_call, window.calls.begin() + range.end_call,
                    [](const Call& call) { return call.limited; });
  return static_cast<double>(limited) <= kLeftOver * (range.end_call - range.first_call);
}

/// Gives the kind slots for every class of calls that some request of it may hold, `room` of them
/// per class, and chains for the classes that have none. False: there are more than fit; those with
/// the fewest pairs are marked to become chains.
bool SetClasses(const LinkWindow& window, int service, int kind, const std::vector<int>& room,
                LinkModel* model) {
  ServiceModel& of = model->services[service];
  std::vector<std::pair<int64_t, int>> pairs(of.classes);
  for (size_t k = 0; k < pairs.size(); ++k) pairs[k] = {0, static_cast<int>(k)};
  const ServiceRange& range = window.services[service];
  for (int c = range.first_call; c < range.end_call; ++c) {
    const Call& call = window.calls[c];
    if (call.owner != kNobody && window.requests[call.owner].kind == kind) {
      --pairs[call.call_class].first;
    }
    for (const int i : window.CandidatesOf(call)) {
      if (window.requests[i].kind == kind) --pairs[call.call_class].first;
    }
  }
  std::sort(pairs.begin(), pairs.end());
  std::vector<CallGroup> groups;
  std::vector<ChainModel> chains;
  bool fit = true;
  int slots = 0;
  for (const auto& [negative, call_class] : pairs) {
    if (negative == 0) break;
    if (of.chained[call_class]) {
      chains.emplace_back().call_class = call_class;
      continue;
    }
    if (slots + room[call_class] > RequestModel::kMaxSlots) {
      of.chained[call_class] = true;
      fit = false;
      continue;
    }
    CallGroup group;
    group.call_class = call_class;
    group.count = room[call_class];
    group.outlives = of.outlives[call_class];
    slots += group.count;
    groups.push_back(std::move(group));
  }
  std::sort(groups.begin(), groups.end(),
            [](const CallGroup& a, const CallGroup& b) { return a.call_class < b.call_class; });
  model->kinds[kind].SetGroups(std::move(groups), of.classes);
  model->kinds[kind].SetChains(std::move(chains));
  return fit;
}

/// Share of the times that are multiples of `step`, up to a common remainder.
double OnGrid(const std::vector<int64_t>& times, int64_t step) {
  std::vector<int64_t> remainder;
  for (const int64_t t : times) remainder.push_back((t % step + step) % step);
  std::sort(remainder.begin(), remainder.end());
  size_t most = 0;
  for (size_t at = 0; at < remainder.size();) {
    const auto end = std::upper_bound(remainder.begin(), remainder.end(), remainder[at]);
    most = std::max(most, static_cast<size_t>(end - remainder.begin()) - at);
    at = static_cast<size_t>(end - remainder.begin());
  }
  return static_cast<double>(most) / static_cast<double>(times.size());
}

/// The greatest step of which nearly all timestamps are multiples, up to a common remainder: the
/// greatest common divisor of a few differences, of those that are on a grid.
TimeGrain GrainOf(const LinkWindow& window, int service) {
  const ServiceRange& range = window.services[service];
  std::vector<int64_t> times;
  const auto add = [&](Interval time) {
    times.push_back(std::llround(time.start));
    times.push_back(std::llround(time.end));
  };
  for (int i = range.first_request; i < range.end_request && times.size() < 4'000; ++i) {
    add(window.requests[i].time);
  }
  for (int c = range.first_call; c < range.end_call && times.size() < 8'000; ++c) {
    add(window.calls[c].time);
  }
  if (times.size() < 50) return {};
  int64_t grain = 1;
  Random random(times.size());
  for (int tries = 0; tries < kGrainTries; ++tries) {
    int64_t step = 0;
    for (int pair = 0; pair < kGrainPairs; ++pair) {
      step = std::gcd(step, times[random.Below(times.size())] - times[random.Below(times.size())]);
    }
    step = std::min(step, kCoarsest);
    if (step > grain && OnGrid(times, step) >= kOnGrid) grain = step;
  }
  return {static_cast<double>(grain)};
}

void Gather(const LinkWindow& window, const LinkModel& model, int service, int kind, double until,
            RequestExamples* examples) {
  const int slots = model.kinds[kind].slots();
  examples->Clear(slots);
  const ServiceRange& range = window.services[service];
  for (int i = range.first_request; i < range.end_request; ++i) {
    const Request& r = window.requests[i];
    if (r.kind != kind || r.time.end > until) continue;
    examples->requests.push_back(r.time);
    uint64_t used = 0;
    for (int s = 0; s < slots; ++s) {
      const int c = window.slots[r.first_slot + s];
      examples->calls.push_back(c == kNobody ? Interval{} : window.calls[c].time);
      if (c != kNobody) used |= uint64_t{1} << s;
    }
    examples->used.push_back(used);
  }
}

/// Per class: the rate of calls without request, or how likely their own time is. Returns the log
/// of the chance that there are no others than these.
double LearnOrphans(const LinkWindow& window, int service, double until, LinkModel* model) {
  const ServiceRange& range = window.services[service];
  ServiceModel& of = model->services[service];
  std::vector<double> orphans(of.classes, 0.0);
  of.learned_calls.assign(of.classes, 0.0);
  double first = std::numeric_limits<double>::infinity(), last = -first;
  for (int c = range.first_call; c < range.end_call; ++c) {
    const Call& call = window.calls[c];
    if (call.time.end > until) continue;
    first = std::min(first, call.time.start);
    last = std::max(last, call.time.start);
    ++of.learned_calls[call.call_class];
    orphans[call.call_class] += call.owner == kNobody && !call.pinned;
  }
  const double span = std::max({1e3, of.grain.quantum, last - first});
  of.learned_time_us = span;
  const std::vector<double> own_times = OwnTimes(window, service, of.classes, of.grain);
  double weight = 0;
  for (int k = 0; k < of.classes; ++k) {
    double expected = (of.loses_requests ? orphans[k] : 0) + kOrphanPrior;
    double log_rate = std::log(expected / span);
    if (own_times[k] > log_rate) log_rate = own_times[k], expected = 0;
    of.log_orphan_rate[k] = static_cast<float>(log_rate);
    weight -= expected;
  }
  return weight;
}

/// One step of learning from the present owners; returns the order's and orphans' part of the
/// likelihood.
double LearnStep(const LinkWindow& window, int service, double until, bool order, uint64_t seed,
                 LinkModel* model) {
  ServiceModel& of = model->services[service];
  RequestExamples examples;
  for (const int kind : of.kinds) {
    Gather(window, *model, service, kind, until, &examples);
    model->kinds[kind].Learn(examples, of.grain);
  }
  CallChains::Learn(window, service, until, model);
  double weight = LearnOrphans(window, service, until, model);
  if (order && of.learns_order) weight += LearnQueueOrder(window, service, until, seed, model);
  of.ordered =
      std::any_of(of.order_weight.begin(), of.order_weight.end(), [](float w) { return w != 0; });
  return weight;
}

class ServiceLearner {
 public:
  ServiceLearner(int service, double until, uint64_t seed, bool hand_offs, LinkWindow* window,
                 LinkModel* model)
      : service_(service),
        until_(until),
        hand_offs_(hand_offs),
        random_(seed),
        w_(*window),
        m_(*model),
        of_(m_.services[service]) {}

  void Run() {
    of_.learned = true;
    of_.grain = GrainOf(w_, service_);
    const ServiceRange& range = w_.services[service_];
    if (range.first_request == range.end_request || of_.classes == 0) return;
    room_.assign(of_.classes, 1);
    of_.chained.assign(of_.classes, false);
    of_.outlives.assign(of_.classes, false);
    FindAtHand();
    all_in_view_ = AllInView(w_, service_);
    Attempt(From::kAnyOrder);
    const bool lost = RequestsAreLost();
    std::vector<bool> handed_off(of_.classes, false);
    if (hand_offs_) handed_off = Astray();
    const std::vector<bool> astray = handed_off;
    if (all_in_view_) Attempt(From::kFirstCome);
    if (lost) AttemptLost();
    while (Any(handed_off)) {
      SetOutlives(handed_off);
      const bool own_time = !Attempt(From::kAnyOrder);
      const std::vector<bool> fewer = own_time ? WithoutOwnTime() : MostlyAfter();
      if (!own_time && lost) AttemptLost();
      if (fewer == handed_off) break;
      handed_off = fewer;
    }
    TryEachAlone(astray, lost);
    // Some classes may need more slots, whether or not others are handed off.
    for (const bool outlives : {false, true}) {
      if (!best_[outlives]) continue;
      SetOutlives(best_[outlives]->service.outlives);
      one_slot_left_ = best_[outlives]->nobodys;
      first_ones_ = best_[outlives]->owners;
      room_.assign(of_.classes, 1);
      of_.chained.assign(of_.classes, false);
      if (!MakeRoom()) continue;
      Attempt(From::kAnyOrder);
      Attempt(From::kFirstOnes);
      if (lost) AttemptLost();
    }
    const bool outlives = best_[1] && best_[1]->likelihood > best_[0]->likelihood;
    Restore(*best_[outlives]);
    TryOrder(*best_[outlives]);
  }

 private:
  struct State {
    double likelihood = 0;
    double nobodys = 0;  // calls without request
    double spurned = 0;  // of which some request may have made each, beyond what all have room for
    bool more_room = false;  // than one slot a class
    ServiceModel service;
    std::vector<RequestModel> kinds;
    std::vector<int> owners;
  };

  enum class From { kAnyOrder, kFirstCome, kManyLost, kFewLost, kFirstOnes };

  /// Learns from a start and keeps what is likelier than others with hand-offs, or without, if
  /// calls that may come after the answer do for the most part. False: calls that keep a time of
  /// their own were taken for hand-offs.
  bool Attempt(From from) {
    Start(from);
    Rounds();
    if (WithoutOwnTime() != of_.outlives) return false;
    if (all_in_view_ && MostlyAfter() != of_.outlives) return true;
    State state = Save();
    // More room can always take in some calls whose request is missing.
    state.more_room = one_slot_left_ >= 0;
    if (state.more_room && state.nobodys > kExplained * one_slot_left_) return true;
    Charge(&state);
    std::optional<State>& best = best_[of_.AnyOutlives()];
    if (!best || state.likelihood > best->likelihood) best = std::move(state);
    return true;
  }

  /// What a freer model has to bring.
  void Charge(State* state) const {
    const double worth =
        kWorth * (state->more_room + of_.AnyOutlives()) + kLostWorth * of_.loses_requests;
    state->likelihood -= worth * static_cast<double>(w_.calls.size());
    state->likelihood -= kAtHand * state->spurned;
  }

  /// From the state that is the likeliest by gaps alone, on with the order of arrival, which is
  /// kept if it tells more: order that is learned from the first makes itself true, since owners
  /// that it draws are in order.
  void TryOrder(const State& by_gaps) {
    if (of_.learns_order || !all_in_view_) return;
    of_.learns_order = true;
    Rounds();
    State ordered = Save();
    ordered.more_room = by_gaps.more_room;
    Charge(&ordered);
    ordered.likelihood -= kOrderWorth * static_cast<double>(w_.calls.size());
    Restore(ordered.likelihood > by_gaps.likelihood ? std::move(ordered) : by_gaps);
  }

  /// Of several classes that may be handed off, one may be that alone.
  void TryEachAlone(const std::vector<bool>& astray, bool lost) {
    const auto several = std::count(astray.begin(), astray.end(), true);
    if (several < 2 || several > kMostAlone) return;
    for (size_t k = 0; k < astray.size(); ++k) {
      if (!astray[k]) continue;
      std::vector<bool> alone(astray.size(), false);
      alone[k] = true;
      SetOutlives(alone);
      Attempt(lost ? From::kFewLost : From::kAnyOrder);
    }
  }

  void AttemptLost() {
    Attempt(From::kManyLost);
    Attempt(From::kFewLost);
  }

  void Start(From from) {
    for (bool fit = false; !fit;) {
      fit = true;
      for (const int kind : of_.kinds) fit &= SetClasses(w_, service_, kind, room_, &m_);
    }
    const ServiceRange& range = w_.services[service_];
    for (int c = range.first_call; c < range.end_call; ++c) {
      Call& call = w_.calls[c];
      if (call.pinned || call.decided) continue;
      call.owner = kNobody;
      call.fresh = true;
    }
    w_.evidence.clear();
    w_.LayOut(m_);
    CallChains(service_, &w_, m_).Follow();
    GuessAny(service_, true, &w_, &m_);
    LeftOver();
    if (beyond_room_.empty()) {
      for (int k = 0; k < of_.classes; ++k)
        beyond_room_.push_back(std::max(0.0, all_[k] - RoomFor(k)));
    }
    of_.first_come = of_.learns_order = from == From::kFirstCome;
    of_.loses_requests = from == From::kManyLost || from == From::kFewLost;
    of_.order_weight.assign(of_.classes, of_.first_come ? kStrictOrder : 0);
    if (from == From::kAnyOrder || from == From::kFewLost) return;
    if (from == From::kFirstOnes) return KeepFirstOnes();
    // First come: the guess ran for the gaps that later guesses need; its owners are not wanted.
    // Many lost: only what is sure is kept, so that the wrong ones don't make up the model.
    for (int c = range.first_call; c < range.end_call; ++c) {
      Call& call = w_.calls[c];
      if (call.pinned || call.decided || of_.Chained(call.call_class)) continue;
      if (!of_.first_come && call.share > kSure) continue;
      w_.Take(m_, c);
      call.fresh = of_.first_come;
    }
    if (of_.first_come) GuessFirstCome(service_, &w_, m_);
  }

  /// Owners are those that one slot a class had found; the calls that were left over go into the
  /// slots that came after.
  void KeepFirstOnes() {
    const ServiceRange& range = w_.services[service_];
    const auto free = [&](int c) {
      const Call& call = w_.calls[c];
      return !call.pinned && !call.decided && !of_.Chained(call.call_class);
    };
    for (int c = range.first_call; c < range.end_call; ++c) {
      if (free(c)) w_.Take(m_, c);
    }
    for (int c = range.first_call; c < range.end_call; ++c) {
      Call& call = w_.calls[c];
      const int owner = first_ones_[c - range.first_call];
      if (!free(c)) continue;
      call.fresh = owner == kNobody;
      if (owner != kNobody && w_.FreeSlot(m_, owner, call.call_class) != kNobody)
        w_.Give(m_, c, owner);
    }
    GuessAny(service_, false, &w_, &m_);
  }

  void LeftOver() {
    const ServiceRange& range = w_.services[service_];
    left_over_.assign(of_.classes, 0);
    all_.assign(of_.classes, 0);
    outside_.assign(of_.classes, 0);
    no_room_ = 0;
    for (int c = range.first_call; c < range.end_call; ++c) {
      const Call& call = w_.calls[c];
      ++all_[call.call_class];
      left_over_[call.call_class] += call.owner == kNobody && call.candidates > 0;
      outside_[call.call_class] += !call.pinned && call.candidates == 0;
      no_room_ += call.owner == kNobody && !call.pinned && (call.candidates == 0 || call.no_room);
    }
  }

  /// Do enough calls find no request that they can't be accidents? In a crowd the first guess may
  /// give up looking for one; then there are too few requests only if there are more calls of a
  /// class than all of them together have room for.
  bool RequestsAreLost() const {
    const double all = std::accumulate(all_.begin(), all_.end(), 0.0);
    const double beyond = std::accumulate(beyond_room_.begin(), beyond_room_.end(), 0.0);
    const double lost = std::max(no_room_, beyond);
    return lost >= 3 && lost > kLost * all;
  }

  double RoomFor(int call_class) const {
    if (of_.chained[call_class]) return std::numeric_limits<double>::infinity();
    double room = 0;
    const ServiceRange& range = w_.services[service_];
    for (int i = range.first_request; i < range.end_request; ++i) {
      const CallGroup* group = m_.kinds[w_.requests[i].kind].GroupOf(call_class);
      if (group != nullptr) room += std::ldexp(group->count, w_.requests[i].thinned);
    }
    return room;
  }

  /// Classes of calls that may be made after the request was answered: some find no request, or
  /// they fall into requests with no order that one could see, which in a crowd is all that shows.
  std::vector<bool> Astray() const {
    std::vector<bool> astray(of_.classes, true);
    std::vector<double> shares(of_.classes, 0.0);
    const ServiceRange& range = w_.services[service_];
    for (int c = range.first_call; c < range.end_call; ++c)
      shares[w_.calls[c].call_class] += w_.calls[c].share;
    for (const int kind : of_.kinds) {
      double lasts = 0, requests = 0;
      for (int i = range.first_request; i < range.end_request; ++i) {
        if (w_.requests[i].kind != kind) continue;
        lasts += w_.requests[i].time.end - w_.requests[i].time.start;
        requests += 1;
      }
      for (const CallGroup& group : m_.kinds[kind].groups()) {
        const double told =
            m_.kinds[kind].Gap(group.first).mean_log() + std::log(std::max(lasts / requests, 1.0));
        if (told > kOrderly) astray[group.call_class] = false;
      }
    }
    for (int k = 0; k < of_.classes; ++k) {
      const bool vague = astray[k] && all_[k] > 0 && shares[k] < kVague * all_[k];
      const double lost = left_over_[k] + outside_[k];
      astray[k] = vague || lost >= std::max(3.0, kLeftOver * all_[k]);
    }
    return astray;
  }

  /// Of the classes whose calls may be made after the answer those that keep no time of their own.
  std::vector<bool> WithoutOwnTime() const {
    std::vector<bool> handed_off = of_.outlives;
    for (int k = 0; k < of_.classes; ++k)
      handed_off[k] = handed_off[k] && !KeepsOwnTime(w_, service_, k, of_.grain);
    return handed_off;
  }

  /// And those of which most do outlive the request that they were given to. The others were found
  /// astray for another reason: some of them are tried again, say.
  std::vector<bool> MostlyAfter() const {
    std::vector<int> within(of_.classes, 0), after(of_.classes, 0);
    const ServiceRange& range = w_.services[service_];
    for (int c = range.first_call; c < range.end_call; ++c) {
      const Call& call = w_.calls[c];
      if (call.owner == kNobody) continue;
      ++(w_.Holds(w_.requests[call.owner], call) ? within : after)[call.call_class];
    }
    std::vector<bool> handed_off = of_.outlives;
    for (int k = 0; k < of_.classes; ++k) handed_off[k] = handed_off[k] && after[k] >= within[k];
    return handed_off;
  }

  /// Which calls some request may have made that is open, or has been answered not long before.
  void FindAtHand() {
    const ServiceRange& range = w_.services[service_];
    const double before = hand_offs_ ? LinkWindow::kHandOff_us : 0;
    double latest_end = -std::numeric_limits<double>::infinity();
    int next = range.first_request;
    for (int c = range.first_call; c < range.end_call; ++c) {
      const Call& call = w_.calls[c];
      for (; next < range.end_request && w_.requests[next].time.start <= call.time.start; ++next)
        latest_end = std::max(latest_end, w_.requests[next].time.end);
      at_hand_.push_back(call.candidates > 0 || latest_end + before >= call.time.start);
    }
  }

  static bool Any(const std::vector<bool>& classes) {
    return std::find(classes.begin(), classes.end(), true) != classes.end();
  }

  void SetOutlives(const std::vector<bool>& outlives) {
    if (of_.outlives == outlives) return;
    of_.outlives = outlives;
    w_.FindCandidatesAgain(m_);
  }

  /// More slots for classes of which many calls find all their requests taken, and chains where no
  /// number of slots is enough; false: there are no such classes.
  bool MakeRoom() {
    bool more = false;
    for (bool enough = false; !enough;) {
      Start(From::kAnyOrder);
      enough = true;
      for (int k = 0; k < of_.classes; ++k) {
        if (left_over_[k] < 3 || left_over_[k] < kLeftOver * all_[k]) continue;
        if (of_.chained[k]) continue;
        if (room_[k] < kMostPerClass) {
          ++room_[k];
        } else {
          of_.chained[k] = true;
        }
        more = true;
        enough = false;
      }
    }
    return more;
  }

  void Rounds() {
    std::vector<int> open;
    Sampler sampler(&w_, m_, nullptr, random_.Next());
    const ServiceRange& range = w_.services[service_];
    for (int round = 0; round < kRounds; ++round) {
      LearnStep(w_, service_, until_, round > 1, random_.Next(), &m_);
      // Which evidence counts is found while owners still come from times alone.
      LearnEvidence(w_, service_, until_, round == 0, &m_);
      WeighEvidence(service_, m_, &w_);
      sampler.Refresh();
      open.clear();
      for (int c = range.first_call; c < range.end_call; ++c) {
        if (sampler.Open(c)) open.push_back(c);
      }
      for (int sweep = 0; sweep < kSweeps; ++sweep) sampler.Sweep(open, 1);
      SweepChains();
    }
    weight_ = LearnStep(w_, service_, until_, true, random_.Next(), &m_);
    LearnEvidence(w_, service_, until_, false, &m_);
    WeighEvidence(service_, m_, &w_);
  }

  void SweepChains() {
    CallChains chains(service_, &w_, m_);
    if (!chains.any()) return;
    std::vector<int> calls;
    const ServiceRange& range = w_.services[service_];
    for (int c = range.first_call; c < range.end_call; ++c) calls.push_back(c);
    calls = chains.Open(calls);
    for (int sweep = 0; sweep < kSweeps; ++sweep) chains.Sweep(calls, 1, &random_, nullptr);
  }

  State Save() {
    State state;
    state.service = of_;
    const ServiceRange& range = w_.services[service_];
    int requests = 0, slots = 0;
    for (int i = range.first_request; i < range.end_request; ++i) {
      requests += w_.requests[i].time.end <= until_;
    }
    for (const int kind : of_.kinds) {
      state.kinds.push_back(m_.kinds[kind]);
      slots +=
          m_.kinds[kind].slots() + kChainSlots * static_cast<int>(m_.kinds[kind].chains().size());
    }
    // Every slot brings a density of its own, which fits better than none: some 80 numbers
    // in log n / 2 each, of which most are given by their neighbours.
    state.likelihood -= 8 * slots * std::log(1.0 + requests);
    std::vector<double> spurned(of_.classes, 0.0);
    for (int c = range.first_call; c < range.end_call; ++c) {
      state.owners.push_back(w_.calls[c].owner);
      state.nobodys += w_.calls[c].owner == kNobody;
      spurned[w_.calls[c].call_class] +=
          w_.calls[c].owner == kNobody && at_hand_[c - range.first_call];
    }
    for (int k = 0; k < of_.classes; ++k)
      state.spurned += std::max(0.0, spurned[k] - beyond_room_[k]);
    // Last, since owners move about by it.
    state.likelihood += weight_ + FreeEnergy(service_, until_, random_.Next(), &w_, m_);
    return state;
  }

  void Restore(State state) {
    SetOutlives(state.service.outlives);
    of_ = std::move(state.service);
    for (size_t k = 0; k < of_.kinds.size(); ++k) {
      m_.kinds[of_.kinds[k]] = std::move(state.kinds[k]);
    }
    const ServiceRange& range = w_.services[service_];
    for (int c = range.first_call; c < range.end_call; ++c) {
      w_.calls[c].owner = state.owners[c - range.first_call];
    }
    w_.LayOut(m_);
  }

  const int service_;
  const double until_;
  const bool hand_offs_;
  Random random_;
  LinkWindow& w_;
  LinkModel& m_;
  ServiceModel& of_;
  std::vector<int> room_;
  std::optional<State> best_[2];  // without hand-offs, with
  double one_slot_left_ = -1;     // calls without request in the best state, one slot a class
  std::vector<int> first_ones_;   // owners in that state
  double weight_ = 0;
  bool all_in_view_ = true;
  std::vector<bool> at_hand_;        // per call
  std::vector<double> beyond_room_;  // calls per class that are more than all requests' first ones
  std::vector<double> left_over_, outside_, all_;  // calls per class
  double no_room_ = 0;                             // calls that surely find no request
};

void LearnJoins(const std::vector<int>& services, double until, uint64_t seed, LinkWindow* window,
                LinkModel* model, JoinModel* joins) {
  Random random(seed);
  joins->Learn(*window, *model, until);
  if (!joins->on()) return;
  for (int s = 0; s < static_cast<int>(model->services.size()); ++s) {
    WeighEvidence(s, *model, window);
  }
  std::vector<int> open;
  Sampler sampler(window, *model, joins, random.Next());
  for (int round = 0; round < kRounds; ++round) {
    for (const int s : services) {
      LearnStep(*window, s, until, true, random.Next(), model);
      LearnEvidence(*window, s, until, false, model);
      WeighEvidence(s, *model, window);
    }
    joins->Learn(*window, *model, until);
    sampler.Refresh();
    open.clear();
    for (int c = 0, n = static_cast<int>(window->calls.size()); c < n; ++c) {
      if (sampler.Open(c)) open.push_back(c);
    }
    for (int sweep = 0; sweep < kSweeps; ++sweep) sampler.Sweep(open, 1);
  }
  for (const int s : services) LearnStep(*window, s, until, true, random.Next(), model);
}

}  // namespace

void LearnFromScratch(const std::vector<int>& services, double until, uint64_t seed, bool hand_offs,
                      const RecentRecords& recent, const Vocabulary& numbers, LinkWindow* window,
                      LinkModel* model, JoinModel* joins) {
  std::vector<int> in_view;  // for the most part
  for (const int service : services) {
    LinkWindow part = recent.Part(service, true, *window, numbers, *model);
    if (2 * recent.calls(service) <= part.calls.size()) in_view.push_back(service);
    ServiceLearner(service, until, MixBits(seed ^ MixBits(service)), hand_offs, &part, model).Run();
    window->TakeOwners(part, service);
  }
  const auto outlives = [&](int s) { return model->services[s].AnyOutlives(); };
  if (std::any_of(services.begin(), services.end(), outlives)) window->FindCandidatesAgain(*model);
  window->LayOut(*model);
  LearnJoins(in_view, until, MixBits(seed), window, model, joins);
}

void Refresh(int service, uint64_t seed, const RecentRecords& recent, const Vocabulary& numbers,
             const LinkWindow& window, LinkModel* model) {
  LinkWindow part = recent.Part(service, false, window, numbers, *model);
  if (!AllInView(part, service)) return;
  constexpr double until = std::numeric_limits<double>::infinity();
  part.LayOut(*model);
  LearnStep(part, service, until, true, seed, model);
  LearnEvidence(part, service, until, false, model);
}

}  // namespace tomograph::correlate::linking
