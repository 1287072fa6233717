#include "correlate/entities/address_book.h"

#include <algorithm>
#include <cmath>

namespace tomograph::correlate {

using telemetry::EntityId;
using telemetry::kNoEntity;

namespace {

constexpr size_t kMaxRuns = 4;     // of an address
constexpr size_t kMaxOwners = 32;  // of a shared run
constexpr double kMemory = 200;    // calls and windows: more do not make an owner harder to replace
constexpr double kClearMajority = 0.95;
constexpr double kUnlikely = 0.05;
constexpr double kPriorLife_s = 86'400;   // a day, for one change
constexpr Nanos kReturnsWithin = kHour;   // who comes back later has moved away and in again
constexpr Nanos kForgotten = 24 * kHour;  // when room is needed

template <typename Owners>
double TotalOf(const Owners& owners) {
  double total = 0;
  for (const auto& o : owners) total += o.calls;
  return total;
}

}  // namespace

/// nullptr: there is no room.
AddressBook::Sight* AddressBook::FreshSight(EntityId address, EntityId service) {
  if (fresh_.size() < max_addresses_ || fresh_.contains({address, service}))
    return &fresh_[{address, service}];
  ++refused_;
  return nullptr;
}

void AddressBook::Observe(EntityId address, EntityId service, Nanos first, Nanos last,
                          double times) {
  ObserveFit(address, service, first, last, times);
  const auto sight = fresh_.find({address, service});
  if (sight != fresh_.end()) sight->second.told = std::max(sight->second.told, last);
}

void AddressBook::ObserveFit(EntityId address, EntityId service, Nanos first, Nanos last,
                             double times) {
  Sight* const sight = FreshSight(address, service);
  if (sight == nullptr) return;
  sight->first = std::min(sight->first, first);
  sight->last = std::max(sight->last, last);
  sight->times += times;
}

void AddressBook::ObserveHome(EntityId home, EntityId service, Nanos first, Nanos last,
                              double times) {
  Observe(home, service, first, last, times);
  const auto sight = fresh_.find({home, service});
  if (sight != fresh_.end()) sight->second.home = true;
}

void AddressBook::ObserveRelayed(EntityId address, EntityId service, Nanos first, Nanos last,
                                 double times) {
  Observe(address, service, first, last, times);
  const auto sight = fresh_.find({address, service});
  if (sight != fresh_.end()) sight->second.relayed = true;
}

void AddressBook::Settle() {
  if (moved_in_.size() >= max_addresses_) MakeRoom();
  for (auto at = fresh_.begin(); at != fresh_.end();) {
    const EntityId address = at->first.first;
    Sights sights;
    for (; at != fresh_.end() && at->first.first == address; ++at)
      sights.emplace_back(at->first.second, at->second);
    std::stable_sort(sights.begin(), sights.end(),
                     [](const auto& a, const auto& b) { return a.second.first < b.second.first; });
    if (!known_.contains(address) && known_.size() >= max_addresses_ && !MakeRoom()) {
      ++refused_;
      continue;
    }
    Apply(sights, &known_[address]);
  }
  fresh_.clear();
}

AddressBook::Run AddressBook::NewRun(EntityId owner, const Sight& sight) {
  Run run;
  run.first = sight.first;
  run.last = sight.last;
  run.owners.push_back(Owner{owner, std::min(kMemory, sight.times), 0});
  return run;
}

void AddressBook::Apply(const Sights& sights, Tenancy* tenancy) {
  Runs* const runs = &tenancy->runs;
  tenancy->relay = tenancy->relay || std::any_of(sights.begin(), sights.end(),
                                                 [](const auto& s) { return s.second.relayed; });
  for (const auto& [owner, sight] : sights) {
    tenancy->told = std::max(tenancy->told, sight.told);
    if (tenancy->relay && !runs->empty()) {
      Share(owner, sight, &runs->back());
    } else {
      Take(owner, sight, runs);
    }
  }
  if (!tenancy->relay && runs->back().owners.size() > 1) {
    CountWindow(sights, &runs->back());
    SeparateRow(runs);
  }
  if (runs->size() > kMaxRuns) runs->erase(runs->begin());
}

void AddressBook::Take(EntityId owner, const Sight& sight, Runs* runs) {
  if (runs->empty()) {
    runs->push_back(NewRun(owner, sight));
    MoveIn(owner, sight);
    return;
  }
  Run& run = runs->back();
  if (run.owners.size() > 1) return Share(owner, sight, &run);
  if (run.owners.front().entity == owner) {
    observed_s_ += ToSeconds(std::max<Nanos>(0, sight.last - run.last));
    run.first = std::min(run.first, sight.first);
    run.last = std::max(run.last, sight.last);
    run.owners.front().calls = std::min(kMemory, run.owners.front().calls + sight.times);
    return;
  }
  const auto has = [owner](const Run& r) {
    return std::any_of(r.owners.begin(), r.owners.end(),
                       [owner](const Owner& o) { return o.entity == owner; });
  };
  Run* before = runs->size() > 1 ? &(*runs)[runs->size() - 2] : nullptr;
  if (before != nullptr && before->owners.size() == 1 && has(*before) && sight.last < run.first) {
    before->first = std::min(before->first, sight.first);  // told late: it has not come back
    before->last = std::max(before->last, sight.last);
    return;
  }
  if (before != nullptr && has(*before) && sight.first - before->last < kReturnsWithin) {
    // What seemed two moves was one address with two owners.
    for (const Owner& o : before->owners) run.owners.push_back(Owner{o.entity, o.calls, 0});
    run.first = std::min(run.first, before->first);
    Share(owner, sight, &run);
    runs->erase(runs->end() - 2);
  } else if (sight.first <= run.last) {
    Share(owner, sight, &run);
  } else {
    ++changes_;
    runs->push_back(NewRun(owner, sight));
    MoveIn(owner, sight);
  }
}

void AddressBook::Share(EntityId owner, const Sight& sight, Run* run) {
  run->first = std::min(run->first, sight.first);
  run->last = std::max(run->last, sight.last);
  auto at = std::find_if(run->owners.begin(), run->owners.end(),
                         [owner](const Owner& o) { return o.entity == owner; });
  if (at == run->owners.end()) {
    if (run->owners.size() >= kMaxOwners) {
      ++refused_;
      return;
    }
    at = run->owners.insert(run->owners.end(), Owner{owner, 0, 0});
    MoveIn(owner, sight);
  }
  at->calls += sight.times;
  const double keep = std::min(1.0, kMemory / TotalOf(run->owners));
  for (Owner& o : run->owners) o.calls *= keep;
}

void AddressBook::CountWindow(const Sights& sights, Run* run) const {
  const double keep = std::min(1.0, kMemory / ++run->windows);
  run->windows *= keep;
  for (Owner& o : run->owners) o.alone *= keep;
  const auto& [owner, sight] = sights.front();
  if (sights.size() > 1 || owner != run->row_owner) {
    run->row = 0;
    run->row_owner = sights.size() > 1 ? kNoEntity : owner;
    run->row_sight = {};
  }
  if (sights.size() > 1) return;
  for (Owner& o : run->owners) o.alone += o.entity == owner ? 1 : 0;
  ++run->row;
  run->row_sight.first = std::min(run->row_sight.first, sight.first);
  run->row_sight.last = std::max(run->row_sight.last, sight.last);
  run->row_sight.times += sight.times;
}

/// The row of windows that one owner had alone becomes a run of its own once sharing does not
/// explain it.
void AddressBook::SeparateRow(Runs* runs) {
  Run& run = runs->back();
  double alone = 0;
  for (const Owner& o : run.owners) alone += o.entity == run.row_owner ? o.alone : 0;
  alone = std::max(0.0, alone - run.row);
  const double windows = std::max(alone, run.windows - run.row);
  double chance = 1;
  for (double k = 0; k < run.row; ++k) chance *= (alone + k + 0.5) / (windows + k + 1);
  if (run.row == 0 || chance >= kUnlikely) return;
  ++changes_;
  Run separate = NewRun(run.row_owner, run.row_sight);
  run.last = std::max(run.first, separate.first - 1);
  run.row = 0;
  runs->push_back(std::move(separate));
}

void AddressBook::MoveIn(EntityId owner, const Sight& sight) {
  if (!sight.home) return;
  if (moved_in_.size() >= max_addresses_ && !moved_in_.contains(owner)) {
    ++refused_;
    return;
  }
  Nanos& since = moved_in_.try_emplace(owner, INT64_MIN).first->second;
  since = std::max(since, sight.first);
}

/// Was it last seen there before `at`, and has it moved in at another home since?
bool AddressBook::MovedOn(EntityId home, EntityId service, Nanos at) const {
  const auto found = known_.find(home);
  const auto moved_in = moved_in_.find(service);
  if (found == known_.end() || moved_in == moved_in_.end()) return false;
  const Nanos last = found->second.runs.back().last;
  return at > last && moved_in->second > last;
}

double AddressBook::Survival(Nanos gap) const {
  return std::exp(-(1 + changes_) / (kPriorLife_s + observed_s_) * ToSeconds(gap));
}

AddressBook::Answer AddressBook::OfRun(const Run& run, Certainty certainty, Nanos gap) const {
  const auto most =
      std::max_element(run.owners.begin(), run.owners.end(),
                       [](const Owner& a, const Owner& b) { return a.calls < b.calls; });
  const double total = TotalOf(run.owners);
  if (run.owners.size() > 1 && most->calls < kClearMajority * total)
    return {kNoEntity, 0, Certainty::kShared, false};
  return {most->entity, (most->calls + 1) / (total + 2) * Survival(gap), certainty, false};
}

AddressBook::Answer AddressBook::Resolve(EntityId address, Nanos at) const {
  const auto found = known_.find(address);
  if (found == known_.end()) return {};
  if (found->second.relay) return {kNoEntity, 0, Certainty::kRelayed, false};
  const Runs& runs = found->second.runs;
  const auto answer = [&](const Run& run, Certainty certainty, Nanos gap) {
    Answer a = OfRun(run, certainty, gap);
    a.sole = runs.size() == 1 && run.owners.size() == 1;
    return a;
  };
  if (at > runs.back().last) {
    Answer a = answer(runs.back(), Certainty::kBelieved, at - runs.back().last);
    a.sole = a.sole && !MovedOn(address, a.entity, at);
    return a;
  }
  if (at < runs.front().first)
    return answer(runs.front(), Certainty::kBelieved, runs.front().first - at);
  for (const Run& run : runs) {
    if (at >= run.first && at <= run.last) return answer(run, Certainty::kKnown, 0);
  }
  return {kNoEntity, 0, Certainty::kUnknown, false};
}

AddressBook::Answer AddressBook::Resolve(EntityId address, Nanos from, Nanos to) const {
  const auto found = known_.find(address);
  if (found == known_.end()) return {};
  // Each end may lie within a run, before the first or after the last; the worse of the two counts.
  const Answer at_first = Resolve(address, from);
  if (to <= from || at_first.certainty == Certainty::kRelayed) return at_first;
  const Answer at_last = Resolve(address, to);
  if (at_first.entity != at_last.entity) {
    const bool shared =
        at_first.certainty == Certainty::kShared || at_last.certainty == Certainty::kShared;
    return {kNoEntity, 0, shared ? Certainty::kShared : Certainty::kUnknown, false};
  }
  const Runs& runs = found->second.runs;
  const bool moved = std::count_if(runs.begin(), runs.end(), [&](const Run& run) {
                       return run.last >= from && run.first <= to;
                     }) > 1;
  if (moved) return {kNoEntity, 0, Certainty::kUnknown, false};
  return at_first.certainty <= at_last.certainty ? at_first : at_last;
}

AddressBook::Answer AddressBook::Resolve(EntityId address, EntityId home, Nanos from,
                                         Nanos to) const {
  Answer answer = Resolve(address, from, to);
  if (answer.certainty != Certainty::kBelieved || !Answered(home, answer.entity)) return answer;
  const auto living = Owners(home, from);
  if (std::any_of(living.begin(), living.end(),
                  [&](const auto& o) { return o.first == answer.entity; })) {
    answer.sole = answer.sole && !MovedOn(home, answer.entity, to);
    return answer;
  }
  answer = Resolve(home, from, to);
  if (answer.entity == kNoEntity) return {kNoEntity, 0, Certainty::kUnknown, false};
  answer.confidence *= kOfItsHost;
  answer.sole = false;
  return answer;
}

std::vector<std::pair<EntityId, double>> AddressBook::Owners(EntityId address, Nanos at) const {
  std::vector<std::pair<EntityId, double>> owners;
  const auto found = known_.find(address);
  if (found == known_.end()) return owners;
  const Runs& runs = found->second.runs;
  const Run* run = at > runs.back().last ? &runs.back() : nullptr;
  for (const Run& r : runs)
    if (at <= r.last && (at >= r.first || &r == &runs.front())) run = &r;
  if (run == nullptr) return owners;
  const double total = TotalOf(run->owners);
  for (const Owner& o : run->owners) owners.emplace_back(o.entity, o.calls / total);
  return owners;
}

bool AddressBook::Shared(EntityId address) const {
  const auto found = known_.find(address);
  return found != known_.end() && !found->second.relay &&
         found->second.runs.back().owners.size() > 1;
}

bool AddressBook::Told(EntityId address, Nanos since) const {
  const auto found = known_.find(address);
  return found != known_.end() && (found->second.relay || found->second.told >= since);
}

bool AddressBook::Answered(EntityId address, EntityId service) const {
  const auto found = known_.find(address);
  if (found == known_.end()) return false;
  for (const Run& run : found->second.runs) {
    for (const Owner& o : run.owners) {
      if (o.entity == service) return true;
    }
  }
  return false;
}

/// Addresses that nobody answered at for a day make room, and with them the word of who moved in
/// before: it tells of no others.
bool AddressBook::MakeRoom() {
  Nanos newest = INT64_MIN;
  for (const auto& [sight, times] : fresh_) newest = std::max(newest, times.last);
  if (made_room_ != INT64_MIN && newest < made_room_ + kMinute) return false;  // no more than then
  made_room_ = newest;
  std::erase_if(known_,
                [&](const auto& k) { return k.second.runs.back().last < newest - kForgotten; });
  std::erase_if(moved_in_, [&](const auto& m) { return m.second < newest - kForgotten; });
  return known_.size() < max_addresses_;
}

}  // namespace tomograph::correlate
