#include "correlate/correlator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/random.h"
#include "telemetry/address.h"

namespace tomograph::correlate {
namespace {

using telemetry::Batch;
using telemetry::EntityId;
using telemetry::EntityKind;
using telemetry::Identities;
using telemetry::kNoEntity;
using telemetry::MetricKind;
using telemetry::Quantity;
using telemetry::Series;
using telemetry::SpanKind;
using telemetry::Temporality;
using telemetry::TraceId;
using telemetry::Window;
using telemetry::WindowSet;
using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr Nanos kT0 = 1'700'000'000 * kSecond;

struct Row {
  uint64_t trace = 1, id = 0, parent = 0;
  double start_s = 0, end_s = 0;
  SpanKind kind = SpanKind::kServer;
  EntityId service = kNoEntity, peer = kNoEntity;
  bool failed = false;
  float weight = 1;
  telemetry::StringId address = telemetry::kEmptyString;
  telemetry::StringId operation = telemetry::kEmptyString;
  telemetry::ResourceId resource = telemetry::kNoResource;
};

void Append(Batch* batch, const Row& r) {
  telemetry::SpanBatch& s = batch->spans;
  s.trace_id.push_back(TraceId{7, r.trace});
  s.span_id.push_back(r.id);
  s.parent_span_id.push_back(r.parent);
  s.start_ns.push_back(kT0 + FromSeconds(r.start_s));
  s.end_ns.push_back(kT0 + FromSeconds(r.end_s));
  s.corrected_start_ns.push_back(s.start_ns.back());
  s.kind.push_back(r.kind);
  s.service.push_back(r.service);
  s.peer.push_back(r.peer);
  s.peer_address.push_back(r.address);
  s.operation.push_back(r.operation);
  s.resource.push_back(r.resource);
  s.failed.push_back(r.failed);
  s.weight.push_back(r.weight);
  s.weight_known.push_back(r.weight > 1);
}

class CorrelatorTest : public ::testing::Test {
 protected:
  EntityId Service(const char* name) {
    return ids_.entities.FindOrAdd(EntityKind::kService, "", name);
  }
  EntityId Peer(const char* name) {
    return ids_.entities.FindOrAdd(EntityKind::kDatabase, "", name);
  }
  void Add(Correlator* c, const std::vector<Row>& rows) {
    Batch batch;
    for (const Row& r : rows) Append(&batch, r);
    c->Add(batch);
  }
  std::vector<WindowSet> Finish(Correlator* c) {
    std::vector<WindowSet> sets;
    c->Finish([&](WindowSet&& s) { sets.push_back(std::move(s)); });
    return sets;
  }
  std::vector<WindowSet> Run(const std::vector<Row>& rows) {
    Correlator c({}, &ids_);
    Add(&c, rows);
    return Finish(&c);
  }
  telemetry::SeriesId MakeSeries(Series s, const std::string& key) {
    return ids_.series.FindOrAdd(telemetry::FingerprintOf(key), [&] { return s; });
  }
  Identities ids_;
  EntityId web_ = Service("web"), cart_ = Service("cart"), pay_ = Service("pay"), db_ = Peer("db");
};

TEST_F(CorrelatorTest, JoinsAcrossBatchesInAnyOrder) {
  Correlator c({}, &ids_);
  Add(&c, {{.id = 3, .parent = 2, .start_s = 0.02, .end_s = 0.08, .service = cart_}});
  Add(&c, {{.id = 1, .start_s = 0, .end_s = 0.2, .service = web_}});
  Add(&c, {{.id = 2,
            .parent = 1,
            .start_s = 0.01,
            .end_s = 0.1,
            .kind = SpanKind::kClient,
            .service = web_}});
  const auto sets = Finish(&c);
  ASSERT_THAT(sets, SizeIs(1));
  EXPECT_EQ(sets[0].spans, 3u);
  EXPECT_EQ(sets[0].spans_joined, 2u);
  EXPECT_EQ(sets[0].orphans, 0u);
  const Window* edge = sets[0].Find({cart_, web_});
  ASSERT_NE(edge, nullptr);
  EXPECT_EQ(edge->spans.seen, 1u);
  EXPECT_NEAR(edge->spans.wait_s, 0.09 - 0.06, 1e-9);
  const Window* web = sets[0].Find({web_, kNoEntity});
  EXPECT_NEAR(web->spans.exclusive_s, 0.2 - 0.09, 1e-9);
  EXPECT_NEAR(web->spans.busy_s, 0.2, 1e-9);
  ASSERT_THAT(c.Edges(), SizeIs(1));
  EXPECT_EQ(c.Edges()[0].basis, "spans");
  EXPECT_EQ(c.Edges()[0].confidence, 1);
}

TEST_F(CorrelatorTest, ARefusedCallGoesToWhoAnsweredAtItsAddressBefore) {
  const auto at = ids_.strings.Intern("10.0.0.7:80");
  const auto nobody = ids_.strings.Intern("10.0.0.8:80");
  const SpanKind client = SpanKind::kClient;
  const auto sets =
      Run({{.trace = 1,
            .id = 1,
            .start_s = 0,
            .end_s = 1,
            .kind = client,
            .service = web_,
            .address = at},
           {.trace = 1, .id = 2, .parent = 1, .start_s = 0, .end_s = 1, .service = cart_},
           {.trace = 2,
            .id = 1,
            .start_s = 6,
            .end_s = 7,
            .kind = client,
            .service = web_,
            .failed = true,
            .address = at},
           {.trace = 3,
            .id = 1,
            .start_s = 6,
            .end_s = 7,
            .kind = client,
            .service = web_,
            .address = nobody}});
  ASSERT_THAT(sets, SizeIs(2));
  const Window* refused = sets[1].Find({cart_, web_});
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->spans.failed_seen, 1u);
  EXPECT_EQ(refused->spans.seen, 1u);
  // An address at which nobody was ever seen to answer makes no entity and no edge.
  for (const Window& w : sets[1].windows)
    EXPECT_TRUE(w.key.entity == cart_ || w.key.entity == web_);
}

TEST_F(CorrelatorTest, CountsTheSameSpanOnce) {
  const Row r{.id = 1, .start_s = 1, .end_s = 2, .service = web_};
  const auto sets = Run({r, r, r});
  EXPECT_EQ(sets[0].Find({web_, kNoEntity})->spans.seen, 1u);
  EXPECT_EQ(sets[0].spans, 1u);
}

TEST_F(CorrelatorTest, ALongCallIsInFlightInEveryWindowAndCountedWhereItEnds) {
  const auto sets = Run({{.id = 1, .start_s = 4, .end_s = 12, .service = web_}});
  ASSERT_THAT(sets, SizeIs(3));
  EXPECT_NEAR(sets[0].Find({web_, kNoEntity})->spans.busy_s, 1, 1e-9);
  EXPECT_NEAR(sets[1].Find({web_, kNoEntity})->spans.busy_s, 5, 1e-9);
  EXPECT_NEAR(sets[2].Find({web_, kNoEntity})->spans.busy_s, 2, 1e-9);
  EXPECT_EQ(sets[0].Find({web_, kNoEntity})->spans.seen, 0u);
  EXPECT_EQ(sets[2].Find({web_, kNoEntity})->spans.seen, 1u);
}

TEST_F(CorrelatorTest, InnerSpansAreNoCallsAndMissingParentsAreOrphans) {
  const auto sets =
      Run({{.id = 1, .start_s = 0, .end_s = 1, .service = web_},
           {.id = 2,
            .parent = 1,
            .start_s = 0,
            .end_s = 0.4,
            .kind = SpanKind::kInternal,
            .service = web_},
           {.trace = 2, .id = 9, .parent = 8, .start_s = 0, .end_s = 1, .service = web_}});
  EXPECT_EQ(sets[0].Find({web_, kNoEntity})->spans.seen, 2u);
  EXPECT_NEAR(sets[0].Find({web_, kNoEntity})->spans.exclusive_s, 2, 1e-9);
  EXPECT_EQ(sets[0].spans_joined, 1u);
  EXPECT_EQ(sets[0].orphans, 1u);
}

TEST_F(CorrelatorTest, WaitingForAConnectionCountsWithoutMakingOne) {
  const auto take = ids_.strings.Intern(telemetry::kTakeConnection);
  const SpanKind client = SpanKind::kClient;
  const auto sets = Run({{.id = 1, .start_s = 1, .end_s = 8, .service = web_},
                         // Waits from 3 to 7, makes a connection from 6 on; the window ends at 5.
                         {.id = 2,
                          .parent = 1,
                          .start_s = 3,
                          .end_s = 7,
                          .kind = client,
                          .service = web_,
                          .operation = take},
                         {.id = 3,
                          .parent = 2,
                          .start_s = 6,
                          .end_s = 7,
                          .kind = client,
                          .service = web_,
                          .operation = take},
                         {.trace = 2,
                          .id = 1,
                          .start_s = 2,
                          .end_s = 3,
                          .kind = client,
                          .service = web_,
                          .weight = 10,
                          .operation = take}});
  const telemetry::CallStats& first = sets[0].Find({web_, kNoEntity})->spans;
  EXPECT_EQ(first.takings, 2u);
  EXPECT_NEAR(first.taking_s, 2 + 10, 1e-9);
  EXPECT_NEAR(first.taking_square, 4 + 100, 1e-9);
  const telemetry::CallStats& second = sets[1].Find({web_, kNoEntity})->spans;
  EXPECT_EQ(second.takings, 1u);
  EXPECT_NEAR(second.taking_s, 1, 1e-9) << "5 to 6";
}

TEST_F(CorrelatorTest, AnUnspecifiedSpanBelowAnotherServiceIsACall) {
  const auto sets =
      Run({{.id = 1, .start_s = 0, .end_s = 1, .kind = SpanKind::kUnspecified, .service = web_},
           {.id = 2,
            .parent = 1,
            .start_s = 0,
            .end_s = 0.4,
            .kind = SpanKind::kUnspecified,
            .service = cart_}});
  EXPECT_EQ(sets[0].Find({cart_, kNoEntity})->spans.seen, 1u);
  EXPECT_EQ(sets[0].Find({cart_, web_})->spans.seen, 1u);
}

TEST_F(CorrelatorTest, ADatabaseWithoutTelemetryHasItsCallersView) {
  const auto sets = Run({{.id = 1, .start_s = 0, .end_s = 1, .service = web_},
                         {.id = 2,
                          .parent = 1,
                          .start_s = 0.1,
                          .end_s = 0.3,
                          .kind = SpanKind::kClient,
                          .service = web_,
                          .peer = db_,
                          .failed = true}});
  const Window* db = sets[0].Find({db_, kNoEntity});
  ASSERT_NE(db, nullptr);
  EXPECT_EQ(db->spans.failed_seen, 1u);
  EXPECT_NEAR(db->spans.latency.Quantile(0.5), 0.2, 0.003);
  EXPECT_NE(sets[0].Find({db_, web_}), nullptr);
}

TEST_F(CorrelatorTest, OfNestedClientSpansTheInnerOneIsTheCall) {
  const auto sets = Run({{.id = 2,
                          .start_s = 0.1,
                          .end_s = 0.4,
                          .kind = SpanKind::kClient,
                          .service = web_,
                          .peer = db_},
                         {.id = 3,
                          .parent = 2,
                          .start_s = 0.1,
                          .end_s = 0.3,
                          .kind = SpanKind::kClient,
                          .service = web_,
                          .peer = db_}});
  EXPECT_EQ(sets[0].Find({db_, web_})->spans.seen, 1u);
  EXPECT_NEAR(sets[0].Find({db_, web_})->spans.busy_s, 0.2, 1e-9);
}

TEST_F(CorrelatorTest, LearnsWhoAnswersAtAnAddressAndRelearnsWhenItIsReused) {
  const EntityId address = Peer("10.0.0.7:80");
  Correlator c({}, &ids_);
  uint64_t id = 1;
  const auto call = [&](double at, EntityId answered_by) {
    std::vector<Row> rows{{.trace = id,
                           .id = id,
                           .start_s = at,
                           .end_s = at + 0.1,
                           .kind = SpanKind::kClient,
                           .service = web_,
                           .peer = address}};
    if (answered_by != kNoEntity)
      rows.push_back({.trace = id,
                      .id = id + 1,
                      .parent = id,
                      .start_s = at,
                      .end_s = at + 0.05,
                      .service = answered_by});
    id += 2;
    Add(&c, rows);
  };
  for (int i = 0; i < 50; ++i) call(0.1 * (i % 40), cart_);
  call(4.5, kNoEntity);                                            // cart's span was lost
  for (int i = 0; i < 300; ++i) call(5 + 0.01 * (i % 400), pay_);  // the address went to pay
  for (int i = 0; i < 300; ++i) call(10 + 0.01 * (i % 400), pay_);
  call(14.5, kNoEntity);
  const auto sets = Finish(&c);
  ASSERT_THAT(sets, SizeIs(3));
  EXPECT_EQ(sets[0].Find({cart_, web_})->spans.seen, 51u);
  EXPECT_EQ(sets[0].Find({address, web_}), nullptr);
  EXPECT_EQ(sets[2].Find({pay_, web_})->spans.seen, 301u);
  EXPECT_EQ(sets[2].Find({cart_, web_}), nullptr);
}

TEST_F(CorrelatorTest, WeightsGiveTheTotalAndAVarianceOverTraces) {
  std::vector<Row> rows;
  for (uint64_t t = 0; t < 10; ++t)
    for (uint64_t k = 0; k < 3; ++k)
      rows.push_back({.trace = t + 1,
                      .id = 10 * t + k + 1,
                      .start_s = 1,
                      .end_s = 1.1,
                      .service = web_,
                      .weight = 10});
  const Window* w = nullptr;
  const auto sets = Run(rows);
  w = sets[0].Find({web_, kNoEntity});
  EXPECT_NEAR(w->spans.calls, 300, 1e-6);
  EXPECT_NEAR(w->spans.calls_variance, 10 * 0.9 / 0.01 * 9, 1e-3);  // per trace (1-p)/p^2 * 3^2
  EXPECT_NEAR(w->spans.busy_variance, 10 * 0.9 / 0.01 * 0.09, 1e-4);
}

TEST_F(CorrelatorTest, LateSpansAreCountedAndLeftOut) {
  Correlator c({}, &ids_);
  Add(&c, {{.id = 1, .start_s = 1, .end_s = 2, .service = web_}});
  std::vector<WindowSet> sets;
  const auto sink = [&](WindowSet&& s) { sets.push_back(std::move(s)); };
  c.Advance(kT0 + 14 * kSecond, sink);
  EXPECT_THAT(sets, SizeIs(0)) << "the window still waits for late records";
  c.Advance(kT0 + 15 * kSecond, sink);
  EXPECT_THAT(sets, SizeIs(1));
  Add(&c, {{.trace = 2, .id = 2, .start_s = 2, .end_s = 3, .service = web_}});
  Add(&c, {{.trace = 3, .id = 3, .start_s = 6, .end_s = 7, .service = web_}});
  c.Finish(sink);
  ASSERT_THAT(sets, SizeIs(2));
  EXPECT_EQ(sets[1].late_spans, 1u);
  EXPECT_EQ(sets[1].Find({web_, kNoEntity})->spans.seen, 1u);
}

using Reasons = std::vector<std::pair<telemetry::Reason, uint64_t>>;

/// What was set aside, of what is told to have been accepted.
Reasons SetAside(telemetry::LossLedger* ledger, telemetry::Signal signal, uint64_t accepted) {
  ledger->Received(telemetry::Format::kOtlpHttp, signal, accepted);
  ledger->Accepted(telemetry::Format::kOtlpHttp, signal, accepted);
  const auto rows = ledger->Rows();
  EXPECT_EQ(rows.size(), 1u);
  EXPECT_TRUE(rows[0].balanced());
  EXPECT_EQ(rows[0].accepted, accepted) << "set aside is not dropped";
  return rows[0].reasons;
}

TEST_F(CorrelatorTest, EachSpanThatIsInNoWindowIsInTheLedgerUnderItsReason) {
  using telemetry::Reason;
  telemetry::LossLedger ledger;
  Correlator c({}, &ids_, &ledger);
  uint64_t seen = 0, added = 0;
  const auto sink = [&](WindowSet&& s) { seen += s.spans; };
  const auto add = [&](Row row) {
    Batch batch;
    row.service = web_;
    Append(&batch, row);
    c.Add(batch, {INT64_MIN, kT0 + kMinute});
    ++added;
  };
  c.Begin(kT0);
  add({.trace = 1, .id = 1, .start_s = 1, .end_s = 2});
  add({.trace = 1, .id = 2, .parent = 1, .start_s = 1, .end_s = 2});
  add({.trace = 1, .id = 1, .start_s = 1, .end_s = 2});       // sent again
  add({.trace = 2, .id = 3, .start_s = -100, .end_s = -99});  // before the beginning
  add({.trace = 3, .id = 4, .start_s = 1, .end_s = 4e8});     // years from now
  c.Advance(kT0 + 15 * kSecond, sink);
  add({.trace = 1, .id = 1, .start_s = 1, .end_s = 2});  // sent again, and late
  add({.trace = 4, .id = 5, .start_s = 2, .end_s = 3});  // late
  add({.trace = 5, .id = 6, .start_s = 6, .end_s = 7});
  c.Finish(sink);
  const Reasons expected = {{Reason::kTooLate, 2},
                            {Reason::kTooOld, 1},
                            {Reason::kFromTheFuture, 1},
                            {Reason::kDuplicate, 1}};
  EXPECT_EQ(SetAside(&ledger, telemetry::Signal::kSpan, added), expected);
  EXPECT_EQ(seen + 5, added) << "what is not set aside is in a window";
}

TEST_F(CorrelatorTest, WhatIsReplayedIsNotCountedAgain) {
  telemetry::LossLedger ledger;
  Correlator c({}, &ids_, &ledger);
  Batch batch;
  Append(&batch, {.trace = 1, .id = 1, .start_s = 1, .end_s = 2, .service = web_});
  c.Replay(batch);
  c.Replay(batch);
  c.Add(batch);  // a sender's retry after our restart: that one is a duplicate
  uint64_t seen = 0;
  c.Finish([&](WindowSet&& s) { seen += s.spans; });
  EXPECT_EQ(seen, 1u);
  const Reasons expected = {{telemetry::Reason::kDuplicate, 1}};
  EXPECT_EQ(SetAside(&ledger, telemetry::Signal::kSpan, 1), expected);
}

TEST_F(CorrelatorTest, RepeatedAndLatePointsAreInTheLedger) {
  using telemetry::Reason;
  Series level;
  level.entity = web_;
  level.metric = ids_.strings.Intern("memory");
  level.kind = MetricKind::kGauge;
  level.quantity = Quantity::kMemoryBytes;
  const telemetry::SeriesId id = MakeSeries(level, "memory");
  telemetry::LossLedger ledger;
  Correlator c({}, &ids_, &ledger);
  const auto add = [&](double at) {
    Batch batch;
    batch.samples.series.push_back(id);
    batch.samples.time_ns.push_back(kT0 + FromSeconds(at));
    batch.samples.start_ns.push_back(0);
    batch.samples.value.push_back(5);
    c.Add(batch);
  };
  add(1);
  add(1);
  add(2);
  c.Advance(kT0 + 15 * kSecond, [](WindowSet&&) {});
  add(2);
  add(7);
  const Reasons expected = {{Reason::kTooLate, 1}, {Reason::kDuplicate, 1}};
  EXPECT_EQ(SetAside(&ledger, telemetry::Signal::kSample, 5), expected);
}

TEST_F(CorrelatorTest, LimitsAreKeptAndTheirCostIsCounted) {
  CorrelatorOptions options;
  options.max_open_spans = 100;
  options.max_windows = 2;
  Correlator c(options, &ids_);
  for (uint64_t i = 1; i <= 1000; ++i)
    Add(&c, {{.trace = i,
              .id = i,
              .start_s = 0.1 * static_cast<double>(i),
              .end_s = 0.1 * static_cast<double>(i) + 0.01,
              .service = i % 3 == 0   ? web_
                         : i % 3 == 1 ? cart_
                                      : pay_}});
  EXPECT_LE(c.bytes(), 200'000u);
  uint64_t seen = 0;
  c.Finish([&](WindowSet&& s) {
    EXPECT_LE(s.windows.size(), 2u);
    for (const Window& w : s.windows) seen += w.spans.seen;
  });
  EXPECT_GT(c.limits().windows_closed_early, 0u);
  EXPECT_GT(c.limits().calls_refused, 0u);
  EXPECT_EQ(seen + c.limits().late_spans + c.limits().calls_refused / 2, 1000u)
      << "a refused root span is refused as a call and as exclusive time";
}

TEST_F(CorrelatorTest, AClockIn1970DoesNotMakeMillionsOfWindows) {
  Correlator c({}, &ids_);
  Add(&c, {{.trace = 1,
            .id = 1,
            .start_s = -ToSeconds(kT0),
            .end_s = -ToSeconds(kT0) + 1,
            .service = web_},
           {.trace = 2, .id = 2, .start_s = 1, .end_s = 2, .service = web_}});
  const auto sets = Finish(&c);
  EXPECT_LT(sets.size(), 10u);
  EXPECT_EQ(sets.back().Find({web_, kNoEntity})->spans.seen, 1u);
}

TEST_F(CorrelatorTest, WhatIsBeyondBeliefMovesNothing) {
  Correlator c({}, &ids_);
  Batch batch;
  Append(&batch, {.trace = 1, .id = 1, .start_s = 1, .end_s = 2, .service = web_});
  Append(&batch, {.trace = 2, .id = 2, .start_s = 1, .end_s = 4e8, .service = web_});
  Append(&batch, {.trace = 3, .id = 3, .start_s = -4e8, .end_s = -3e8, .service = web_});
  c.Add(batch, {kT0 - kMinute, kT0 + kMinute});
  EXPECT_EQ(c.newest(), kT0 + 2 * kSecond);
  const auto sets = Finish(&c);
  ASSERT_THAT(sets, SizeIs(1));
  EXPECT_EQ(sets[0].Find({web_, kNoEntity})->spans.seen, 1u);
}

// -- metrics --

class MetricsTest : public CorrelatorTest {
 protected:
  Series Of(Quantity q, MetricKind kind, Temporality temporality = Temporality::kCumulative) {
    Series s;
    s.resource = telemetry::ResourceId{1};
    s.metric = ids_.strings.Intern("m" + std::to_string(static_cast<int>(q)));
    s.kind = kind;
    s.temporality = temporality;
    s.quantity = q;
    s.entity = web_;
    return s;
  }
  void Sample(Correlator* c, telemetry::SeriesId series, double at_s, double value,
              double start_s = -1000) {
    Batch b;
    b.samples.series.push_back(series);
    b.samples.time_ns.push_back(kT0 + FromSeconds(at_s));
    b.samples.start_ns.push_back(kT0 + FromSeconds(start_s));
    b.samples.value.push_back(value);
    c->Add(b);
  }
  void Histogram(Correlator* c, telemetry::SeriesId series, double at_s,
                 std::vector<uint64_t> counts, double sum) {
    Batch b;
    auto& h = b.samples.histograms;
    h.series.push_back(series);
    h.time_ns.push_back(kT0 + FromSeconds(at_s));
    h.start_ns.push_back(kT0 - 1000 * kSecond);
    uint64_t total = 0;
    for (uint64_t n : counts) total += n;
    h.count.push_back(total);
    h.sum.push_back(sum);
    h.min.push_back(NAN);
    h.max.push_back(NAN);
    h.upper_bound = {100, 200, INFINITY};
    h.bucket_count = counts;
    h.bucket_end.push_back(3);
    c->Add(b);
  }
};

TEST_F(MetricsTest, CountersBecomeDifferencesAndAResetIsNoFall) {
  Correlator c({}, &ids_);
  const auto s = MakeSeries(Of(Quantity::kCallRate, MetricKind::kCounter), "calls");
  double value[] = {1000, 1050, 1100, 30, 80};
  for (int i = 4; i >= 0; --i) Sample(&c, s, 5 * i, value[i]);
  const auto sets = Finish(&c);
  std::vector<double> calls;
  for (const WindowSet& set : sets)
    if (const Window* w = set.Find({web_, kNoEntity})) calls.push_back(w->metrics.calls);
  EXPECT_THAT(calls, ElementsAre(50, 50, 30, 50));
}

TEST_F(MetricsTest, AnExportAcrossABorderIsSplitWithItsVariance) {
  Correlator c({}, &ids_);
  const auto s = MakeSeries(Of(Quantity::kCallRate, MetricKind::kCounter), "calls");
  for (int i = 0; i < 8; ++i) Sample(&c, s, 4 * i - 2, 1000 + 40 * i);
  const auto sets = Finish(&c);
  const Window* w = sets[1].Find({web_, kNoEntity});
  ASSERT_NE(w, nullptr);
  EXPECT_NEAR(w->metrics.calls, 50, 1e-9);
  EXPECT_GT(w->metrics.calls_variance, 0);
}

TEST_F(MetricsTest, AWindowNotCoveredByExportsHasNoCallsFromMetrics) {
  Correlator c({}, &ids_);
  const auto s = MakeSeries(Of(Quantity::kCallRate, MetricKind::kCounter), "calls");
  Sample(&c, s, 3, 1000);
  Sample(&c, s, 5, 1020);
  Sample(&c, s, 10, 1050);
  const auto sets = Finish(&c);
  const Window* first = sets[0].Find({web_, kNoEntity});
  EXPECT_TRUE(first == nullptr || first->gauges.count(Quantity::kCallRate) == 0);
  EXPECT_EQ(sets[1].Find({web_, kNoEntity})->metrics.calls, 30);
}

TEST_F(MetricsTest, ZeroCallsIsMeasuredAndNotMissing) {
  Correlator c({}, &ids_);
  const auto s = MakeSeries(Of(Quantity::kCallRate, MetricKind::kCounter), "calls");
  for (int i = 0; i < 4; ++i) Sample(&c, s, 5 * i, 1000);
  const auto sets = Finish(&c);
  const Window* w = sets[1].Find({web_, kNoEntity});
  ASSERT_NE(w, nullptr);
  EXPECT_EQ(w->gauges.at(Quantity::kCallRate).mean(), 0);
}

TEST_F(MetricsTest, HistogramsGiveLatencyInBaseUnitsAndErrorsByLabel) {
  Correlator c({}, &ids_);
  Series ok = Of(Quantity::kLatency, MetricKind::kHistogram);
  ok.scale = 1e-3;
  Series bad = ok;
  const auto status = ids_.strings.Intern("http.response.status_code");
  ok.labels = {{status, ids_.strings.Intern("200")}};
  bad.labels = {{status, ids_.strings.Intern("503")}};
  const auto good_id = MakeSeries(ok, "ok"), bad_id = MakeSeries(bad, "bad");
  for (int i = 0; i < 4; ++i)
    Histogram(&c, good_id, 5 * i, {0, 100u * static_cast<unsigned>(i), 0}, 15000.0 * i);
  // The first error ever: the label set is new at 10 s and counts from the export before.
  for (int i = 2; i < 4; ++i) Histogram(&c, bad_id, 5 * i, {7, 0, 0}, 350);
  const auto sets = Finish(&c);
  const Window* w = sets[1].Find({web_, kNoEntity});
  ASSERT_NE(w, nullptr);
  EXPECT_NEAR(w->metrics.calls, 107, 1e-9);
  EXPECT_NEAR(w->metrics.failed, 7, 1e-9);
  EXPECT_NEAR(w->metrics.busy_s, 15.35, 1e-9);
  EXPECT_GT(w->metrics.latency.Quantile(0.5), 0.1);
  EXPECT_LT(w->metrics.latency.Quantile(0.5), 0.2);
  EXPECT_EQ(sets[2].Find({web_, kNoEntity})->metrics.failed, 0);
}

TEST_F(MetricsTest, LevelsOfInstancesAddUpOrAverageByMeaning) {
  Correlator c({}, &ids_);
  const auto a = MakeSeries(Of(Quantity::kInFlight, MetricKind::kUpDownCounter), "a");
  const auto b = MakeSeries(Of(Quantity::kInFlight, MetricKind::kUpDownCounter), "b");
  const auto u = MakeSeries(Of(Quantity::kCpuUtilization, MetricKind::kGauge), "u");
  const auto v = MakeSeries(Of(Quantity::kCpuUtilization, MetricKind::kGauge), "v");
  for (const double t : {1.0, 2.0}) {
    Sample(&c, a, t, 3);
    Sample(&c, b, t, 4 + t);
    Sample(&c, u, t, 0.2);
    Sample(&c, v, t, 0.4);
  }
  const auto sets = Finish(&c);
  const auto& gauges = sets[0].Find({web_, kNoEntity})->gauges;
  EXPECT_NEAR(gauges.at(Quantity::kInFlight).mean(), 8.5, 1e-9);
  EXPECT_NEAR(gauges.at(Quantity::kCpuUtilization).mean(), 0.3, 1e-9);
}

TEST_F(MetricsTest, AProcessThatTakesOverDoesNotAddUpWithTheDeadOne) {
  Correlator c({}, &ids_);
  const auto process = [&](uint32_t resource) {
    Series held = Of(Quantity::kMemoryBytes, MetricKind::kUpDownCounter);
    held.resource = telemetry::ResourceId{resource};
    return MakeSeries(held, std::to_string(resource));
  };
  const auto first = process(1), second = process(2), beside = process(3);
  for (const double t : {5.0, 5.5, 6.0, 6.5, 7.0}) Sample(&c, first, t, 100);
  for (const double t : {8.5, 9.0, 9.5, 10.0, 10.5}) Sample(&c, second, t, 50, 8);
  for (double t = 0.5; t < 15; t += 0.5) Sample(&c, beside, t, 1000);
  const auto sets = Finish(&c);
  // Two seconds of 100 and two of 50, beside one that lives on.
  EXPECT_NEAR(sets[1].Find({web_, kNoEntity})->gauges.at(Quantity::kMemoryBytes).mean(),
              1000 + (2 * 100 + 2 * 50) / 5.0, 1e-9);
}

TEST_F(MetricsTest, ProcessesThatDieAfterTheirFirstExportDoNotAddUp) {
  Correlator c({}, &ids_);
  const auto process = [&](uint32_t resource) {
    Series held = Of(Quantity::kMemoryBytes, MetricKind::kUpDownCounter);
    held.resource = telemetry::ResourceId{resource};
    return MakeSeries(held, std::to_string(resource));
  };
  constexpr double kUnknown = -1.7e9;  // no start time
  const double times[] = {5.5, 7.0, 8.5};
  for (uint32_t i = 0; i < 3; ++i) Sample(&c, process(i + 1), times[i], 80 + i, kUnknown);
  // At one instant, as a scrape of several targets sees them, they stand side by side.
  for (uint32_t i = 10; i < 12; ++i) Sample(&c, process(i), 11, 100, kUnknown);
  const auto sets = Finish(&c);
  ASSERT_GE(sets.size(), 2u);
  const auto memory = [&](size_t window) {
    return sets[window].Find({web_, kNoEntity})->gauges.at(Quantity::kMemoryBytes).mean();
  };
  EXPECT_NEAR(memory(sets.size() - 2), 81, 0.5);
  EXPECT_NEAR(memory(sets.size() - 1), 200, 1e-9);
}

TEST_F(MetricsTest, ANewProcessInPlaceOfASilentOneIsARestart) {
  Correlator c({}, &ids_);
  const auto first = MakeSeries(Of(Quantity::kUptime, MetricKind::kGauge), "up of instance 1");
  const auto second = MakeSeries(Of(Quantity::kUptime, MetricKind::kGauge), "up of instance 2");
  const auto beside = MakeSeries(Of(Quantity::kUptime, MetricKind::kGauge), "up of instance 3");
  for (const double t : {1.0, 2.0, 3.0}) Sample(&c, first, t, 100 + t);
  for (const double t : {1.0, 2.0, 3.0, 6.0, 7.0, 8.0}) Sample(&c, beside, t, 50 + t);
  for (const double t : {6.0, 7.0, 8.0}) Sample(&c, second, t, t - 5.5);
  const auto sets = Finish(&c);
  ASSERT_THAT(sets, SizeIs(2));
  ASSERT_NE(sets[0].Find({web_, kNoEntity}), nullptr);
  EXPECT_EQ(sets[0].Find({web_, kNoEntity})->restarts, 0u);
  ASSERT_NE(sets[1].Find({web_, kNoEntity}), nullptr);
  EXPECT_EQ(sets[1].Find({web_, kNoEntity})->restarts, 1u);
}

TEST_F(MetricsTest, AnUptimeThatFallsIsARestart) {
  Correlator c({}, &ids_);
  const auto s = MakeSeries(Of(Quantity::kUptime, MetricKind::kGauge), "up");
  Sample(&c, s, 1, 500);
  Sample(&c, s, 2, 501);
  Sample(&c, s, 6, 0.5);
  Sample(&c, s, 7, 1.5);
  const auto sets = Finish(&c);
  EXPECT_EQ(sets[1].Find({web_, kNoEntity})->restarts, 1u);
}

TEST_F(MetricsTest, ClientMetricsDrawAnEdge) {
  Correlator c({}, &ids_);
  Series s = Of(Quantity::kClientLatency, MetricKind::kHistogram);
  s.peer = db_;
  const auto id = MakeSeries(s, "client");
  for (int i = 0; i < 4; ++i) Histogram(&c, id, 5 * i, {10u * static_cast<unsigned>(i), 0, 0}, i);
  const auto sets = Finish(&c);
  EXPECT_NEAR(sets[1].Find({db_, web_})->metrics.calls, 10, 1e-9);
  ASSERT_THAT(c.Edges(), SizeIs(1));
  EXPECT_EQ(c.Edges()[0].basis, "client metrics");
}

TEST_F(MetricsTest, ClientMetricsWithoutACalleeAreNotTheCallersOwnCalls) {
  Correlator c({}, &ids_);
  const auto id = MakeSeries(Of(Quantity::kClientLatency, MetricKind::kHistogram), "no callee");
  for (int i = 0; i < 4; ++i) Histogram(&c, id, 5 * i, {10u * static_cast<unsigned>(i), 0, 0}, i);
  for (const WindowSet& set : Finish(&c)) EXPECT_EQ(set.Find({web_, kNoEntity}), nullptr);
}

TEST_F(CorrelatorTest, LogsAreCountedByServiceAndSeverity) {
  telemetry::Resource r;
  r.service_entity = web_;
  const auto resource = ids_.resources.FindOrAdd(telemetry::FingerprintOf("r"), [&] { return r; });
  Batch b;
  for (const auto severity :
       {telemetry::Severity::kInfo, telemetry::Severity::kError, telemetry::Severity::kFatal}) {
    b.logs.time_ns.push_back(kT0 + kSecond);
    b.logs.severity.push_back(severity);
    b.logs.resource.push_back(resource);
  }
  Correlator c({}, &ids_);
  c.Add(b);
  const auto sets = Finish(&c);
  EXPECT_EQ(sets[0].Find({web_, kNoEntity})->logs, 3u);
  EXPECT_EQ(sets[0].Find({web_, kNoEntity})->error_logs, 2u);
}

/// Spans, samples, logs, flows: all of it shows that its sender is there; what a scraper says of
/// its target does not.
TEST_F(CorrelatorTest, RecordsOfEveryKindCountForTheirSender) {
  const auto resource_of = [&](EntityId service, const char* name) {
    telemetry::Resource r;
    r.service_entity = service;
    return ids_.resources.FindOrAdd(telemetry::FingerprintOf(name), [&] { return r; });
  };
  const auto web = resource_of(web_, "web"), pay = resource_of(pay_, "pay");
  const auto series = [&](telemetry::ResourceId resource, const char* metric) {
    Series s;
    s.resource = resource;
    s.metric = ids_.strings.Intern(metric);
    return MakeSeries(s, metric);
  };
  Batch b;
  for (const SpanKind kind : {SpanKind::kClient, SpanKind::kInternal}) {
    Append(&b, {.id = b.spans.rows() + 1,
                .start_s = 1,
                .end_s = 2,
                .kind = kind,
                .service = web_,
                .resource = web});
  }
  const double stale = std::nan("");
  for (const auto& [id, value] :
       {std::pair(series(web, "of_its_own"), 7.0), std::pair(series(pay, "up"), 0.0),
        std::pair(series(pay, "scrape_duration_seconds"), 0.1),
        std::pair(series(pay, "of_pay"), stale)}) {
    b.samples.series.push_back(id);
    b.samples.time_ns.push_back(kT0 + kSecond);
    b.samples.start_ns.push_back(0);
    b.samples.value.push_back(value);
  }
  b.logs.time_ns.push_back(kT0 + kSecond);
  b.logs.severity.push_back(telemetry::Severity::kInfo);
  b.logs.resource.push_back(web);
  b.flows.start_ns.push_back(kT0);
  b.flows.end_ns.push_back(kT0 + kSecond);
  b.flows.resource.push_back(web);
  b.flows.source_address.push_back(ids_.strings.Intern("10.0.0.1"));
  b.flows.destination_address.push_back(ids_.strings.Intern("10.0.0.2"));
  b.flows.source_port.push_back(40'000);
  b.flows.destination_port.push_back(80);
  b.flows.protocol.push_back(6);
  b.flows.weight.push_back(1);
  Correlator c({}, &ids_);
  c.Add(b);
  const auto sets = Finish(&c);
  ASSERT_THAT(sets, SizeIs(1));
  ASSERT_NE(sets[0].Find({web_, kNoEntity}), nullptr);
  EXPECT_EQ(sets[0].Find({web_, kNoEntity})->records, 5u);
  EXPECT_EQ(sets[0].Find({pay_, kNoEntity}), nullptr);
}

// -- the same records in any order --

void ExpectSame(const telemetry::CallStats& a, const telemetry::CallStats& b) {
  EXPECT_EQ(a.seen, b.seen);
  EXPECT_EQ(a.failed_seen, b.failed_seen);
  EXPECT_EQ(a.calls, b.calls);
  EXPECT_EQ(a.failed, b.failed);
  EXPECT_EQ(a.calls_variance, b.calls_variance);
  EXPECT_EQ(a.failed_variance, b.failed_variance);
  EXPECT_EQ(a.busy_s, b.busy_s);
  EXPECT_EQ(a.busy_variance, b.busy_variance);
  EXPECT_EQ(a.wait_s, b.wait_s);
  EXPECT_EQ(a.waits, b.waits);
  EXPECT_EQ(a.exclusive_s, b.exclusive_s);
  EXPECT_EQ(a.weight_unknown, b.weight_unknown);
  EXPECT_TRUE(a.latency == b.latency);
}

TEST_F(MetricsTest, AnyOrderAndChunkingGivesTheSameWindows) {
  struct Piece {
    double at = 0;  // when it is due: the watermark never runs more than the lateness ahead of it
    std::vector<Row> rows;
    double value = -1;
  };
  const auto counter = MakeSeries(Of(Quantity::kCallRate, MetricKind::kCounter), "calls");
  Random random(3);
  std::vector<Piece> pieces;
  uint64_t id = 1;
  for (int t = 0; t < 600; ++t) {
    const double at = 40 * random.Uniform(), takes = random.Exponential(0.8);
    const float weight = random.Uniform() < 0.3 ? 1.0f : 7.3f;
    const uint64_t trace = id;
    const Row root{.trace = trace,
                   .id = id++,
                   .start_s = at,
                   .end_s = at + takes,
                   .service = web_,
                   .weight = weight};
    const Row client{.trace = trace,
                     .id = id++,
                     .parent = root.id,
                     .start_s = at + 0.1 * takes,
                     .end_s = at + 0.9 * takes,
                     .kind = SpanKind::kClient,
                     .service = web_,
                     .peer = random.Uniform() < .5 ? db_ : kNoEntity,
                     .weight = weight};
    const Row server{.trace = trace,
                     .id = id++,
                     .parent = client.id,
                     .start_s = at + 0.2 * takes,
                     .end_s = at + 0.7 * takes,
                     .service = cart_,
                     .failed = random.Uniform() < 0.2,
                     .weight = weight};
    pieces.push_back({at, {root}});
    pieces.push_back({at, {client, client}});
    if (random.Uniform() < 0.8) pieces.push_back({at, {server}});
  }
  for (int i = 0; i < 20; ++i) pieces.push_back({2.0 * i, {}, 100.0 * i * 1.37});

  const auto run = [&](uint64_t seed, size_t chunk) {
    Random shuffle(seed);
    std::vector<std::pair<double, const Piece*>> order;
    for (const Piece& p : pieces) order.emplace_back(p.at + 8 * shuffle.Uniform(), &p);
    std::sort(order.begin(), order.end(), [](auto& a, auto& b) { return a.first < b.first; });
    Correlator c({}, &ids_);
    std::vector<WindowSet> sets;
    const auto sink = [&](WindowSet&& s) { sets.push_back(std::move(s)); };
    for (size_t i = 0; i < order.size(); i += chunk) {
      double due = 1e9;
      for (size_t j = i; j < std::min(order.size(), i + chunk); ++j) {
        due = std::min(due, order[j].first);
        if (order[j].second->value >= 0)
          Sample(&c, counter, order[j].second->at, order[j].second->value);
        else
          Add(&c, order[j].second->rows);
      }
      c.Advance(kT0 + FromSeconds(due), sink);
    }
    c.Finish(sink);
    return sets;
  };
  const auto a = run(1, 1);
  for (const auto& b : {run(2, 1), run(3, 17), run(4, 1000000)}) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t s = 0; s < a.size(); ++s) {
      EXPECT_EQ(a[s].start, b[s].start);
      EXPECT_EQ(a[s].spans, b[s].spans);
      EXPECT_EQ(a[s].spans_joined, b[s].spans_joined);
      EXPECT_EQ(a[s].orphans, b[s].orphans);
      EXPECT_EQ(b[s].late_spans, 0u);
      ASSERT_EQ(a[s].windows.size(), b[s].windows.size());
      for (size_t w = 0; w < a[s].windows.size(); ++w) {
        EXPECT_TRUE(a[s].windows[w].key == b[s].windows[w].key);
        ExpectSame(a[s].windows[w].spans, b[s].windows[w].spans);
        ExpectSame(a[s].windows[w].metrics, b[s].windows[w].metrics);
        EXPECT_EQ(a[s].windows[w].records, b[s].windows[w].records);
        EXPECT_EQ(a[s].windows[w].examples, b[s].windows[w].examples);
      }
    }
  }
}

/// Two hosts, the second one's clock ahead; calls of 10 ms with a server span of 6 ms inside.
class ClocksTest : public CorrelatorTest {
 protected:
  telemetry::ResourceId On(const char* host, EntityId service) {
    return ids_.resources.FindOrAdd(telemetry::FingerprintOf(host), [&] {
      telemetry::Resource r;
      r.host = ids_.strings.Intern(host);
      r.service_entity = service;
      return r;
    });
  }
  Batch Calls(Nanos ahead, double from_s, double to_s, double every_s = 0.05) {
    Batch batch;
    Random random(static_cast<uint64_t>(from_s * 1000) + 1);
    uint64_t id = static_cast<uint64_t>(from_s * 1e6) + 1;
    for (int n = 0; from_s + n * every_s < to_s; ++n, id += 4) {
      const double t = from_s + n * every_s;
      const double there = 0.0005 + random.Exponential(0.0003);
      const double back = 0.0005 + random.Exponential(0.0003);
      const double server = t + 0.001 + there, end = server + 0.006 + back;
      Append(&batch, {.trace = id,
                      .id = id,
                      .start_s = t,
                      .end_s = end + 0.001,
                      .service = web_,
                      .resource = On("node-1", web_)});
      Append(&batch, {.trace = id,
                      .id = id + 1,
                      .parent = id,
                      .start_s = t + 0.001,
                      .end_s = end,
                      .kind = SpanKind::kClient,
                      .service = web_,
                      .resource = On("node-1", web_)});
      Append(&batch, {.trace = id,
                      .id = id + 2,
                      .parent = id + 1,
                      .start_s = server + ToSeconds(ahead),
                      .end_s = server + 0.006 + ToSeconds(ahead),
                      .service = cart_,
                      .resource = On("node-2", cart_)});
    }
    return batch;
  }
};

TEST_F(ClocksTest, CountsSpansByCorrectedTimes) {
  // Two seconds ahead: by raw times two fifths of the answers lie in the window after their calls.
  for (const bool correct : {true, false}) {
    CorrelatorOptions options;
    options.correct_clocks = correct;
    Correlator c(options, &ids_);
    c.Add(Calls(2 * kSecond, 0, 39.99));
    uint64_t calls = 0, answers = 0, apart = 0;
    for (const WindowSet& set : Finish(&c)) {
      const Window *web = set.Find({web_, kNoEntity}), *cart = set.Find({cart_, kNoEntity});
      const uint64_t made = web == nullptr ? 0 : web->spans.seen;
      const uint64_t answered = cart == nullptr ? 0 : cart->spans.seen;
      calls += made;
      answers += answered;
      apart += made > answered ? made - answered : answered - made;
    }
    EXPECT_EQ(calls, 800u);  // each once, whatever the clock
    EXPECT_EQ(answers, 800u);
    if (correct)
      EXPECT_LE(apart, 2u);
    else
      EXPECT_GE(apart, 80u);
  }
}

TEST_F(ClocksTest, AClockFurtherOffThanAWindowIsMeasuredAndItsTimesStayRaw) {
  Correlator c({}, &ids_);
  c.Add(Calls(7 * kSecond, 0, 60));
  Finish(&c);
  bool told = false;
  for (const auto& clock : c.clocks().Clocks()) {
    if (clock.is_reference()) continue;
    const auto& last = clock.segments.back();
    told = last.measured && std::abs(std::abs(last.offset) - 7 * kSecond) < kMillisecond;
    EXPECT_FALSE(last.applied);
  }
  EXPECT_TRUE(told);
}

TEST_F(ClocksTest, SaysHowWrongACorrectedTimeMayBe) {
  Correlator c({}, &ids_);
  c.Add(Calls(20 * kMillisecond, 0, 40));
  Finish(&c);
  const auto clocks = c.clocks().Clocks();
  ASSERT_THAT(clocks, SizeIs(2));
  const auto& reference = clocks[0].is_reference() ? clocks[0] : clocks[1];
  const auto& other = clocks[0].is_reference() ? clocks[1] : clocks[0];
  const double sign = other.host == "node-2" ? 1 : -1;
  EXPECT_TRUE(reference.is_reference());
  EXPECT_NEAR(static_cast<double>(other.segments.back().offset), sign * 20e6, 100e3);
  EXPECT_GT(other.segments.back().BoundAt(other.segments.back().from), 400 * kMicrosecond);
  EXPECT_LT(other.segments.back().BoundAt(other.segments.back().from), 3 * kMillisecond);
  const auto bounds = c.ClockBounds();  // of the services on them
  ASSERT_EQ(bounds.count(web_) + bounds.count(cart_), 2u);
  const Nanos both = bounds.at(web_) + bounds.at(cart_);  // the reference's is 0
  EXPECT_GT(both, 400 * kMicrosecond);
  EXPECT_LT(both, 3 * kMillisecond);
}

TEST_F(ClocksTest, AnyOrderAndChunkingGivesTheSameClocksAndWindows) {
  const auto run = [&](int parts, bool reversed) {
    Correlator c({}, &ids_);
    std::vector<WindowSet> sets;
    const auto keep = [&](WindowSet&& s) { sets.push_back(std::move(s)); };
    std::vector<Batch> batches;
    // Parts of one lateness each, within which the order is free.
    for (int part = 0; part < parts; ++part)
      batches.push_back(Calls(300 * kMillisecond, 40.0 * part / parts, 40.0 * (part + 1) / parts));
    for (size_t i = 0; i + 1 < batches.size() && reversed; i += 2)
      std::swap(batches[i], batches[i + 1]);
    for (size_t i = 0; i < batches.size(); ++i) {
      c.Add(batches[i]);
      const double done = 40.0 * static_cast<double>(i + (reversed ? 0 : 1)) / parts;
      c.Advance(kT0 + FromSeconds(done), keep);
    }
    c.Finish(keep);
    std::string all;
    for (const WindowSet& s : sets)
      for (const Window& w : s.windows)
        all += std::to_string(w.spans.seen) + " " + std::to_string(w.spans.exclusive_s) + ";";
    for (const auto& clock : c.clocks().Clocks())
      for (const auto& s : clock.segments) all += std::to_string(s.offset) + ",";
    return all;
  };
  EXPECT_EQ(run(8, false), run(8, true));
}

TEST_F(ClocksTest, AClockThatIsOffByYearsIsNotInvented) {
  Correlator c({}, &ids_);
  c.Add(Calls(-20LL * 365 * 24 * kHour, 0, 10));
  c.Add(Calls(0, 10, 11), {INT64_MIN, kT0 + kHour});
  const auto sets = Finish(&c);
  for (const auto& clock : c.clocks().Clocks())
    for (const auto& s : clock.segments) EXPECT_FALSE(s.applied && std::abs(s.offset) > kHour);
}

class TopologyTest : public CorrelatorTest {
 protected:
  void Joined(uint64_t trace, double t, EntityId caller, EntityId callee,
              telemetry::StringId address, std::vector<Row>* rows) {
    rows->push_back({.trace = trace,
                     .id = 1,
                     .start_s = t,
                     .end_s = t + 0.02,
                     .kind = SpanKind::kClient,
                     .service = caller,
                     .address = address});
    rows->push_back({.trace = trace,
                     .id = 2,
                     .parent = 1,
                     .start_s = t + 0.001,
                     .end_s = t + 0.01,
                     .service = callee});
  }
  void Alone(uint64_t trace, double t, EntityId caller, telemetry::StringId address,
             std::vector<Row>* rows) {
    rows->push_back({.trace = trace,
                     .id = 1,
                     .start_s = t,
                     .end_s = t + 0.02,
                     .kind = SpanKind::kClient,
                     .service = caller,
                     .address = address});
  }
  telemetry::ResourceId At(EntityId service, const std::string& ip) {
    const std::string name(ids_.entities.Name(service));
    return ids_.resources.FindOrAdd(telemetry::FingerprintOf(name + "@" + ip), [&] {
      telemetry::Resource resource;
      resource.service = ids_.strings.Intern(name);
      resource.service_entity = service;
      if (!ip.empty())
        resource.attributes.emplace_back(ids_.strings.Intern("host.ip"), ids_.strings.Intern(ip));
      return resource;
    });
  }
  telemetry::ResourceId On(const std::string& host) {
    return ids_.resources.FindOrAdd(telemetry::FingerprintOf(host), [&] {
      telemetry::Resource resource;
      resource.host = ids_.strings.Intern(host);
      return resource;
    });
  }
};

/// Every service calls through the sidecar of its host, which passes calls on to any other, one of
/// the same host among them; the calls of some carry ids.
TEST_F(TopologyTest, WhatARelayPassesOnWithoutIdsIsNoServicesCall) {
  const EntityId batch = Service("batch"), report = Service("report"), tax = Service("tax");
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    for (const char* sidecar : {"127.0.0.1:15001", "[::1]:80", "localhost:9", "/run/proxy.sock"}) {
      Random random(seed);
      std::vector<Row> rows;
      std::set<std::pair<EntityId, EntityId>> traced;
      uint64_t trace = 0;
      const auto address = ids_.strings.Intern(telemetry::AddressOn(sidecar, "web-1"));
      // At first all are passed on to one service.
      for (double t = 0; t < 120; t += random.Exponential(0.1)) {
        const bool to_cart = t < 30 || random.Uniform() < .9;
        if (random.Uniform() < .6) {
          const EntityId callee = to_cart ? cart_ : random.Uniform() < .5 ? pay_ : tax;
          Joined(++trace, t, web_, callee, address, &rows);
          rows.back().resource = On(callee == pay_ ? "web-1" : "app-1");
          rows[rows.size() - 2].resource = On("web-1");
          traced.emplace(web_, callee);
        } else {
          Alone(++trace, t, random.Uniform() < .5 ? batch : report, address, &rows);
          rows.back().resource = On("web-1");
        }
      }
      Correlator c({}, &ids_);
      Add(&c, rows);
      Finish(&c);
      for (const telemetry::Edge& e : c.Edges()) {
        if (e.caller == web_) {
          EXPECT_EQ(traced.erase({e.caller, e.callee}), 1u) << ids_.entities.Name(e.callee);
          for (const auto& source : e.sources)
            for (const auto& stretch : source.stretches)
              EXPECT_NE(stretch.then, telemetry::EdgeState::kStopped);
        } else {
          EXPECT_EQ(ids_.entities.Name(e.callee), ids_.strings.Get(address)) << seed;
        }
      }
      EXPECT_TRUE(traced.empty());
      EXPECT_THAT(c.Edges(), SizeIs(5));
    }
  }
}

