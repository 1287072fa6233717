#include "correlate/requests/step_counter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <string>

#include "base/random.h"
#include "correlate/requests/calls_test.h"

namespace tomograph::correlate {
namespace {

using telemetry::Batch;
using telemetry::kNoEntity;
using telemetry::SpanKind;
using telemetry::StepStats;
using telemetry::Window;
using telemetry::WindowSet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using StepCounterTest = CallsTest;

TEST_F(StepCounterTest, StretchesBetweenCallsAreSteps) {
  const auto sets = Run({{.id = 1, .start_s = 0, .end_s = 1, .service = web_, .operation = "buy"},
                         {.id = 2,
                          .parent = 1,
                          .start_s = .1,
                          .end_s = .3,
                          .kind = kClient,
                          .service = web_,
                          .operation = "A"},
                         {.id = 3,
                          .parent = 1,
                          .start_s = .5,
                          .end_s = .7,
                          .kind = kClient,
                          .service = web_,
                          .operation = "B"}});
  EXPECT_THAT(Steps(sets, web_),
              ElementsAre("(start) -> A: 100", "A -> B: 200", "B -> (end): 300"));
  const StepStats& first = sets[0].Find({web_, kNoEntity})->steps[0];
  EXPECT_EQ(first.operation, "buy");
  EXPECT_EQ(first.seen, 1u);
  EXPECT_EQ(first.calls, 2);
}

TEST_F(StepCounterTest, LongNamesAreCutBetweenCharacters) {
  std::string name = "a";
  for (int i = 0; i < 100; ++i) name += "\u00e9";  // two bytes each
  const auto sets = Run({{.id = 1, .end_s = 1, .service = web_, .operation = name.c_str()},
                         {.id = 2,
                          .parent = 1,
                          .start_s = .1,
                          .end_s = .3,
                          .kind = kClient,
                          .service = web_,
                          .operation = name.c_str()}});
  const StepStats& step = sets[0].Find({web_, kNoEntity})->steps[0];
  EXPECT_EQ(step.operation, name.substr(0, 119));
  EXPECT_EQ(step.before, name.substr(0, 119));
}

TEST_F(StepCounterTest, CallsThatOverlapLeaveTheStretchInWhichNoneRuns) {
  const auto sets = Run({{.id = 1, .start_s = 0, .end_s = 1, .service = web_},
                         {.id = 2,
                          .parent = 1,
                          .start_s = .1,
                          .end_s = .6,
                          .kind = kClient,
                          .service = web_,
                          .operation = "long"},
                         {.id = 3,
                          .parent = 1,
                          .start_s = .2,
                          .end_s = .3,
                          .kind = kClient,
                          .service = web_,
                          .operation = "short"},
                         {.id = 4,
                          .parent = 1,
                          .start_s = .9,
                          .end_s = 1.5,
                          .kind = kClient,
                          .service = web_,
                          .operation = "not waited for"}});
  EXPECT_THAT(Steps(sets, web_), ElementsAre("(start) -> long: 100", "long -> (end): 400"));
}

TEST_F(StepCounterTest, CallsBelowInternalSpansAreTheRequests) {
  const auto sets = Run({{.id = 1, .start_s = 0, .end_s = 1, .service = web_},
                         {.id = 2,
                          .parent = 1,
                          .start_s = .1,
                          .end_s = .9,
                          .kind = SpanKind::kInternal,
                          .service = web_},
                         {.id = 3,
                          .parent = 2,
                          .start_s = .2,
                          .end_s = .6,
                          .kind = kClient,
                          .service = web_,
                          .operation = "A"}});
  EXPECT_THAT(Steps(sets, web_), ElementsAre("(start) -> A: 200", "A -> (end): 400"));
}

TEST_F(StepCounterTest, TheStepsOfARequestCoverWhatItsCallsDoNot) {
  Random random(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<Row> rows = {{.id = 1, .start_s = 0, .end_s = 2, .service = web_}};
    std::vector<bool> covered(2000, false);
    for (uint64_t id = 2; id < 7; ++id) {
      const int from = static_cast<int>(random.Below(1500));
      const int to = from + 1 + static_cast<int>(random.Below(400));
      rows.push_back({.id = id,
                      .parent = 1,
                      .start_s = from / 1e3,
                      .end_s = to / 1e3,
                      .kind = kClient,
                      .service = web_,
                      .operation = "A"});
      std::fill(covered.begin() + from, covered.begin() + to, true);
    }
    double hidden = 0;
    const auto windows = Run(rows);  // outlives the loop
    for (const StepStats& s : windows[0].Find({web_, kNoEntity})->steps)
      hidden += s.duration.sum() / s.calls * static_cast<double>(s.seen);
    const auto free = std::count(covered.begin(), covered.end(), false);
    EXPECT_NEAR(hidden, static_cast<double>(free) / 1e3, 1e-5);
  }
}

TEST_F(StepCounterTest, AnEntityHasSoManyStepsAndTheRestIsCounted) {
  std::vector<Row> rows;
  std::deque<std::string> names;  // that the rows point at
  for (uint64_t i = 1; i <= 100; ++i) {
    rows.push_back({.trace = i, .id = 1, .start_s = 0, .end_s = 1, .service = web_});
    rows.back().operation = names.emplace_back("op" + std::to_string(i)).c_str();
  }
  const auto sets = Run(rows);
  const Window* w = sets[0].Find({web_, kNoEntity});
  EXPECT_THAT(w->steps, SizeIs(telemetry::kMaxSteps));
  EXPECT_EQ(w->steps_refused, 100 - telemetry::kMaxSteps);
}

TEST_F(StepCounterTest, OfABusyEntityASampleIsLookedAtWithItsWeight) {
  std::vector<Row> rows;
  for (uint64_t i = 1; i <= 12'000; ++i)
    rows.push_back({.trace = i,
                    .id = i * 7919,
                    .start_s = static_cast<double>(i) / 1000,
                    .end_s = static_cast<double>(i) / 1000 + .001,
                    .service = web_});
  const auto sets = Run(rows);
  const StepStats& step = sets[1].Find({web_, kNoEntity})->steps.at(0);
  EXPECT_GT(step.seen, 600u);
  EXPECT_LT(step.seen, 1300u);
  EXPECT_NEAR(step.calls, 2 * 5000, 1200);
}

TEST_F(StepCounterTest, ARequestWhoseCallsMayBeForgottenIsLeftOut) {
  Correlator c({}, &ids_);  // waits for 10 s
  std::vector<WindowSet> sets;
  const auto sink = [&](WindowSet&& s) { sets.push_back(std::move(s)); };
  const auto add = [&](const Row& r) {
    Batch batch;
    Append(r, &batch);
    c.Add(batch);
    c.Advance(c.newest(), sink);
  };
  add({.id = 2, .parent = 1, .start_s = 1, .end_s = 2, .kind = kClient, .service = web_});
  for (int s = 3; s < 60; ++s)
    add({.trace = 2,
         .id = 100u + static_cast<uint64_t>(s),
         .start_s = s + .1,
         .end_s = s + .2,
         .service = cart_});
  add({.id = 1, .start_s = 0, .end_s = 60, .service = web_});
  c.Finish(sink);
  EXPECT_THAT(Steps(sets, web_), IsEmpty());
}

}  // namespace
}  // namespace tomograph::correlate
