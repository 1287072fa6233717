#include "correlate/linking/free_energy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"

namespace tomograph::correlate::linking {
namespace {

/// Requests that make one call, learned from 400 of them.
LinkModel Learned() {
  LinkModel model;
  model.services.resize(1);
  model.services[0].kinds = {0};
  model.services[0].classes = 1;
  model.services[0].learned = true;
  model.services[0].order_weight = {0};
  model.services[0].log_orphan_rate = {-20};
  model.kinds.resize(1);
  model.kinds[0].SetGroups(std::vector<CallGroup>(1), 1);
  Random random(9);
  RequestExamples examples;
  examples.Clear(1);
  for (int i = 0; i < 400; ++i) {
    const double t = 1e6 * i;
    const Interval call{t + random.Normal(1'500, 400), t + 2'500};
    examples.calls.push_back(call);
    examples.used.push_back(1);
    examples.requests.push_back({t, call.end + random.Normal(1'500, 400)});
  }
  model.kinds[0].Learn(examples, {});
  return model;
}

/// Far apart, `clusters` times `size` requests that overlap, with a call each.
LinkWindow Clusters(int clusters, int size, const LinkModel& model) {
  LinkWindow window;
  Random random(static_cast<uint64_t>(size));
  for (int k = 0; k < clusters; ++k) {
    for (int i = 0; i < size; ++i) {
      const double start = 1e6 * k + 40 * i;
      Request request;
      request.time = {start, start + 4'000 + random.Normal(0, 200)};
      window.requests.push_back(request);
    }
    for (int i = 0; i < size; ++i) {
      Call call;
      call.time.start = 1e6 * k + 1'200 + 150 * i + 100 * random.Uniform();
      call.time.end = call.time.start + 1'000;
      window.calls.push_back(call);
    }
  }
  window.Index(1);
  window.FindCandidates(100);
  window.LayOut(model);
  return window;
}

/// Log of the sum over all ways to give calls `next` and on to requests of the cluster that have
/// none.
double LogSum(const LinkWindow& window, const LinkModel& model, int first, int size, int next,
              std::vector<int>* call_of) {
  if (next == size) {
    double sum = 0;
    for (int i = 0; i < size; ++i) {
      const int c = (*call_of)[i];
      const Interval call = c < 0 ? Interval{} : window.calls[first + c].time;
      sum += model.kinds[0].LogLikelihood(window.requests[first + i].time, &call, c >= 0);
    }
    return sum;
  }
  std::vector<double> ways{model.services[0].log_orphan_rate[0] +
                           LogSum(window, model, first, size, next + 1, call_of)};
  for (int i = 0; i < size; ++i) {
    if ((*call_of)[i] >= 0) continue;
    (*call_of)[i] = next;
    ways.push_back(LogSum(window, model, first, size, next + 1, call_of));
    (*call_of)[i] = -1;
  }
  double most = ways[0], sum = 0;
  for (const double way : ways) most = std::max(most, way);
  for (const double way : ways) sum += std::exp(way - most);
  return most + std::log(sum);
}

/// Of `clusters` clusters, how far the free energy is from what it stands for, per cluster.
double Error(int clusters, int size) {
  const LinkModel model = Learned();
  LinkWindow window = Clusters(clusters, size, model);
  double exact = 0;
  for (int k = 0; k < clusters; ++k) {
    std::vector<int> call_of(size, -1);
    exact += LogSum(window, model, k * size, size, 0, &call_of);
  }
  for (int c = 0; c < clusters * size; ++c) window.Give(model, c, c);
  return (FreeEnergy(0, 1e300, 1, &window, model) - exact) / clusters;
}

TEST(FreeEnergy, IsThatOfAllStatesWhereFewCallsHangTogether) {
  EXPECT_NEAR(Error(200, 1), 0, .02);
  EXPECT_NEAR(Error(200, 2), 0, .05);
  EXPECT_NEAR(Error(200, 3), 0, .1);
  EXPECT_NEAR(Error(100, 4), 0, .15);
}

TEST(FreeEnergy, OfManyCallsIsTooLowByLittleForEach) {
  // Of N that nothing tells apart Bethe's misses log(2 pi N / e) / 2 (Vontobel 2013).
  const double error = Error(30, 6);
  EXPECT_LT(error, .1);
  EXPECT_GT(error, -std::log(2 * M_PI * 6 / M_E) / 2 - .1);
}

}  // namespace
}  // namespace tomograph::correlate::linking