TEST_F(TopologyTest, AnAddressIsNoRelaysWhereItsOwnHostAnswersOrHostsAreNotTold) {
  const EntityId batch = Service("batch");
  const auto callee_of_batch = [&](const char* text, const char* caller_host,
                                   const char* callee_host) {
    const auto resource = [&](const char* host) {
      return *host == 0 ? telemetry::kNoResource : On(host);
    };
    const auto address = ids_.strings.Intern(telemetry::AddressOn(text, caller_host));
    std::vector<Row> rows;
    for (uint64_t i = 1; i <= 60; ++i) {
      const double t = 0.5 * static_cast<double>(i);
      Joined(2 * i, t, web_, cart_, address, &rows);
      rows.back().resource = resource(callee_host);
      rows[rows.size() - 2].resource = resource(caller_host);
      Alone(2 * i + 1, t + .2, batch, address, &rows);
      rows.back().resource = resource(caller_host);
    }
    Correlator c({}, &ids_);
    Add(&c, rows);
    Finish(&c);
    for (const telemetry::Edge& e : c.Edges())
      if (e.caller == batch) return ids_.entities.Name(e.callee);
    return std::string();
  };
  EXPECT_EQ(callee_of_batch("127.0.0.1:80", "web-1", "web-1"), "cart");
  EXPECT_EQ(callee_of_batch("127.0.0.1:80", "web-1", ""), "cart") << "it may be the same host";
  EXPECT_EQ(callee_of_batch("127.0.0.1:80", "", "app-1"), "cart");
  EXPECT_EQ(callee_of_batch("127.0.0.1:80", "", ""), "cart");
  EXPECT_EQ(callee_of_batch("10.0.0.1:80", "web-1", "app-1"), "cart");
  EXPECT_EQ(callee_of_batch("169.254.1.1:80", "web-1", "app-1"), "cart") << "a neighbour's";
  EXPECT_EQ(callee_of_batch("127.0.0.1:80", "web-1", "app-1"), "127.0.0.1:80 on web-1");
}

