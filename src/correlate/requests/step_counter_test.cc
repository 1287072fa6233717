#include "correlate/requests/step_counter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "correlate/correlator.h"

namespace tomograph::correlate {
namespace {

using telemetry::Batch;
using telemetry::EntityId;
using telemetry::EntityKind;
using telemetry::kNoEntity;
using telemetry::SpanKind;
using telemetry::StepStats;
using telemetry::Window;
using telemetry::WindowKey;
using telemetry::WindowSet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr Nanos kT0 = 1'700'000'000 * kSecond;

class CallsTest : public ::testing::Test {
 protected:
  struct Row {
    uint64_t trace = 1, id = 0, parent = 0;
    double start_s = 0, end_s = 0;
    SpanKind kind = SpanKind::kServer;
    EntityId service = kNoEntity;
    const char* operation = "";
    bool failed = false;
    EntityId peer = kNoEntity;
  };
  EntityId Service(const char* name) {
    return ids_.entities.FindOrAdd(EntityKind::kService, "", name);
  }
  void Append(const Row& r, Batch* batch) {
    telemetry::SpanBatch& s = batch->spans;
    s.trace_id.push_back({7, r.trace});
    s.span_id.push_back(r.id);
    s.parent_span_id.push_back(r.parent);
    s.start_ns.push_back(kT0 + FromSeconds(r.start_s));
    s.end_ns.push_back(kT0 + FromSeconds(r.end_s));
    s.corrected_start_ns.push_back(s.start_ns.back());
    s.kind.push_back(r.kind);
    s.service.push_back(r.service);
    s.peer.push_back(r.peer);
    s.operation.push_back(ids_.strings.Intern(r.operation));
    s.failed.push_back(r.failed);
    s.weight.push_back(2);
    s.weight_known.push_back(1);
  }
  std::vector<WindowSet> Run(std::vector<Row> rows) {
    Correlator c({}, &ids_);
    Batch batch;
    for (const Row& r : rows) Append(r, &batch);
    c.Add(batch);
    std::vector<WindowSet> sets;
    c.Finish([&](WindowSet&& s) { sets.push_back(std::move(s)); });
    return sets;
  }
  /// "after -> before: ms", of the window that a request of `service` ended in.
  std::vector<std::string> Steps(const std::vector<WindowSet>& sets, EntityId service) {
    std::vector<std::string> steps;
    for (const WindowSet& set : sets) {
      const Window* w = set.Find({service, kNoEntity});
      if (w == nullptr) continue;
      for (const StepStats& s : w->steps)
        steps.push_back(s.after + " -> " + s.before + ": " +
                        std::to_string(std::lround(s.duration.mean() * 1e3)));
    }
    return steps;
  }
  telemetry::CallSides Sides(const std::vector<WindowSet>& sets, WindowKey key) {
    telemetry::CallSides all;
    for (const WindowSet& set : sets)
      if (const auto at = set.sides.find(key); at != set.sides.end()) all.Merge(at->second);
    return all;
  }

  telemetry::Identities ids_;
  EntityId web_ = Service("web"), pay_ = Service("pay"), cart_ = Service("cart");
  static constexpr SpanKind kClient = SpanKind::kClient;
};

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
    for (const StepStats& s : Run(rows)[0].Find({web_, kNoEntity})->steps)
      hidden += s.duration.sum() / s.calls * static_cast<double>(s.seen);
    const auto free = std::count(covered.begin(), covered.end(), false);
    EXPECT_NEAR(hidden, static_cast<double>(free) / 1e3, 1e-5);
  }
}

TEST_F(StepCounterTest, AnEntityHasSoManyStepsAndTheRestIsCounted) {
  std::vector<Row> rows;
  for (uint64_t i = 1; i <= 100; ++i) {
    rows.push_back({.trace = i, .id = 1, .start_s = 0, .end_s = 1, .service = web_});
    rows.back().operation = ids_.strings.Get(ids_.strings.Intern("op" + std::to_string(i))).data();
  }
  const auto sets = Run(rows);
  const Window* w = sets[0].Find({web_, kNoEntity});
  EXPECT_THAT(w->steps, SizeIs(telemetry::kMaxSteps));
  EXPECT_EQ(w->steps_refused, 100 - telemetry::kMaxSteps);
}

TEST_F(StepCounterTest, ARequestWhoseCallsMayBeForgottenIsLeftOut) {
  Correlator c({.lateness = 10 * kSecond}, &ids_);
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
    add({.trace = 2, .id = 100u + static_cast<uint64_t>(s), .start_s = s + .1, .end_s = s + .2,
         .service = cart_});
  add({.id = 1, .start_s = 0, .end_s = 60, .service = web_});
  c.Finish(sink);
  EXPECT_THAT(Steps(sets, web_), IsEmpty());
}

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

// The client's span ends after the server's, and comes with it or long after.
TEST_F(SideCounterTest, ASpanThatIsStillRunningIsNotLost) {
  for (const double client_end : {1.6, 4.99, 5.01, 9., 14., 18.}) {
    Correlator c({.lateness = 10 * kSecond}, &ids_);
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

TEST_F(SideCounterTest, ALibraryThatCallsThroughAnotherMakesOneCall) {
  const auto sets = Run({{.id = 1, .start_s = 1, .end_s = 2, .kind = kClient, .service = web_},
                         {.id = 2,
                          .parent = 1,
                          .start_s = 1,
                          .end_s = 2,
                          .kind = kClient,
                          .service = web_},
                         {.id = 3, .parent = 2, .start_s = 1, .end_s = 2, .service = pay_},
                         {.trace = 9, .id = 1, .start_s = 60, .end_s = 61, .service = pay_}});
  EXPECT_THAT(Numbers(Sides(sets, {pay_, web_})), ElementsAre(1, 0, 0, 0));
}

}  // namespace
}  // namespace tomograph::correlate
