#include "correlate/linking/request_model.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace tomograph::correlate::linking {
namespace {

/// Requests that call 0, then 1 after 0 has ended, then answer; 0 lasts long and varies a lot.
RequestExamples Sequence(int n, uint64_t seed) {
  Random random(seed);
  RequestExamples examples;
  examples.Clear(2);
  for (int i = 0; i < n; ++i) {
    const double t = i * 1e5;
    const Interval first{t + 100 + random.Exponential(20), t + 2'000 + random.Exponential(20'000)};
    const double second_start = first.end + 50 + random.Exponential(10);
    const Interval second{second_start, second_start + 1'000};
    examples.requests.push_back({t, second.end + 200 + random.Exponential(30)});
    examples.calls.push_back(first);
    examples.calls.push_back(second);
    examples.used.push_back(0b11);
  }
  return examples;
}

RequestModel TwoSlots() {
  std::vector<CallGroup> groups(2);
  groups[0].call_class = 0;
  groups[1].call_class = 1;
  RequestModel model;
  model.SetGroups(std::move(groups), 2);
  return model;
}

TEST(RequestModel, LearnsWhatACallWaitsFor) {
  RequestModel model = TwoSlots();
  model.Learn(Sequence(1'000, 1), {});
  EXPECT_TRUE(model.StartsFromRequest(0));
  EXPECT_FALSE(model.StartsFromRequest(1));
  // A second call right after the end of the first is likely, wherever that end lies.
  for (const double end : {3'000.0, 40'000.0}) {
    const Interval near[] = {{110, end}, {end + 55, end + 1'055}};
    const Interval far[] = {{110, end}, {end + 900, end + 1'900}};
    EXPECT_GT(model.LogLikelihood({0, end + 1'280}, near, 0b11),
              model.LogLikelihood({0, end + 2'125}, far, 0b11) + 3);
  }
}

TEST(RequestModel, AMissingCallIsUnlikely) {
  RequestModel model = TwoSlots();
  const RequestExamples examples = Sequence(1'000, 2);
  model.Learn(examples, {});
  EXPECT_GT(model.LogLikelihood(examples.requests[0], examples.calls.data(), 0b11),
            model.LogLikelihood(examples.requests[0], examples.calls.data(), 0b01) + 5);
}

TEST(RequestModel, KnowsItsGroups) {
  std::vector<CallGroup> groups(2);
  groups[0].call_class = 4;
  groups[0].count = 3;
  groups[1].call_class = 7;
  RequestModel model;
  model.SetGroups(std::move(groups), 9);
  EXPECT_EQ(model.slots(), 4);
  EXPECT_EQ(model.GroupOf(7)->first, 3);
  EXPECT_EQ(model.GroupOf(5), nullptr);
  EXPECT_EQ(model.GroupOf(1'000), nullptr);
}

TEST(GaussianCopula, FindsCorrelationThatIsNotCommonLoad) {
  // Both scores follow a slow wave (load); in the second set they also share what is their own.
  Random random(5);
  for (const bool related : {false, true}) {
    std::vector<float> scores;
    for (int i = 0; i < 4'000; ++i) {
      const double load = std::sin(i * .001), own = random.Normal(0, 1);
      scores.push_back(static_cast<float>(load + own));
      scores.push_back(static_cast<float>(load + (related ? own : random.Normal(0, 1))));
      scores.push_back(static_cast<float>(random.Normal(0, 1)));
    }
    GaussianCopula copula;
    copula.Learn(scores, 3);
    const float alike[] = {1, 1, 0}, unlike[] = {1, -1, 0};
    const float difference = copula.learned() ? copula.Log(alike) - copula.Log(unlike) : 0;
    if (related) {
      EXPECT_GT(difference, 3);
    } else {
      EXPECT_LT(std::fabs(difference), .3);
    }
  }
}

}  // namespace
}  // namespace tomograph::correlate::linking