/// A consumer's span names the queue that it takes from.
TEST_F(TopologyTest, AQueueLeadsToWhoTakesFromItWhereNoIdTellsTheSender) {
  const EntityId queue = ids_.entities.FindOrAdd(EntityKind::kQueue, "", "kafka jobs");
  enum class Consumer { kAlone, kInALoop, kOfMessage, kOfLostMessage };
  const auto edges = [&](bool sends, Consumer consumer, EntityId also = kNoEntity) {
    std::vector<Row> rows;
    for (uint64_t i = 1; i <= 40; ++i) {
      const double t = static_cast<double>(i);
      const auto take = [&](EntityId service, uint64_t trace, uint64_t parent) {
        rows.push_back({.trace = trace,
                        .id = 3,
                        .parent = parent,
                        .start_s = t + .1,
                        .end_s = t + .2,
                        .kind = SpanKind::kConsumer,
                        .service = service,
                        .peer = queue,
                        .weight = 2});
      };
      if (sends)
        rows.push_back({.trace = 4 * i,
                        .id = 1,
                        .start_s = t,
                        .end_s = t + .01,
                        .kind = SpanKind::kProducer,
                        .service = web_,
                        .peer = queue});
      if (consumer == Consumer::kAlone) take(pay_, 4 * i + 1, 0);
      if (consumer == Consumer::kInALoop) {
        take(pay_, 4 * i + 1, 2);
        rows.push_back({.trace = 4 * i + 1,
                        .id = 2,
                        .start_s = t + .05,
                        .end_s = t + .25,
                        .kind = SpanKind::kInternal,
                        .service = pay_});
      }
      if (consumer == Consumer::kOfMessage) take(pay_, 4 * i, 1);
      if (consumer == Consumer::kOfLostMessage) take(pay_, 4 * i + 1, 9);
      if (also != kNoEntity) take(also, 4 * i + 2, 0);
    }
    Correlator c({}, &ids_);
    Add(&c, rows);
    Finish(&c);
    std::set<std::string> drawn;
    for (const telemetry::Edge& e : c.Edges()) {
      EXPECT_EQ(e.state, telemetry::EdgeState::kActive);
      drawn.insert(ids_.entities.Name(e.caller) + " -> " + ids_.entities.Name(e.callee) + ": " +
                   std::to_string(static_cast<int>(e.sources.front().calls)) + " by " + e.basis);
    }
    return drawn;
  };
  using Edges = std::set<std::string>;
  const std::string sent = "web -> kafka jobs: 40 by client spans";
  const std::string taken = "kafka jobs -> pay: 80 by consumer spans";
  EXPECT_EQ(edges(true, Consumer::kAlone), (Edges{sent, taken}));
  EXPECT_EQ(edges(true, Consumer::kInALoop), (Edges{sent, taken}));
  EXPECT_EQ(edges(false, Consumer::kAlone), Edges{taken});
  EXPECT_EQ(edges(true, Consumer::kOfLostMessage), Edges{sent});
  const std::string joined = "web -> pay: 40 by spans",
                    second = "kafka jobs -> cart: 80 by consumer spans";
  EXPECT_EQ(edges(true, Consumer::kOfMessage), Edges{joined});
  EXPECT_EQ(edges(true, Consumer::kOfMessage, cart_), (Edges{joined, sent, second}));
  EXPECT_EQ(edges(true, Consumer::kOfMessage, pay_), Edges{joined}) << "it stands for pay";
}

