#include "correlate/linking/sampler.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>

namespace tomograph::correlate::linking {
namespace {

/// One kind of requests, one class of calls, room for `slots` of them, learned from `n` requests
/// that make one call after about 100 us, and every fourth a second one after another 300.
LinkModel Learned(int slots) {
  LinkModel model;
  model.services.resize(1);
  model.services[0].kinds = {0};
  model.services[0].classes = 1;
  model.services[0].learned = true;
  model.services[0].order_weight = {0};
  model.services[0].log_orphan_rate = {-9};
  model.kinds.resize(1);
  std::vector<CallGroup> groups(1);
  groups[0].count = slots;
  model.kinds[0].SetGroups(std::move(groups), 1);
  Random random(9);
  RequestExamples examples;
  examples.Clear(slots);
  for (int i = 0; i < 400; ++i) {
    const double t = 1e5 * i;
    Interval first{t + random.Normal(150, 60), 0};
    first.end = first.start + 100;
    Interval second{first.end + random.Normal(250, 80), 0};
    second.end = second.start + 100;
    const bool two = slots > 1 && i % 4 == 0;
    examples.calls.push_back(first);
    for (int s = 1; s < slots; ++s) examples.calls.push_back(second);
    examples.used.push_back(two ? 0b11 : 0b01);
    examples.requests.push_back({t, (two ? second : first).end + random.Normal(300, 120)});
  }
  model.kinds[0].Learn(examples, {});
  return model;
}

LinkWindow Crowd(const std::vector<Interval>& requests, const std::vector<Interval>& calls,
                 const LinkModel& model) {
  LinkWindow window;
  for (const Interval time : requests) {
    Request request;
    request.time = time;
    window.requests.push_back(request);
  }
  for (const Interval time : calls) {
    Call call;
    call.time = time;
    window.calls.push_back(call);
  }
  window.Index(1);
  window.FindCandidates(100);
  window.LayOut(model);
  return window;
}

/// Share of every answer (owner per call) by going through all of them.
std::map<std::vector<int>, double> Exact(LinkWindow window, const LinkModel& model) {
  const int n = static_cast<int>(window.requests.size());
  std::map<std::vector<int>, double> weights;
  std::vector<int> owners(window.calls.size(), kNobody);
  for (;;) {
    bool fits = true;
    for (Call& call : window.calls) call.owner = kNobody;
    window.LayOut(model);
    double log_weight = 0;
    for (size_t c = 0; c < owners.size() && fits; ++c) {
      if (owners[c] == kNobody) {
        log_weight += model.services[0].log_orphan_rate[0];
        continue;
      }
      fits = window.Holds(window.requests[owners[c]], window.calls[c]) &&
             window.FreeSlot(model, owners[c], 0) != kNobody;
      if (fits) window.Give(model, static_cast<int>(c), owners[c]);
    }
    if (fits) {
      Sampler sampler(&window, model, nullptr, 1);
      for (int i = 0; i < n; ++i) log_weight += sampler.LogLikelihood(i);
      weights[owners] = std::exp(log_weight);
    }
    size_t c = 0;
    while (c < owners.size() && ++owners[c] == n) owners[c++] = kNobody;
    if (c == owners.size()) break;
  }
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0,
                                     [](double sum, const auto& w) { return sum + w.second; });
  for (auto& [answer, weight] : weights) weight /= all;
  return weights;
}

void ExpectExactPosteriors(LinkWindow window, const LinkModel& model) {
  std::vector<std::map<int, double>> exact(window.calls.size());
  for (const auto& [owners, share] : Exact(window, model)) {
    for (size_t c = 0; c < owners.size(); ++c) exact[c][owners[c]] += share;
  }
  std::vector<int> calls(window.calls.size());
  std::iota(calls.begin(), calls.end(), 0);
  Sampler sampler(&window, model, nullptr, 7);
  std::vector<Sampler::Shares> shares;
  sampler.Count(calls, 60'000, 1, 1, &shares);
  double most_moved = 0;
  for (size_t c = 0; c < calls.size(); ++c) {
    const auto candidates = window.CandidatesOf(window.calls[c]);
    for (size_t x = 0; x <= candidates.size(); ++x) {
      const int owner = x < candidates.size() ? candidates[x] : kNobody;
      EXPECT_NEAR(shares[c].of[x], exact[c][owner], .02) << "call " << c << " of " << owner;
      most_moved = std::max(most_moved, std::min(exact[c][owner], 1 - exact[c][owner]));
    }
  }
  EXPECT_GT(most_moved, .05) << "a test of nothing: all is certain";
}

TEST(Sampler, PosteriorsAreThoseOfTheModel) {
  const LinkModel model = Learned(1);
  ExpectExactPosteriors(Crowd({{0, 700}, {60, 760}, {90, 800}},
                              {{170, 270}, {230, 330}, {250, 350}, {300, 420}}, model),
                        model);
}

TEST(Sampler, SeveralCallsOfOneClassToo) {
  const LinkModel model = Learned(2);
  ExpectExactPosteriors(Crowd({{0, 900}, {80, 1'000}}, {{150, 250}, {220, 320}, {520, 620}}, model),
                        model);
}

TEST(Sampler, FactsStay) {
  const LinkModel model = Learned(1);
  LinkWindow window = Crowd({{0, 700}, {60, 760}}, {{170, 270}, {230, 330}}, model);
  window.Give(model, 0, 1);
  window.calls[0].pinned = true;
  Sampler sampler(&window, model, nullptr, 3);
  EXPECT_FALSE(sampler.Open(0));
  const int calls[] = {1};
  for (int x = 0; x < 200; ++x) {
    sampler.Sweep(calls, 10);
    ASSERT_EQ(window.calls[0].owner, 1);
    ASSERT_NE(window.calls[1].owner, 1);
  }
}

TEST(Sampler, SameSeedSameStates) {
  const LinkModel model = Learned(1);
  std::vector<int> owners[2];
  for (auto& of : owners) {
    LinkWindow window = Crowd({{0, 700}, {60, 760}, {90, 800}}, {{170, 270}, {230, 330}}, model);
    Sampler sampler(&window, model, nullptr, 11);
    const int calls[] = {0, 1};
    for (int x = 0; x < 100; ++x) {
      sampler.Sweep(calls, 1.5);
      for (const Call& call : window.calls) of.push_back(call.owner);
    }
  }
  EXPECT_EQ(owners[0], owners[1]);
}

}  // namespace
}  // namespace tomograph::correlate::linking
