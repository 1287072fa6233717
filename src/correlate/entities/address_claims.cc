#include "correlate/entities/address_claims.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <tuple>

namespace tomograph::correlate {

using telemetry::EntityId;
using telemetry::kNoEntity;

namespace {

constexpr double kTemper = .5;
constexpr double kLeastChance = .01, kMostChance = .98;
constexpr double kAnswers = 4.5, kAnswersNot = .5;  // Beta: a server's span is seldom lost
constexpr double kMemory = 200;                     // calls
constexpr double kPriorLife_s = 86'400;             // as in AddressBook
constexpr Nanos kForgotten = kHour;
// What the same calls would meet at other times, those before, is chance.
constexpr double kDecoys[] = {.11, .23, .37, .53,
                              .71, .89, 1.1, 1.3};  // s, beyond their own length
constexpr double kPerDecoy = 1. / std::size(kDecoys);
constexpr int kLookedAt = 64;  // requests, for one call

bool Before(const AddressClaims::Call& a, const AddressClaims::Call& b) {
  return std::tie(a.address, a.end, a.start, a.caller, a.slack) <
         std::tie(b.address, b.end, b.start, b.caller, b.slack);
}

/// The request within the call that ends first, of those that `may` be taken; -1: none.
template <typename Requests, typename May>
int Within(const AddressClaims::Call& call, Nanos earlier, const Requests& requests,
           const May& may) {
  const Nanos start = call.start - earlier, end = call.end - earlier;
  auto at = std::lower_bound(requests.begin(), requests.end(), start - 2 * call.slack,
                             [](const auto& r, Nanos t) { return r.start < t; });
  int found = -1;
  for (int looked_at = 0; at != requests.end() && looked_at < kLookedAt; ++at, ++looked_at) {
    const Nanos slack = call.slack + at->slack;
    if (at->start > end + slack) break;
    const auto i = static_cast<int>(at - requests.begin());
    if (at->start < start - slack || at->end > end + slack || !may(i)) continue;
    if (found < 0 || at->end < requests[static_cast<size_t>(found)].end) found = i;
  }
  return found;
}

template <typename Request>
bool InReach(const AddressClaims::Call& call, const Request& request) {
  return call.network == 0 || call.network == request.network;
}

/// Leaves so many of them, spread evenly.
void Thin(size_t most, std::vector<AddressClaims::Call>* calls) {
  const size_t n = calls->size();
  if (n <= most) return;
  for (size_t i = 0; i < most; ++i) (*calls)[i] = (*calls)[i * n / most];
  calls->resize(most);
}

}  // namespace

void AddressClaims::Settle(Nanos from, Nanos to, const std::function<bool(EntityId)>& heard,
                           AddressBook* addresses, const std::function<void(EntityId)>& may) {
  if (!calls_.empty()) {
    std::sort(calls_.begin(), calls_.end(), Before);
    Explain();
    const Window window{from, to, addresses, &may};
    std::vector<std::pair<EntityId, const Requests*>> answering;
    for (const auto& [service, requests] : requests_)
      if (heard(service)) answering.emplace_back(service, &requests);
    for (auto at = calls_.begin(); at != calls_.end();) {
      const EntityId address = at->address;
      const auto next =
          std::find_if(at, calls_.end(), [&](const Call& call) { return call.address != address; });
      const OpenCalls open = OpenOf(&*at, &*at + (next - at), window);
      at = next;
      if (open.all.empty()) continue;
      for (const auto& [service, requests] : answering) Weigh(open, service, *requests, window);
      static const Requests kNone;
      for (auto pair = pairs_.lower_bound({address, EntityId{}});
           pair != pairs_.end() && pair->first.first == address; ++pair) {
        const EntityId service = pair->first.second;
        if (requests_.count(service) == 0 && heard(service)) Weigh(open, service, kNone, window);
      }
    }
  }
  calls_.clear();
  Forget(to, from - FromSeconds(kDecoys[std::size(kDecoys) - 1]) - (to - from));
}

AddressClaims::OpenCalls AddressClaims::OpenOf(const Call* begin, const Call* end,
                                               const Window& window) const {
  OpenCalls open;
  std::copy_if(begin, end, std::back_inserter(open.all), [&](const Call& call) {
    return call.open && call.end - call.start < window.to - window.from;
  });
  Thin(kMostCalls, &open.all);
  open.first_look = open.all;
  Thin(kFirstLook, &open.first_look);
  return open;
}

/// What is explained by calls that are known to have gone there.
void AddressClaims::Explain() {
  for (auto& [service, requests] : requests_) {
    std::sort(requests.begin(), requests.end(), [](const Request& a, const Request& b) {
      return std::tie(a.start, a.end, a.slack) < std::tie(b.start, b.end, b.slack);
    });
  }
  for (const Call& call : calls_) {
    const auto of = requests_.find(call.callee);
    if (call.callee == kNoEntity || call.callee == call.caller || of == requests_.end()) continue;
    Requests& requests = of->second;
    const int i = Within(call, 0, requests, [&](int r) {
      const Request& request = requests[static_cast<size_t>(r)];
      return request.explained_by == kNoEntity && InReach(call, request);
    });
    if (i >= 0) requests[static_cast<size_t>(i)].explained_by = call.address;
  }
}

bool AddressClaims::BeyondChance(const Fit& fit) {
  const double rest = std::max(0.0, 1 - fit.by_chance / std::max(1.0, fit.calls));
  return fit.met - fit.by_chance > 2 * std::sqrt(fit.by_chance * rest);
}

AddressClaims::Fit AddressClaims::FitOf(const std::vector<Call>& calls, EntityId service,
                                        const Requests& requests) {
  Fit fit;
  looked_at_ += calls.size();
  std::vector<bool> taken(requests.size());
  const auto may = [&](int i) {
    const Request& r = requests[static_cast<size_t>(i)];
    const bool elsewhere = r.explained_by != kNoEntity && r.explained_by != calls.front().address;
    return !elsewhere && !taken[static_cast<size_t>(i)] && InReach(calls.front(), r);
  };
  for (const Call& call : calls) {
    if (call.caller == service) continue;
    ++fit.calls;
    const int i = Within(call, 0, requests, may);
    if (i < 0) continue;
    taken[static_cast<size_t>(i)] = true;
    ++fit.met;
    fit.first = std::min(fit.first, call.start);
    fit.last = std::max(fit.last, call.start);
  }
  for (const double decoy : kDecoys) {
    taken.assign(requests.size(), false);
    for (const Call& call : calls) {
      if (call.caller == service) continue;
      const int i = Within(call, call.end - call.start + FromSeconds(decoy), requests, may);
      if (i < 0) continue;
      taken[static_cast<size_t>(i)] = true;
      fit.by_chance += kPerDecoy;
    }
  }
  return fit;
}

void AddressClaims::Weigh(const OpenCalls& calls, EntityId service, const Requests& requests,
                          const Window& window) {
  const std::pair key(calls.all.front().address, service);
  auto at = pairs_.find(key);
  if (at == pairs_.end() && pairs_.size() >= kMostPairs) return;
  const double share = at != pairs_.end()
                           ? at->second.share
                           : 1. / (1. + static_cast<double>(requests_.size()));  // one, or none
  const bool few = calls.all.size() <= kFirstLook;
  Fit fit;
  if (!few && share < kMay) fit = FitOf(calls.first_look, service, requests);
  if (few || share >= kMay || BeyondChance(fit)) fit = FitOf(calls.all, service, requests);
  if (fit.calls == 0) return;
  if (at == pairs_.end()) {
    at = pairs_.emplace(key, Pair{}).first;
    at->second.share = share;
  }
  Pair& pair = at->second;
  const double change = std::min(.5, ToSeconds(window.to - window.from) / kPriorLife_s);
  pair.share += change * (1 - 2 * pair.share);
  if (fit.met > 0 && pair.share < kMay) pair.since = fit.first;
  if (pair.since == 0) pair.since = fit.first;
  const double chance = std::clamp((pair.by_chance + fit.by_chance) / (pair.calls + fit.calls),
                                   kLeastChance, kMostChance);
  const double beyond = std::max(0.0, (pair.met - pair.calls * chance) / (1 - chance));
  const double answered =
      std::min(.99, (kAnswers + beyond) / (kAnswers + kAnswersNot + pair.calls));
  const double log_odds = std::log(pair.share / (1 - pair.share)) +
                          kTemper * (fit.met * std::log(1 + (1 - chance) * answered / chance) +
                                     (fit.calls - fit.met) * std::log1p(-answered));
  pair.share = std::clamp(1 / (1 + std::exp(-log_odds)), 1e-9, 1 - 1e-9);
  pair.calls += fit.calls;
  pair.met += fit.met;
  pair.by_chance += fit.by_chance;
  const double keep = std::min(1.0, kMemory / pair.calls);
  for (double* sum : {&pair.calls, &pair.met, &pair.by_chance}) *sum *= keep;
  pair.seen = window.to;
  if (pair.share >= kMay) (*window.may)(service);
  if (pair.share < kEstablished || fit.met == 0) return;
  const Nanos first = std::min(pair.since, fit.first);
  window.addresses->ObserveFit(key.first, service, first, fit.last, fit.met);
  pair.since = fit.last;
}

double AddressClaims::Share(EntityId address, EntityId service) const {
  const auto at = pairs_.find({address, service});
  return at == pairs_.end() ? 0 : at->second.share;
}

void AddressClaims::Forget(Nanos now, Nanos requests_before) {
  for (auto at = requests_.begin(); at != requests_.end();) {
    std::erase_if(at->second, [&](const Request& r) { return r.end < requests_before; });
    at = at->second.empty() ? requests_.erase(at) : std::next(at);
  }
  std::erase_if(pairs_, [&](const auto& p) { return p.second.seen < now - kForgotten; });
}

}  // namespace tomograph::correlate