/// Addresses wander between services at random; some callers' calls are answered by nobody's span.
/// Whatever the schedule, no edge is drawn between two that never talked.
TEST_F(TopologyTest, NeverAnEdgeBetweenServicesThatNeverTalked) {
  std::vector<EntityId> tenants, callers;
  for (const char* name : {"t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7"})
    tenants.push_back(Service(name));
  for (int i = 0; i < 12; ++i) callers.push_back(Service(("c" + std::to_string(i)).c_str()));
  size_t drawn = 0, talked = 0;
  for (uint64_t round = 0; round < 60; ++round) {
    Random random(round);
    std::vector<Row> rows;
    std::set<std::pair<EntityId, EntityId>> truth;
    uint64_t trace = 0;
    for (int a = 0; a < 3; ++a) {
      const auto address = ids_.strings.Intern("10.0.0." + std::to_string(a) + ":80");
      double moves = 0;
      EntityId tenant = kNoEntity;
      for (double t = 0; t < 300; t += random.Exponential(0.5)) {
        if (t >= moves) {
          tenant = tenants[random.Below(tenants.size())];
          moves = t + 10 + random.Exponential(30);
        }
        const bool witnessed = random.Uniform() < 0.3;
        // Each caller talks in its own part of the time, so that it does not talk to all.
        const auto part = static_cast<uint64_t>(t / 7) + static_cast<uint64_t>(a);
        const EntityId caller = witnessed ? web_ : callers[part % callers.size()];
        truth.emplace(caller, tenant);
        if (witnessed) {
          Joined(++trace, t, caller, tenant, address, &rows);
        } else {
          Alone(++trace, t, caller, address, &rows);
        }
      }
    }
    talked += truth.size();
    Correlator c({}, &ids_);
    Add(&c, rows);
    Finish(&c);
    for (const telemetry::Edge& e : c.Edges()) {
      if (ids_.entities.Get(e.callee).kind == EntityKind::kLink) continue;  // the address itself
      ++drawn;
      EXPECT_TRUE(truth.contains({e.caller, e.callee}))
          << round << ": " << ids_.entities.Name(e.caller) << " -> " << ids_.entities.Name(e.callee)
          << " by " << e.basis;
    }
  }
  EXPECT_GT(static_cast<double>(drawn), 0.6 * static_cast<double>(talked));
}

