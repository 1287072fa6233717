#include "correlate/requests/side_counter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "correlate/requests/calls_test.h"

namespace tomograph::correlate {
namespace {

using telemetry::Batch;
using telemetry::EntityId;
using telemetry::EntityKind;
using telemetry::kNoEntity;
using telemetry::WindowSet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using SideCounterTest = CallsTest;

std::vector<uint64_t> Numbers(const telemetry::CallSides& s) {
  return {s.joined, s.unanswered, s.failed_unanswered, s.parent_lost};
}

TEST_F(SideCounterTest, EachSideThatDoesNotComeIsCountedOnce) {
  std::vector<Row> rows;
  for (uint64_t trace = 1; trace <= 20; ++trace) {
    const double at = static_cast<double>(trace);
    const Row client{.trace = trace,
                     .id = 1,
                     .parent = 9,
                     .start_s = at,
                     .end_s = at + .99,
                     .kind = kClient,
                     .service = web_,
                     .operation = "pay",
                     .failed = trace == 4};
    if (trace != 3) rows.push_back(client);
    if (trace != 4 && trace != 5 && trace != 6)
      rows.push_back(
          {.trace = trace, .id = 2, .parent = 1, .start_s = at, .end_s = at + .5, .service = pay_});
  }
  rows.push_back({.trace = 99, .id = 1, .start_s = 60, .end_s = 61, .service = cart_});
  const auto sets = Run(rows);
  EXPECT_THAT(Numbers(Sides(sets, {pay_, web_})), ElementsAre(16, 2, 1, 0));
  EXPECT_THAT(Numbers(Sides(sets, {pay_, kNoEntity})), ElementsAre(0, 0, 0, 1));
}

// One library calls through another and goes on long after the call.
TEST_F(SideCounterTest, ASpanWhoseCallWasAnsweredLongAgoIsNoneThatNobodyAnswers) {
  std::vector<Row> rows;
  rows.push_back(
      {.id = 1, .start_s = 1, .end_s = 60, .kind = kClient, .service = web_, .peer = pay_});
  rows.push_back(
      {.id = 2, .parent = 1, .start_s = 1, .end_s = 2, .kind = kClient, .service = web_});
  rows.push_back({.id = 3, .parent = 2, .start_s = 1, .end_s = 2, .service = pay_});
  for (int s = 2; s < 100; ++s)
    rows.push_back({.trace = 2,
                    .id = 100u + static_cast<uint64_t>(s),
                    .start_s = s + .1,
                    .end_s = s + .2,
                    .service = cart_});
  const auto sets = Run(rows);
  EXPECT_THAT(Numbers(Sides(sets, {pay_, web_})), ElementsAre(1, 0, 0, 0));
}

// The client's span ends after the server's, and comes with it or long after.
TEST_F(SideCounterTest, ASpanThatIsStillRunningIsNotLost) {
  for (const double client_end : {1.6, 4.99, 5.01, 9., 14., 18.}) {
    Correlator c({}, &ids_);  // waits for 10 s
    std::vector<WindowSet> sets;
    const auto sink = [&](WindowSet&& s) { sets.push_back(std::move(s)); };
    std::vector<Row> rows = {
        {.id = 2, .parent = 1, .start_s = 1, .end_s = 1.5, .service = pay_},
        {.id = 1, .start_s = 1, .end_s = client_end, .kind = kClient, .service = web_}};
    for (int s = 2; s < 60; ++s)
      rows.push_back({.trace = 2,
                      .id = 100u + static_cast<uint64_t>(s),
                      .start_s = s + .1,
                      .end_s = s + .2,
                      .service = cart_});
    std::stable_sort(rows.begin(), rows.end(),
                     [](const Row& a, const Row& b) { return a.end_s < b.end_s; });
    for (const Row& r : rows) {
      Batch batch;
      Append(r, &batch);
      c.Add(batch);
      c.Advance(c.newest(), sink);
    }
    c.Finish(sink);
    SCOPED_TRACE(client_end);
    EXPECT_THAT(Numbers(Sides(sets, {pay_, web_})), ElementsAre(1, 0, 0, 0));
    EXPECT_THAT(Numbers(Sides(sets, {pay_, kNoEntity})), ElementsAre(0, 0, 0, 0));
  }
}

TEST_F(SideCounterTest, OfWhatEndedLastNothingIsSaid) {
  const auto sets = Run({{.id = 2, .parent = 1, .start_s = 1, .end_s = 2, .service = pay_},
                         {.trace = 2, .id = 5, .start_s = 3, .end_s = 4, .service = pay_}});
  EXPECT_THAT(Numbers(Sides(sets, {pay_, kNoEntity})), ElementsAre(0, 0, 0, 0));
}

TEST_F(SideCounterTest, ADatabaseThatSendsNoSpansLosesNone) {
  const EntityId db = ids_.entities.FindOrAdd(EntityKind::kDatabase, "", "db");
  std::vector<Row> rows;
  for (uint64_t trace = 1; trace <= 40; ++trace) {
    const double at = static_cast<double>(trace);
    rows.push_back({.trace = trace,
                    .id = 1,
                    .start_s = at,
                    .end_s = at + .5,
                    .kind = kClient,
                    .service = web_,
                    .operation = "SELECT",
                    .peer = db});
  }
  for (const WindowSet& set : Run(rows)) EXPECT_THAT(set.sides, IsEmpty());
}

TEST_F(SideCounterTest, ACallThatMayBeOfSeveralCalleesIsSharedOut) {
  std::vector<Row> rows;
  for (uint64_t trace = 1; trace <= 40; ++trace) {
    const double at = 20 + static_cast<double>(trace) / 10;
    rows.push_back({.trace = trace,
                    .id = 1,
                    .start_s = at,
                    .end_s = at + .05,
                    .kind = kClient,
                    .service = web_});
    if (trace % 4 == 0) continue;
    rows.push_back({.trace = trace,
                    .id = 2,
                    .parent = 1,
                    .start_s = at,
                    .end_s = at + .04,
                    .service = trace % 4 == 1 ? pay_ : cart_});
  }
  rows.push_back({.trace = 99, .id = 1, .start_s = 90, .end_s = 91, .service = cart_});
  const auto sets = Run(rows);
  EXPECT_THAT(Numbers(Sides(sets, {pay_, web_})), ElementsAre(10, 0, 0, 0));
  EXPECT_THAT(Numbers(Sides(sets, {cart_, web_})), ElementsAre(20, 0, 0, 0));
  const double pay = Sides(sets, {pay_, web_}).unanswered_share;
  EXPECT_NEAR(pay, 10. / 3, 0.1);
  EXPECT_NEAR(Sides(sets, {cart_, web_}).unanswered_share, 10 - pay, 1e-9);
}

TEST_F(SideCounterTest, ALibraryThatCallsThroughAnotherMakesOneCall) {
  const auto sets =
      Run({{.id = 1, .start_s = 1, .end_s = 2, .kind = kClient, .service = web_},
           {.id = 2, .parent = 1, .start_s = 1, .end_s = 2, .kind = kClient, .service = web_},
           {.id = 3, .parent = 2, .start_s = 1, .end_s = 2, .service = pay_},
           {.trace = 9, .id = 1, .start_s = 60, .end_s = 61, .service = pay_}});
  EXPECT_THAT(Numbers(Sides(sets, {pay_, web_})), ElementsAre(1, 0, 0, 0));
}

}  // namespace
}  // namespace tomograph::correlate
