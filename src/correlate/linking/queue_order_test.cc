#include "correlate/linking/queue_order.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace tomograph::correlate::linking {
namespace {

/// Overlapping requests with one call each, in order of arrival or whenever it pleases.
LinkWindow Queue(bool first_come, LinkModel* model) {
  model->services.resize(1);
  model->services[0] = {};
  model->services[0].kinds = {0};
  model->services[0].classes = 1;
  model->services[0].order_weight = {0};
  model->services[0].log_orphan_rate = {-20};
  model->kinds.resize(1);
  model->kinds[0].SetGroups(std::vector<CallGroup>(1), 1);
  Random random(3);
  LinkWindow window;
  double free = 0;
  for (int i = 0; i < 500; ++i) {
    Request request;
    request.time.start = 1'000.0 * i;
    double start = request.time.start + random.Exponential(5'000);
    if (first_come) start = free = std::max(request.time.start, free) + random.Exponential(900);
    request.time.end = start + 3'000;
    Call call;
    call.time = {start, start + 1'000};
    call.owner = i;
    window.requests.push_back(request);
    window.calls.push_back(call);
  }
  // Calls are kept in order of start; owners go along.
  std::stable_sort(window.calls.begin(), window.calls.end(),
                   [](const Call& a, const Call& b) { return a.time.start < b.time.start; });
  window.Index(1);
  window.LayOut(*model);
  return window;
}

float Learned(bool first_come) {
  LinkModel model;
  const LinkWindow window = Queue(first_come, &model);
  for (int round = 0; round < 10; ++round) LearnQueueOrder(window, 0, 1e300, round, &model);
  return model.services[0].order_weight[0];
}

TEST(QueueOrder, FindsFirstComeFirstServed) { EXPECT_LT(Learned(true), -3); }

TEST(QueueOrder, SaysNothingWhereThereIsNoOrder) { EXPECT_GT(Learned(false), -.25); }

TEST(QueueOrder, CountsInversionsAgainstNeighbours) {
  LinkModel model;
  const LinkWindow window = Queue(true, &model);
  for (const int i : {10, 100, 300}) {
    EXPECT_EQ(Inversions(window, model, i, window.slots[i], kNobody), 0);
  }
  // Were the call of request 100 that of 103, which overlaps it, it would overtake 101 and 102.
  if (window.requests[103].time.start < window.requests[100].time.end) {
    EXPECT_GE(Inversions(window, model, 103, window.slots[100], 100), 2);
  }
}

}  // namespace
}  // namespace tomograph::correlate::linking