/// web calls cart, which moves away from 10.0.0.9 after a minute; from then on batch calls there,
/// of whom it is not known by ids who answers.
TEST_F(TopologyTest, ACallToWhereTheOwnerHasMovedAwayFromIsNotHis) {
  const EntityId batch = Service("batch");
  enum class Tenant { kTells, kAnswers, kSilent };  // its address and spans, spans alone, nothing
  for (const Tenant tenant : {Tenant::kTells, Tenant::kAnswers, Tenant::kSilent}) {
    for (const bool batch_comes_before_its_word : {false, true}) {
      std::vector<Row> rows;
      uint64_t trace = 0;
      const auto before = ids_.strings.Intern("10.0.0.9:80");
      const auto after = ids_.strings.Intern("10.0.0.10:80");
      Random random(5);
      for (double t = 0; t < 240; t += .05 + random.Exponential(.1)) {
        Joined(++trace, t, web_, cart_, t < 60 ? before : after, &rows);
        rows.back().resource = At(cart_, t < 60 ? "10.0.0.9" : "10.0.0.10");
      }
      for (double t = 80; t < 240; t += .05 + random.Exponential(.5)) {
        Alone(++trace, t, batch, before, &rows);
        if (tenant == Tenant::kSilent) continue;
        if (t == 80 && !batch_comes_before_its_word) rows.pop_back();
        rows.push_back({.trace = ++trace,
                        .id = 1,
                        .start_s = t + .002 + random.Exponential(.001),
                        .end_s = t + .015,
                        .service = pay_,
                        .resource = At(pay_, tenant == Tenant::kTells ? "10.0.0.9" : "")});
      }
      Correlator c({}, &ids_);
      Add(&c, rows);
      Finish(&c);
      double to_pay = 0;
      for (const telemetry::Edge& e : c.Edges()) {
        EXPECT_FALSE(e.caller == batch && e.callee == cart_)
            << static_cast<int>(tenant) << ", confidence " << e.confidence;
        if (e.caller == batch && e.callee == pay_) to_pay = e.confidence;
      }
      if (tenant == Tenant::kSilent) {
        EXPECT_EQ(to_pay, 0);
      } else {
        EXPECT_GT(to_pay, .7) << static_cast<int>(tenant);
      }
    }
  }
}

