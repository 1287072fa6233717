#include "correlate/topology/edge_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace tomograph::correlate {
namespace {

using telemetry::Edge;
using telemetry::EdgeAt;
using telemetry::EdgeState;
using telemetry::EntityId;
using ::testing::SizeIs;

constexpr Nanos kWindow = 5 * kSecond;
constexpr Nanos kT0 = 1'700'000'000 * kSecond;
constexpr EntityId kA{1}, kB{2}, kC{3};

/// Feeds a book window by window.
class Tape {
 public:
  explicit Tape(size_t max_edges = 100) : book(max_edges) {}
  /// `calls` from A to B, each standing for `weight`; A heard with `heard` records of that weight.
  void Window(double calls, double heard, double weight = 1, EdgeWitness by = EdgeWitness::kSpans) {
    if (calls > 0) See(kA, kB, by, calls, weight);
    Hearing hearing;
    const bool by_consumer = by == EdgeWitness::kConsumerSpans;
    const bool of_spans = by >= EdgeWitness::kClientSpans || by_consumer;
    const EntityId teller = by == EdgeWitness::kAccessLogs || by_consumer ? kB : kA;
    if (heard > 0) hearing.Add(teller, of_spans ? EdgeWitness::kSpans : by, heard, heard * weight);
    End(hearing);
  }
  void See(EntityId caller, EntityId callee, EdgeWitness by, double calls, double weight = 1,
           double confidence = 1) {
    EdgeSight sight;
    sight.confidence = confidence;
    sight.records = calls;
    sight.calls = calls * weight;
    EXPECT_TRUE(book.Observe(caller, callee, by, sight, now, now + kWindow));
  }
  void End(const Hearing& hearing) {
    book.Judge(hearing, now, now + kWindow);
    now += kWindow;
  }
  Edge Only() const {
    const auto edges = book.Edges();
    EXPECT_THAT(edges, SizeIs(1));
    return edges.at(0);
  }
  EdgeBook book;
  Nanos now = kT0;
};

TEST(EdgeBook, ASilentEdgeOfACallerThatIsHeardHasStopped) {
  Tape tape;
  for (int i = 0; i < 50; ++i) tape.Window(20, 40);
  tape.Window(0, 40);
  EXPECT_EQ(tape.Only().state, EdgeState::kActive) << "one window may be chance";
  for (int i = 0; i < 5; ++i) tape.Window(0, 40);
  const Edge edge = tape.Only();
  EXPECT_EQ(edge.state, EdgeState::kStopped);
  EXPECT_EQ(edge.since, kT0 + 50 * kWindow) << "since its last call";
  EXPECT_EQ(edge.sources[0].calls, 1000);
}

TEST(EdgeBook, ASilentCallerIsUnseenHoweverLong) {
  for (const EdgeWitness by :
       {EdgeWitness::kFlows, EdgeWitness::kAccessLogs, EdgeWitness::kConsumerSpans,
        EdgeWitness::kClientMetrics, EdgeWitness::kClientSpans, EdgeWitness::kInferredJoins,
        EdgeWitness::kSpans}) {
    Tape tape;
    for (int i = 0; i < 50; ++i) tape.Window(20, 40, 1, by);
    for (int i = 0; i < 200; ++i) tape.Window(0, 0, 1, by);
    EXPECT_EQ(tape.Only().state, EdgeState::kUnseen);
    EXPECT_EQ(tape.Only().since, kT0 + 50 * kWindow);
    // It comes back and does not call: only now has it stopped.
    for (int i = 0; i < 10; ++i) tape.Window(0, 40, 1, by);
    EXPECT_EQ(tape.Only().state, EdgeState::kStopped) << telemetry::EdgeWitnessName(by);
  }
}

TEST(EdgeBook, CallsWithoutACalleeMayBeTheMissingOnes) {
  Tape tape;
  for (int i = 0; i < 50; ++i) tape.Window(20, 40);
  for (int i = 0; i < 50; ++i) {
    Hearing hearing;
    hearing.Add(kA, EdgeWitness::kSpans, 40, 40);
    hearing.AddUnplaced(kA, 20);
    tape.End(hearing);
  }
  EXPECT_EQ(tape.Only().state, EdgeState::kUnseen);
}

TEST(EdgeBook, WhatTheCalleeAloneTellsIsUnseenWhenTheCalleeIsSilent) {
  Tape tape;
  for (int i = 0; i < 50; ++i) {
    EdgeSight sight;
    sight.Add(1, 1, true);
    tape.book.Observe(kA, kB, EdgeWitness::kSpans, sight, tape.now, tape.now + kWindow);
    tape.Window(0, 40);
  }
  for (int i = 0; i < 50; ++i) tape.Window(0, 40);
  EXPECT_EQ(tape.Only().state, EdgeState::kUnseen);
}

TEST(EdgeBook, WhatIsInferredIsUnseenWhereInferenceTellsNoMore) {
  enum class Then { kTold, kUntold, kTooFewUntold, kMayBePassedOn };
  const auto after = [](Then then, EdgeWitness by = EdgeWitness::kInferredJoins) {
    Tape tape;
    for (int i = 0; i < 50; ++i) tape.Window(20, 40, 1, by);
    for (int i = 0; i < 100; ++i) {
      const int untold = then == Then::kUntold ? 20 : then == Then::kTooFewUntold ? 1 : 0;
      const Nanos decided = tape.now - 30 * kSecond;
      for (int k = 0; k < untold; ++k) tape.book.AddUntold(kB, decided);
      for (int k = 0; k < 20; ++k) tape.book.AddUntold(kC, decided);
      Hearing hearing;
      hearing.Add(kA, EdgeWitness::kSpans, 40, 40);
      hearing.AddMayBePassedOn(kC, 20);
      if (then == Then::kMayBePassedOn) hearing.AddMayBePassedOn(kA, 20);
      tape.End(hearing);
    }
    return tape.Only().state;
  };
  EXPECT_EQ(after(Then::kTold), EdgeState::kStopped);
  EXPECT_EQ(after(Then::kTooFewUntold), EdgeState::kStopped);
  EXPECT_EQ(after(Then::kUntold), EdgeState::kUnseen);
  EXPECT_EQ(after(Then::kMayBePassedOn), EdgeState::kUnseen);
  EXPECT_EQ(after(Then::kUntold, EdgeWitness::kSpans), EdgeState::kStopped) << "ids tell";
}

TEST(EdgeBook, AThinnerSampleExplainsALongerSilence) {
  // 1 call in 2 windows is seen; then only a hundredth of the traces is kept.
  const auto after = [](double weight) {
    Tape tape;
    for (int i = 0; i < 100; ++i) tape.Window(i % 2, 40);
    for (int i = 0; i < 20; ++i) tape.Window(0, 40, weight);
    return tape.Only().state;
  };
  EXPECT_EQ(after(1), EdgeState::kStopped);
  EXPECT_EQ(after(100), EdgeState::kUnseen);
}

TEST(EdgeBook, OneWitnessThatSeesCallsIsEnough) {
  Tape tape;
  for (int i = 0; i < 50; ++i) {
    tape.See(kA, kB, EdgeWitness::kFlows, 5, 1, 0.7);
    tape.Window(i < 20 ? 20 : 0, 40);
  }
  const Edge edge = tape.Only();
  EXPECT_EQ(edge.state, EdgeState::kActive);
  EXPECT_EQ(edge.since, kT0);
  EXPECT_EQ(edge.basis, "spans");
  ASSERT_THAT(edge.sources, SizeIs(2));
  EXPECT_EQ(edge.sources[0].by, EdgeWitness::kSpans);
  EXPECT_EQ(edge.sources[0].last_seen, kT0 + 20 * kWindow);
}

/// Callers of any rate that never stop: how much of their time they are called stopped, and that
/// those which do stop are found.
TEST(EdgeBook, RarelyCallsAStopThatIsNone) {
  Random random(7);
  int judged = 0, wrong = 0;
  for (int edge = 0; edge < 200; ++edge) {
    Tape tape;
    const double rate = std::pow(10, -1.5 + 2 * random.Uniform());  // windows with calls a window
    tape.Window(1, 40);
    for (int i = 0; i < 1000; ++i) {
      tape.Window(random.Uniform() < 1 - std::exp(-rate) ? 3 : 0, 40);
      ++judged;
      if (tape.Only().state == EdgeState::kStopped) ++wrong;
    }
    for (int i = 0; i < 2000; ++i) tape.Window(0, 40);
    EXPECT_EQ(tape.Only().state, EdgeState::kStopped) << rate;
  }
  EXPECT_LT(wrong, 0.03 * judged) << wrong << " of " << judged;
}

TEST(EdgeBook, TellsTheTopologyOfAnInstant) {
  Tape tape;
  const auto windows = [&](int n, double calls, double heard) {
    for (int i = 0; i < n; ++i) tape.Window(calls, heard);
  };
  windows(20, 10, 10);  // 0..100 s: calls
  windows(20, 0, 10);   // ..200 s: stopped
  windows(20, 10, 10);  // ..300 s: again
  windows(20, 0, 0);    // ..400 s: unseen
  windows(20, 10, 10);  // ..500 s
  const Edge edge = tape.Only();
  EXPECT_EQ(edge.state, EdgeState::kActive);
  EXPECT_EQ(edge.since, kT0 + 400 * kSecond);
  const auto at = [&](int second) { return EdgeAt(edge, kT0 + second * kSecond); };
  EXPECT_EQ(EdgeAt(edge, kT0 - 1), std::nullopt);
  for (const auto& [second, state, since, calls] :
       {std::tuple(50, EdgeState::kActive, 0, 100), std::tuple(150, EdgeState::kStopped, 100, 200),
        std::tuple(250, EdgeState::kActive, 200, 300),
        std::tuple(350, EdgeState::kUnseen, 300, 400),
        std::tuple(500, EdgeState::kActive, 400, 600)}) {
    const auto then = at(second);
    ASSERT_TRUE(then.has_value()) << second;
    EXPECT_EQ(then->state, state) << second;
    EXPECT_EQ(then->since, kT0 + since * kSecond) << second;
    EXPECT_NEAR(then->sources[0].calls, calls, 1e-6) << second;
  }
  EXPECT_LT(at(199)->confidence, at(101)->confidence) << "fades while nothing confirms it";
}

TEST(EdgeBook, StretchesAreBoundedAndLoseNoCalls) {
  Tape tape;
  double sent = 0;
  for (int i = 0; i < 300; ++i) {
    for (int k = 0; k < 20; ++k) tape.Window(5, 10), sent += 5;
    for (int k = 0; k < 2 + i % 7 * 40; ++k) tape.Window(0, 0);
  }
  const Edge edge = tape.Only();
  EXPECT_LE(edge.sources[0].stretches.size(), EdgeBook::kMaxStretches);
  double told = 0;
  Nanos last = 0;
  for (const auto& s : edge.sources[0].stretches) {
    EXPECT_GE(s.from, last);
    EXPECT_GT(s.to, s.from);
    last = s.to;
    told += s.calls;
  }
  EXPECT_NEAR(told, sent, 1e-6);
  EXPECT_NEAR(edge.sources[0].calls, sent, 1e-6);
}

TEST(EdgeBook, CallsOfThePastAreTakenWhereTheyBelong) {
  Tape tape;
  for (int i = 0; i < 10; ++i) tape.Window(1, 10);
  EdgeSight late;
  late.Add(0.8, 1, false);
  EXPECT_TRUE(tape.book.Observe(kA, kB, EdgeWitness::kSpans, late, kT0 - kWindow, kT0));
  EXPECT_EQ(tape.Only().first_seen, kT0 - kWindow);
  EXPECT_EQ(tape.Only().sources[0].calls, 11);
  EXPECT_EQ(tape.Only().last_seen, kT0 + 10 * kWindow);
}

TEST(EdgeBook, IsBoundedAndMakesRoomOfWhatIsLongGone) {
  Tape tape(2);
  EdgeSight sight;
  sight.Add(1, 1, false);
  const auto see = [&](EntityId callee) {
    return tape.book.Observe(kA, callee, EdgeWitness::kSpans, sight, tape.now, tape.now + kWindow);
  };
  EXPECT_TRUE(see(kB));
  EXPECT_TRUE(see(kC));
  EXPECT_FALSE(see(EntityId{4}));
  tape.End({});
  tape.now += 25 * kHour;
  EXPECT_TRUE(see(kB));
  tape.End({});
  EXPECT_TRUE(see(EntityId{4})) << "C has not been seen for a day";
}

TEST(EdgeConfidence, CombinesIndependentWitnessesAndNoOthers) {
  const auto of = [](std::initializer_list<std::pair<EdgeWitness, double>> sources) {
    std::vector<telemetry::EdgeSource> all;
    for (const auto& [by, confidence] : sources) {
      all.emplace_back();
      all.back().by = by;
      all.back().confidence = confidence;
    }
    return telemetry::CombinedConfidence(all);
  };
  using W = EdgeWitness;
  EXPECT_DOUBLE_EQ(of({{W::kSpans, 1}, {W::kFlows, .5}}), 1);
  EXPECT_DOUBLE_EQ(of({{W::kClientSpans, .9}, {W::kClientMetrics, .8}}), .9) << "one naming";
  EXPECT_DOUBLE_EQ(of({{W::kClientSpans, .9}, {W::kAccessLogs, .5}}), .95) << "two ends";
  EXPECT_DOUBLE_EQ(of({{W::kConsumerSpans, .9}}), .9);
  EXPECT_DOUBLE_EQ(of({{W::kInferredJoins, .8}, {W::kClientSpans, .5}}), .9);
  EXPECT_DOUBLE_EQ(of({{W::kFlows, .7}, {W::kAccessLogs, .6}}), .7) << "hang on one address";
}

}  // namespace
}  // namespace tomograph::correlate
