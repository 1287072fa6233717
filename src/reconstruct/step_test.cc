#include "reconstruct/step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/random.h"

namespace tomograph::reconstruct {
namespace {

using telemetry::Basis;
using telemetry::EntityId;
using telemetry::Estimate;
using telemetry::kNoEntity;
using telemetry::StepStats;
using telemetry::Window;
using telemetry::WindowSet;

constexpr EntityId kShop{1};

StepStats Step(const char* after, std::string_view before) {
  StepStats s;
  s.operation = "buy";
  s.after = after;
  s.before = before;
  return s;
}

/// All the requests of a window, each kept with probability p.
void Pass(const std::vector<double>& durations, double p, Random* random, StepStats* step) {
  for (const double d : durations) {
    if (random->Uniform() >= p) continue;
    ++step->seen;
    step->calls += 1 / p;
    step->duration.Add(d, 1 / p);
  }
}

WindowSet Set(int number, std::vector<StepStats> steps) {
  WindowSet set;
  set.start = number * 5 * kSecond;
  set.length = 5 * kSecond;
  Window w;
  w.key = {kShop, kNoEntity};
  for (const StepStats& s : steps) {
    w.spans.seen += s.seen;
    w.spans.calls += s.calls;
    if (s.seen > 0) w.steps.push_back(s);
  }
  set.windows.push_back(std::move(w));
  return set;
}

const Estimate* Find(const std::vector<Estimate>& all, std::string_view state,
                     std::string_view detail) {
  for (const Estimate& e : all)
    if (e.state == state && e.detail == detail) return &e;
  return nullptr;
}

double QuantileOf(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(std::ceil(q * static_cast<double>(values.size()))) - 1];
}

TEST(Step, QuantilesOfAllRequestsAreInTheIntervalsOfASample) {
  for (const double p : {.1, .3}) {
    SCOPED_TRACE(p);
    Random random(7);
    StepModel model;
    std::map<std::string, std::array<double, 3>> held;
    for (int i = 0; i < 1500; ++i) {
      std::vector<double> all;
      for (int k = 0; k < 150; ++k) all.push_back(.01 * std::exp(random.Normal(0, 1)));
      StepStats step = Step("(start)", "pay");
      Pass(all, p, &random, &step);
      std::vector<Estimate> estimates;
      model.Update(Set(i, {step}), &estimates);
      if (i < 20) continue;
      for (const auto& [state, q] :
           {std::pair("step_duration_p50", .5), {"step_duration_p95", .95}}) {
        const Estimate* e = Find(estimates, state, "buy: (start) -> pay");
        ASSERT_NE(e, nullptr);
        if (e->basis == Basis::kMissing) continue;
        auto& [n, in50, in90] = held[state];
        ++n;
        in50 += e->i50.Contains(QuantileOf(all, q));
        in90 += e->i90.Contains(QuantileOf(all, q));
      }
    }
    for (const auto& [state, counts] : held) {
      SCOPED_TRACE(state);
      EXPECT_GE(counts[0], 1300);
      EXPECT_GE(counts[2] / counts[0], 0.85);
      // The past is discounted, since it is not of one distribution outside of a test.
      EXPECT_LE(counts[2] / counts[0], 0.975);
      EXPECT_GE(counts[1] / counts[0], 0.43);
      EXPECT_LE(counts[1] / counts[0], 0.7);
    }
  }
}

TEST(Step, AllSpansAreObservedAndASlowStepIsSeenAtOnce) {
  StepModel model;
  Random random(1);
  std::vector<Estimate> estimates;
  for (int i = 0; i < 21; ++i) {
    StepStats step = Step("(start)", "pay");
    Pass(std::vector<double>(50, i < 20 ? .01 : .1), 1, &random, &step);
    estimates.clear();
    model.Update(Set(i, {step}), &estimates);
  }
  const Estimate* e = Find(estimates, "step_duration_p50", "buy: (start) -> pay");
  EXPECT_EQ(e->basis, Basis::kObserved);
  EXPECT_NEAR(e->value, .1, .002);
}

TEST(Step, ASampledStepThatBecameSlowForgetsTheQuickPast) {
  StepModel model;
  Random random(1);
  std::vector<Estimate> estimates;
  for (int i = 0; i < 21; ++i) {
    StepStats step = Step("(start)", "pay");
    std::vector<double> all;
    for (int k = 0; k < 100; ++k) all.push_back((i < 20 ? .01 : .1) * (1 + random.Uniform()));
    Pass(all, .3, &random, &step);
    estimates.clear();
    model.Update(Set(i, {step}), &estimates);
  }
  const Estimate* e = Find(estimates, "step_duration_p50", "buy: (start) -> pay");
  EXPECT_GT(e->i90.lower, .1);
}

TEST(Step, TooFewRequestsHaveNoP95) {
  StepModel model;
  Random random(1);
  StepStats step = Step("(start)", "pay");
  while (step.seen < 8) Pass({.01, .02, .03}, .1, &random, &step);
  std::vector<Estimate> estimates;
  model.Update(Set(0, {step}), &estimates);
  EXPECT_EQ(Find(estimates, "step_duration_p95", "buy: (start) -> pay")->basis, Basis::kMissing);
  EXPECT_EQ(Find(estimates, "step_duration_p50", "buy: (start) -> pay")->basis, Basis::kInferred);
}

/// `stopped` of 100 requests end after "pay", the others go on to "ship".
std::vector<StepStats> Ways(uint64_t stopped, uint64_t failed) {
  const auto passed = [](const char* after, std::string_view before, uint64_t n) {
    StepStats s = Step(after, before);
    s.seen = n;
    s.calls = static_cast<double>(n);
    for (uint64_t i = 0; i < n; ++i) s.duration.Add(.01);
    return s;
  };
  std::vector<StepStats> steps = {passed("(start)", "pay", 100),
                                  passed("pay", "ship", 100 - stopped),
                                  passed("pay", telemetry::kStepEnd, stopped),
                                  passed("ship", telemetry::kStepEnd, 100 - stopped)};
  steps[3].failed_seen = failed;
  return steps;
}

TEST(Step, RequestsThatStopAfterACallShowThere) {
  StepModel model;
  std::vector<Estimate> estimates;
  const auto run = [&](int i, uint64_t stopped, uint64_t failed) {
    estimates.clear();
    model.Update(Set(i, Ways(stopped, failed)), &estimates);
  };
  for (int i = 0; i < 30; ++i) run(i, 0, 0);
  EXPECT_EQ(Find(estimates, "step_completion", "buy: pay")->value, 1);
  run(30, 40, 12);
  EXPECT_NEAR(Find(estimates, "step_completion", "buy: pay")->value, .6, 1e-9);
  EXPECT_NEAR(Find(estimates, "step_completion", "buy: ship")->value, 48. / 60, 1e-9);
  EXPECT_EQ(Find(estimates, "step_completion", "buy: (start)")->value, 1);
  for (int i = 31; i < 60; ++i) run(i, 40, 0);
  EXPECT_NEAR(Find(estimates, "step_completion", "buy: pay")->value, .6, 1e-9)
      << "an outbreak of minutes is not what usually happens";
}

TEST(Step, CompletionOfAllRequestsIsInTheIntervalsOfASample) {
  Random random(11);
  StepModel model;
  double n = 0, in90 = 0, width = 0;
  for (int i = 0; i < 1200; ++i) {
    const bool outbreak = i % 200 > 160;
    uint64_t stopped = 0, kept = 0, kept_stopped = 0;
    for (int k = 0; k < 200; ++k) {
      const bool stops = random.Uniform() < (outbreak ? .3 : .02);
      const bool keep = random.Uniform() < .2;
      stopped += stops;
      kept += keep;
      kept_stopped += keep && stops;
    }
    std::vector<StepStats> steps = {Step("pay", "ship"), Step("pay", telemetry::kStepEnd)};
    steps[0].seen = kept - kept_stopped;
    steps[1].seen = kept_stopped;
    for (StepStats& s : steps) {
      s.calls = 5 * static_cast<double>(s.seen);
      for (uint64_t k = 0; k < s.seen; ++k) s.duration.Add(.01, 5);
    }
    std::vector<Estimate> estimates;
    model.Update(Set(i, steps), &estimates);
    if (i < 20) continue;
    const Estimate* e = Find(estimates, "step_completion", "buy: pay");
    ++n;
    in90 += e->i90.Contains(1 - static_cast<double>(stopped) / 200);
    width += e->i90.upper - e->i90.lower;
  }
  EXPECT_GE(in90 / n, 0.8);
  EXPECT_LT(width / n, 0.1);
}

TEST(Step, SilenceIsMissingAndWhatIsKnownIsBounded) {
  StepModel model;
  std::vector<Estimate> estimates;
  for (int i = 0; i < 40; ++i) {
    std::vector<StepStats> steps;
    for (int k = 0; k < 60; ++k) {
      steps.push_back(Step("(start)", "pay"));
      steps.back().operation = std::to_string(i * 60 + k);
      steps.back().seen = 1;
      steps.back().calls = 1;
      steps.back().duration.Add(.01);
    }
    estimates.clear();
    model.Update(Set(i, steps), &estimates);
    EXPECT_LE(estimates.size(), 3 * StepModel::kShownSteps);
  }
  estimates.clear();
  model.Update(Set(40, {}), &estimates);
  ASSERT_FALSE(estimates.empty());
  for (const Estimate& e : estimates) EXPECT_EQ(e.basis, Basis::kMissing);
}

}  // namespace
}  // namespace tomograph::reconstruct