/// Nearly all calls to an address are one service's. Whether an unanswered one was is a matter of
/// numbers, which change; that is no end of anything.
TEST_F(TopologyTest, CallsToAnUnevenlySharedAddressDoNotStopWhereTheyGoByAnotherName) {
  const auto address = ids_.strings.Intern("10.0.0.1:80");
  for (const double share : {.9, .94, .95, .96, .97}) {
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      Random random(seed);
      std::vector<Row> rows;
      uint64_t trace = 0;
      for (double t = 0; t < 300; t += random.Exponential(0.1)) {
        if (random.Uniform() < .7) {
          Joined(++trace, t, web_, random.Uniform() < share ? cart_ : pay_, address, &rows);
        } else {
          Alone(++trace, t, db_, address, &rows);
        }
      }
      Correlator c({}, &ids_);
      Add(&c, rows);
      Finish(&c);
      for (const telemetry::Edge& e : c.Edges()) {
        EXPECT_FALSE(e.caller == web_ && ids_.entities.Get(e.callee).kind == EntityKind::kLink)
            << "its calls are answered";
        if (e.caller != db_) continue;
        for (const auto& source : e.sources) {
          for (const auto& stretch : source.stretches)
            EXPECT_NE(stretch.then, telemetry::EdgeState::kStopped)
                << share << ", " << seed << ": " << ids_.entities.Name(e.caller) << " -> "
                << ids_.entities.Name(e.callee) << " by " << e.basis;
        }
      }
    }
  }
}

