#include "correlate/linking/learner.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace tomograph::correlate::linking {
namespace {

/// One service whose requests make one call each; who made which is what is to be learned.
struct Service {
  LinkModel model;
  LinkWindow window;
  JoinModel joins;
  std::vector<int> truth;  // of each call

  void Add(double start, double end, double call_start, double call_end) {
    Request request;
    request.time = {start, end};
    window.requests.push_back(request);
    Call call;
    call.time = {call_start, call_end};
    call.id = window.requests.size() - 1;
    window.calls.push_back(call);
  }
  void Learn() {
    model.services.resize(1);
    model.services[0].kinds = {0};
    model.services[0].classes = 1;
    model.services[0].order_weight = {0};
    model.services[0].log_orphan_rate = {0};
    model.kinds.resize(1);
    std::stable_sort(window.calls.begin(), window.calls.end(),
                     [](const Call& a, const Call& b) { return a.time.start < b.time.start; });
    for (const Call& call : window.calls) truth.push_back(static_cast<int>(call.id));
    for (size_t x = 0; x < window.calls.size(); ++x)
      window.calls[x].sequence = window.requests[x].sequence = x;
    window.Index(1);
    window.FindCandidates(100);
    LearnFromScratch({0}, 1e300, 1, true, RecentRecords(), Vocabulary(), &window, &model, &joins);
  }
  double Accuracy() const {
    int right = 0;
    for (size_t c = 0; c < truth.size(); ++c) right += window.calls[c].owner == truth[c];
    return right / static_cast<double>(truth.size());
  }
};

TEST(Learner, OneThreadThatWorksInOrderIsRecognised) {
  // Gaps say nothing (the wait depends on the queue); the order says it all.
  Service service;
  Random random(1);
  double now = 0, free = 0;
  for (int i = 0; i < 1'000; ++i) {
    now += random.Exponential(1'000);
    const double start = free = std::max(now, free) + random.Exponential(800);
    service.Add(now, start + 2'000 + random.Exponential(6'000), start, start + 500);
  }
  service.Learn();
  EXPECT_LT(service.model.services[0].order_weight[0], -3);
  EXPECT_GE(service.Accuracy(), .98);
}

TEST(Learner, IndependentRequestsKeepNoOrder) {
  double right = 0;  // the mean: one seed differs from another by .012
  for (uint64_t seed = 2; seed < 10; ++seed) {
    Service service;
    Random random(seed);
    double now = 0;
    for (int i = 0; i < 1'000; ++i) {
      now += random.Exponential(1'000);
      const double start = now + 500 * std::exp(random.Normal(0, .7));
      service.Add(now, start + 2'000 + 300 * std::exp(random.Normal(0, .1)), start, start + 2'000);
    }
    service.Learn();
    EXPECT_GT(service.model.services[0].order_weight[0], -1) << seed;
    EXPECT_FALSE(service.model.services[0].loses_requests) << seed;
    right += service.Accuracy() / 8;
  }
  EXPECT_GE(right, .95);
}

TEST(Learner, CoarseClocksAreSeen) {
  Service service;
  Random random(3);
  for (int i = 0; i < 200; ++i) {
    const double t = 10'000.0 * i + 123;  // whole milliseconds, and a remainder
    const double wait = 1'000 * (1.0 + static_cast<double>(random.Below(3)));
    service.Add(t, t + wait + 5'000, t + wait, t + wait + 4'000);
  }
  service.Learn();
  EXPECT_EQ(service.model.services[0].grain.quantum, 1'000);
}

TEST(Learner, AnyStepOfAClockIsSeen) {
  for (const double step : {125., 15'625.}) {
    Service service;
    Random random(4);
    for (int i = 0; i < 200; ++i) {
      const double t = step * (1'000.0 * i + static_cast<double>(random.Below(20))) + 7;
      const double wait = step * (1.0 + static_cast<double>(random.Below(5)));
      service.Add(t, t + wait + 5 * step, t + wait, t + wait + 3 * step);
    }
    service.Learn();
    EXPECT_EQ(service.model.services[0].grain.quantum, step);
  }
}

}  // namespace
}  // namespace tomograph::correlate::linking
