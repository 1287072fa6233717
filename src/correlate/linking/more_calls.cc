#include "correlate/linking/more_calls.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

namespace tomograph::correlate::linking {
namespace {

constexpr double kMorePrior = .5;     // calls (Jeffreys)
constexpr double kFades_us = 300e6;   // to 1/e
constexpr double kTemperature = 1.5;  // of the shares, as of those that the sampler counts
constexpr int kRounds = 30;

}  // namespace

MoreCalls::Found& MoreCalls::FoundOf(int service, int call_class) {
  if (service >= static_cast<int>(found_.size())) found_.resize(service + 1);
  std::vector<Found>& of = found_[service];
  if (call_class >= static_cast<int>(of.size())) of.resize(call_class + 1);
  return of[call_class];
}

void MoreCalls::Forget(int service) {
  if (service < static_cast<int>(found_.size())) found_[service].clear();
}

void MoreCalls::ShareOut(const LinkWindow& window, const LinkModel& model, std::span<const int> all,
                         std::span<const int> open, std::vector<Sampler::Shares>* shares) {
  std::map<std::pair<int, int>, Batch> batches;  // by service and class
  const auto batch_of = [&](int c) -> Batch& {
    return batches[{window.calls[c].service, window.calls[c].call_class}];
  };
  for (const int c : all) {
    const Call& call = window.calls[c];
    Batch& batch = batch_of(c);
    ++batch.calls;
    batch.lost += !call.pinned && call.candidates == 0;
    batch.last_us = std::max(batch.last_us, call.time.start);
  }
  for (size_t x = 0; x < open.size(); ++x) {
    const std::vector<float>& one_more = (*shares)[x].one_more;
    if (one_more.empty()) continue;
    const double fractions = std::accumulate(one_more.begin(), one_more.end(), 0.0);
    batch_of(open[x]).in_question.push_back({&(*shares)[x], fractions});
  }
  for (const auto& [of, batch] : batches) {
    const auto& [service, call_class] = of;
    // Where there were no requests nothing was learned of calls.
    if (call_class >= static_cast<int>(model.services[service].learned_calls.size())) continue;
    Share(model.services[service], call_class, batch, &FoundOf(service, call_class));
  }
}

void MoreCalls::Share(const ServiceModel& model, int call_class, const Batch& batch,
                      Found* found) const {
  if (std::isfinite(found->until_us)) {
    const double passed = std::max(0.0, batch.last_us - found->until_us);
    const double left = std::exp(-passed / kFades_us);
    found->calls *= left, found->more *= left, found->lost *= left, found->time_us *= left;
    found->time_us += passed;
  }
  found->until_us = std::max(found->until_us, batch.last_us);
  found->calls += batch.calls;
  found->lost += batch.lost;

  // Before the first chunk after learning, and for long after, what was learned from is the most
  // that is known.
  const double learned_rate = std::exp(model.log_orphan_rate[call_class]);
  const double calls = model.learned_calls[call_class] + found->calls + 1;
  const double time_us = model.learned_time_us + found->time_us;
  double chance = 0, rate = 0, more = 0, lost = 0;
  for (int round = 0; round < kRounds; ++round) {
    chance = (kMorePrior + found->more + more) / calls;
    rate = std::max(learned_rate, (kOrphanPrior + found->lost + lost) / time_us);
    more = lost = 0;
    for (const InQuestion& of : batch.in_question) {
      const double one_more = chance * of.fractions / (chance * of.fractions + rate);
      more += of.shares->of.back() * one_more;
      lost += of.shares->of.back() * (1 - one_more);
    }
  }
  found->more += more;
  found->lost += lost;
  for (const InQuestion& of : batch.in_question) {
    if (of.fractions <= 0) continue;
    const double odds = std::pow(chance * of.fractions / rate, 1 / kTemperature);
    const double given = of.shares->of.back() * odds / (1 + odds);
    for (size_t x = 0; x < of.shares->one_more.size(); ++x) {
      of.shares->of[x] += static_cast<float>(given * of.shares->one_more[x] / of.fractions);
    }
    of.shares->of.back() -= static_cast<float>(given);
    of.shares->given = static_cast<float>(given);
  }
}

}  // namespace tomograph::correlate::linking