TEST_F(TopologyTest, AnyOrderGivesTheSameEdges) {
  const auto address = ids_.strings.Intern("10.0.0.1:80");
  std::vector<Row> rows;
  for (uint64_t i = 1; i < 200; ++i) {
    if (i % 3 != 0)
      Joined(i, 0.3 * static_cast<double>(i), web_, i < 100 ? cart_ : pay_, address, &rows);
    if (i % 3 == 0) Alone(i, 0.3 * static_cast<double>(i), db_, address, &rows);
  }
  const auto edges = [&] {
    Correlator c({}, &ids_);
    Add(&c, rows);
    Finish(&c);
    std::string text;
    for (const telemetry::Edge& e : c.Edges()) {
      text += ids_.entities.Name(e.caller) + ">" + ids_.entities.Name(e.callee) + " " + e.basis;
      text += " " + std::to_string(e.confidence) + " " + std::to_string(e.since);
      for (const auto& s : e.sources) text += " " + std::to_string(s.calls);
      text += "\n";
    }
    return text;
  };
  const std::string in_order = edges();
  std::reverse(rows.begin(), rows.end());
  EXPECT_EQ(edges(), in_order);
  EXPECT_THAT(in_order, ::testing::HasSubstr("db>cart"));
  EXPECT_THAT(in_order, ::testing::HasSubstr("db>pay"));
}

TEST_F(TopologyTest, FlowsToNobodyAreCountedAndDrawNothing) {
  Batch batch;
  telemetry::FlowBatch& f = batch.flows;
  for (int i = 0; i < 10; ++i) {
    f.start_ns.push_back(kT0 + i * kSecond);
    f.end_ns.push_back(kT0 + i * kSecond);
    f.resource.push_back(telemetry::kNoResource);
    f.source_address.push_back(ids_.strings.Intern("10.0.0.1"));
    f.destination_address.push_back(ids_.strings.Intern("10.0.0.2"));
    f.source_port.push_back(static_cast<uint16_t>(40000 + i));
    f.destination_port.push_back(80);
    f.protocol.push_back(6);
    f.bytes.push_back(1);
    f.packets.push_back(1);
    f.weight.push_back(1);
  }
  Correlator c({}, &ids_);
  c.Add(batch);
  Finish(&c);
  EXPECT_THAT(c.Edges(), ::testing::IsEmpty());
  EXPECT_EQ(c.limits().flows_unplaced, 10u);
}

}  // namespace
}  // namespace tomograph::correlate
