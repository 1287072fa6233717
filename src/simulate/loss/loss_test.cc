#include "simulate/loss/loss.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "simulate/loss/late_records.h"
#include "simulate/loss/trace_sampling.h"
#include "simulate/show/kept_records_test.h"

namespace tomograph::simulate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr Nanos kStart = 1'767'225'600 * kSecond;
constexpr uint64_t kSeed = 7;

/// Cart on host a and web on host b show `n` spans each (two of one trace), samples and logs, 10 ms
/// apart.
struct Shop {
  explicit Shop(Audience* audience) : to(audience) {
    cart = to->Enter({"cart", "cart-0", "1.0", "a", {{"k8s.pod.name", "cart-0"}}});
    web = to->Enter({"web", "web-0", "2.0", "b", {}});
  }
  SpanRecord Span(int i, SenderId sender) const {
    Random random(MixBits(static_cast<uint64_t>(i)));
    SpanRecord span;
    span.sender = sender;
    span.trace = {random.Next(), random.Next()};
    span.span = random.Next() + static_cast<uint64_t>(sender);
    span.parent = sender == cart ? 5 : 0;
    span.start = kStart + i * 10 * kMillisecond;
    span.end = span.start + 3 * kMillisecond;
    span.name = "GET /items";
    return span;
  }
  SampleRecord Sample(int i, std::string_view metric) const {
    SampleRecord sample;
    sample.sender = cart;
    sample.metric = metric;
    sample.labels = {{"pool", "main"}};
    sample.start = kStart;
    sample.time = kStart + i * 10 * kMillisecond;
    return sample;
  }
  LogRecord Log(int i) const {
    LogRecord log;
    log.sender = cart;
    log.time = kStart + i * 10 * kMillisecond;
    log.body = "line";
    log.trace = {1, 2};
    log.span = 3;
    return log;
  }
  void Show(int n) const {
    for (int i = 0; i < n; ++i) {
      to->See(Span(i, web));
      to->See(Span(i, cart));
      to->See(Sample(i, "cpu"));
      to->See(Log(i));
    }
  }
  Audience* to;
  SenderId cart, web;
};

KeptRecords Left(const LossSettings& settings, int n, LossCount* count = nullptr,
                 uint64_t seed = kSeed) {
  KeptRecords kept;
  Loss loss(settings, seed, kStart, &kept);
  Shop(&loss).Show(n);
  loss.Pass(INT64_MAX);
  if (count != nullptr) *count = loss.count();
  return kept;
}

std::vector<uint64_t> Ids(const KeptRecords& kept) {
  std::vector<uint64_t> ids;
  for (const SpanRecord& span : kept.spans) ids.push_back(span.span);
  return ids;
}

TEST(Loss, LosesNothingUnlessTold) {
  LossCount count;
  const KeptRecords kept = Left({}, 100, &count);
  KeptRecords all;
  Shop(&all).Show(100);
  EXPECT_EQ(Ids(kept), Ids(all));
  EXPECT_EQ(kept.samples.size(), 100u);
  EXPECT_EQ(kept.logs.size(), 100u);
  EXPECT_EQ(kept.spans[3].start, all.spans[3].start);
  EXPECT_EQ(kept.spans[3].trace_state, "");
  EXPECT_EQ(count.shown, 400u);
  EXPECT_EQ(count.lost + count.sampled_out + count.withheld + count.duplicated + count.delayed, 0u);
}

TEST(Loss, SamplesWholeTracesAndSaysSo) {
  LossSettings settings;
  settings.keep_traces = 0.25;
  KeptRecords kept;
  Loss loss(settings, kSeed, kStart, &kept);
  Shop(&loss).Show(4000);
  std::map<uint64_t, int> spans_of;
  for (const SpanRecord& span : kept.spans) {
    ++spans_of[span.trace.hi];
    EXPECT_EQ(span.trace_state, "ot=th:c");
    EXPECT_GE(span.trace.lo & 0xffffffffffffffULL, 0xc0000000000000ULL);
  }
  for (const auto& [trace, spans] : spans_of) EXPECT_EQ(spans, 2);
  EXPECT_NEAR(static_cast<double>(spans_of.size()), 1000, 110);  // 4 sd
  EXPECT_EQ(loss.count().sampled_out, 8000 - kept.spans.size());
  EXPECT_EQ(kept.logs.size(), 4000u);
  settings.tell_sampling = false;
  EXPECT_EQ(Left(settings, 10).spans.front().trace_state, "");
}

TEST(Loss, WhoSamplesLessKeepsAPartOfWhatOthersKeep) {
  const TraceSampling tenth(0.1), half(0.5), none(0), all(1);
  Random random(1);
  int kept = 0;
  for (int i = 0; i < 10'000; ++i) {
    const telemetry::TraceId id{random.Next(), random.Next()};
    kept += tenth.Keeps(id);
    EXPECT_LE(tenth.Keeps(id), half.Keeps(id));
    EXPECT_FALSE(none.Keeps(id));
    EXPECT_TRUE(all.Keeps(id));
  }
  EXPECT_NEAR(kept, 1000, 120);
  EXPECT_EQ(half.trace_state(), "ot=th:8");
  EXPECT_EQ(tenth.trace_state(), "ot=th:e6666666666666");
  EXPECT_EQ(none.trace_state(), "");
  EXPECT_EQ(all.trace_state(), "");
}

TEST(Loss, SingleRecordsAreLostInTheirShares) {
  LossSettings settings;
  settings.lose_spans = 0.5;
  settings.lose_samples = 0.1;
  settings.lose_logs = 1;
  LossCount count;
  const KeptRecords kept = Left(settings, 2000, &count);
  EXPECT_NEAR(static_cast<double>(kept.spans.size()), 2000, 130);
  EXPECT_NEAR(static_cast<double>(kept.samples.size()), 1800, 55);
  EXPECT_THAT(kept.logs, IsEmpty());
  EXPECT_EQ(count.shown, 8000u);
  EXPECT_EQ(count.lost, 8000 - kept.spans.size() - kept.samples.size());
}

TEST(Loss, WhatIsLostDependsOnTheRecordAndTheSeedAlone) {
  LossSettings settings;
  settings.lose_spans = 0.5;
  KeptRecords kept;
  Loss loss(settings, kSeed, kStart, &kept);
  const Shop shop(&loss);
  for (int i = 299; i >= 0; --i) loss.See(shop.Span(i, shop.cart));  // other order, no others
  std::vector<uint64_t> backward = Ids(kept);
  std::vector<uint64_t> forward;
  for (const SpanRecord& span : Left(settings, 300).spans)
    if (span.sender == shop.cart) forward.push_back(span.span);
  std::reverse(backward.begin(), backward.end());
  EXPECT_EQ(forward, backward);
  EXPECT_NE(Ids(Left(settings, 300)), Ids(Left(settings, 300, nullptr, kSeed + 1)));
}

TEST(Loss, HandsLateOnesOnWhenTheyAreDue) {
  LossSettings settings;
  settings.late = 0.5;
  settings.late_by = 10 * kSecond;
  KeptRecords kept;
  Loss loss(settings, kSeed, kStart, &kept);
  const Shop shop(&loss);
  constexpr int kAll = 2000;
  for (int i = 0; i < kAll; ++i) loss.See(shop.Sample(i, "cpu"));
  const size_t at_once = kept.samples.size();
  EXPECT_NEAR(static_cast<double>(at_once), kAll / 2, 90);
  EXPECT_EQ(loss.count().delayed, kAll - at_once);
  loss.Pass(kStart);
  EXPECT_EQ(kept.samples.size(), at_once);
  const Nanos now = kStart + 5 * kSecond;
  loss.Pass(now);
  EXPECT_GT(kept.samples.size(), at_once);
  for (size_t i = at_once; i < kept.samples.size(); ++i) EXPECT_LE(kept.samples[i].time, now);
  loss.Pass(kStart + 31 * kSecond);
  EXPECT_EQ(kept.samples.size(), static_cast<size_t>(kAll));
}

TEST(Loss, LateOnesArriveInTheOrderInWhichTheyAreDue) {
  KeptRecords kept;
  LateRecords late(&kept);
  LogRecord log;
  const auto add = [&](Nanos due, const char* body) {
    log.body = body;
    late.Add(due, log);
  };
  add(30, "c");
  add(10, "a1");
  add(20, "b");
  add(10, "a2");
  late.Pass(9);
  EXPECT_THAT(kept.logs, IsEmpty());
  late.Pass(20);
  late.Pass(40);
  std::string order;
  for (const LogRecord& l : kept.logs) order += l.body + " ";
  EXPECT_EQ(order, "a1 a2 b c ");
}

TEST(Loss, TooManyLateOnesComeEarlyAndNotNever) {
  KeptRecords kept;
  LateRecords late(&kept);
  SampleRecord sample;
  for (size_t i = 0; i < LateRecords::kMost + 3; ++i) {
    sample.time = static_cast<Nanos>(i);
    late.Add(static_cast<Nanos>(i), sample);
  }
  ASSERT_EQ(kept.samples.size(), 3u);
  EXPECT_EQ(kept.samples[2].time, 2);
}

TEST(Loss, SendsSomeTwice) {
  LossSettings settings;
  settings.duplicate = 0.2;
  LossCount count;
  const KeptRecords kept = Left(settings, 1000, &count);
  EXPECT_NEAR(static_cast<double>(count.duplicated), 800, 110);
  EXPECT_EQ(kept.spans.size() + kept.samples.size() + kept.logs.size(), 4000 + count.duplicated);
  std::map<uint64_t, int> times;
  for (const uint64_t id : Ids(kept)) ++times[id];
  for (const auto& [id, n] : times) EXPECT_LE(n, 2);
}

TEST(Loss, WithholdsPointsOfSomeMetrics) {
  LossSettings settings;
  settings.keep_metric = {{"pg.*", 0.5}, {"pg.wal.*", 0}, {"pg.wal.lag", 0.05}, {"gone", 0}};
  KeptRecords kept;
  Loss loss(settings, kSeed, kStart, &kept);
  const Shop shop(&loss);
  for (int i = 0; i < 2000; ++i) {
    for (const char* metric : {"pg.x", "pg.wal.lag", "pg.wal.age", "gone", "other"})
      loss.See(shop.Sample(i, metric));
  }
  std::map<std::string_view, int> points;
  for (const SampleRecord& sample : kept.samples) ++points[sample.metric];
  EXPECT_NEAR(points["pg.x"], 1000, 90);
  EXPECT_NEAR(points["pg.wal.lag"], 100, 40);
  EXPECT_EQ(points["pg.wal.age"], 0);
  EXPECT_EQ(points["gone"], 0);
  EXPECT_EQ(points["other"], 2000);
  EXPECT_EQ(loss.count().withheld, 10'000 - kept.samples.size());
}

TEST(Loss, SomeServicesShowNothing) {
  LossSettings settings;
  settings.without_spans = {"web"};
  settings.without_metrics = {"cart"};
  LossCount count;
  KeptRecords kept = Left(settings, 10, &count);
  EXPECT_EQ(kept.spans.size(), 10u);
  EXPECT_THAT(kept.samples, IsEmpty());
  EXPECT_EQ(kept.logs.size(), 10u);
  EXPECT_EQ(count.withheld, 20u);
  settings = {};
  settings.silent = {"cart"};
  kept = Left(settings, 10);
  EXPECT_EQ(kept.spans.size(), 10u);
  EXPECT_THAT(kept.logs, IsEmpty());
  EXPECT_THAT(kept.samples, IsEmpty());
}

TEST(Loss, NothingArrivesInAGap) {
  LossSettings settings;
  settings.gaps = {{"cart", kStart + 20 * kMillisecond, kStart + 40 * kMillisecond},
                   {"*", kStart + 70 * kMillisecond, kStart + 80 * kMillisecond}};
  LossCount count;
  const KeptRecords kept = Left(settings, 10, &count);
  std::vector<int> logs, web;
  for (const LogRecord& log : kept.logs)
    logs.push_back(static_cast<int>((log.time - kStart) / kMillisecond));
  for (const SpanRecord& span : kept.spans) {
    if (span.sender != SenderId{1}) continue;
    web.push_back(static_cast<int>((span.start - kStart) / kMillisecond));
  }
  EXPECT_THAT(logs, ElementsAre(0, 10, 40, 50, 60, 80, 90));
  EXPECT_THAT(web, ElementsAre(0, 10, 20, 30, 40, 50, 60, 80, 90));
  EXPECT_EQ(count.lost, 3u * 3 + 1);
}

TEST(Loss, ClocksAreOffDriftAndStep) {
  LossSettings settings;
  LossSettings::Skew skew;
  skew.offset = 5 * kMillisecond;
  skew.drift_ppm = 100;
  skew.step = -2 * kSecond;
  skew.step_at = kStart + 100 * kSecond + kMillisecond;  // in the middle of a span
  settings.clocks["a"] = skew;
  KeptRecords kept;
  Loss loss(settings, kSeed, kStart, &kept);
  const Shop shop(&loss);
  SpanRecord span = shop.Span(0, shop.cart);
  span.start = kStart + 100 * kSecond;
  span.end = span.start + 10 * kSecond;
  loss.See(span);
  EXPECT_EQ(kept.spans[0].start - span.start, 5 * kMillisecond + 10 * kMillisecond);
  EXPECT_EQ(kept.spans[0].end - kept.spans[0].start, 10 * kSecond + kMillisecond);
  SampleRecord sample = shop.Sample(0, "cpu");
  sample.time = kStart + 200 * kSecond;
  loss.See(sample);
  EXPECT_EQ(kept.samples[0].start, kStart + 5 * kMillisecond);
  EXPECT_EQ(kept.samples[0].time, sample.time + 25 * kMillisecond - 2 * kSecond);
  LogRecord log = shop.Log(0);
  log.time = kStart - kSecond;  // drift begins at the start
  loss.See(log);
  EXPECT_EQ(kept.logs[0].time, log.time + 5 * kMillisecond);
  loss.See(shop.Span(0, shop.web));
  EXPECT_EQ(kept.spans[1].start, kStart);  // another host's
}

TEST(Loss, RedactedIdsJoinNothing) {
  LossSettings settings;
  settings.redact = {"trace_id"};
  settings.duplicate = 0.5;
  const KeptRecords kept = Left(settings, 200);
  std::map<telemetry::TraceId, uint64_t> span_of;
  for (const SpanRecord& span : kept.spans) {
    EXPECT_EQ(span.parent, 0u);
    EXPECT_FALSE(span.trace.empty());
    const auto [it, is_new] = span_of.emplace(span.trace, span.span);
    EXPECT_EQ(it->second, span.span);  // its own, and its copy's
  }
  EXPECT_EQ(span_of.size(), 400u);
  for (const LogRecord& log : kept.logs) EXPECT_TRUE(log.trace.empty() && log.span == 0);
}

TEST(Loss, RedactsAttributesWhereverTheyAre) {
  LossSettings settings;
  settings.redact = {"k8s.pod.name", "host.name", "user_agent.original", "pool", "server.address"};
  settings.clocks["a"].offset = kSecond;
  KeptRecords kept;
  Loss loss(settings, kSeed, kStart, &kept);
  const Shop shop(&loss);
  EXPECT_THAT(kept.senders[0].more, IsEmpty());
  EXPECT_EQ(kept.senders[0].host, "");
  EXPECT_EQ(kept.senders[0].instance, "cart-0");
  SpanRecord span = shop.Span(0, shop.cart);
  span.peer = "stock";
  span.more = {{"user_agent.original", "curl"}, {"kept", "yes"}};
  loss.See(span);
  EXPECT_THAT(kept.spans[0].more, ElementsAre(std::pair<std::string, std::string>("kept", "yes")));
  EXPECT_EQ(kept.spans[0].peer, "");
  EXPECT_EQ(kept.spans[0].start, span.start + kSecond);  // its clock is still that host's
  loss.See(shop.Sample(0, "cpu"));
  EXPECT_THAT(kept.samples[0].labels, IsEmpty());
}

TEST(Loss, ChangesPass) {
  LossSettings settings;
  settings.silent = {"cart"};
  settings.gaps = {{"*", 0, INT64_MAX}};
  KeptRecords kept;
  Loss loss(settings, kSeed, kStart, &kept);
  ChangeRecord change;
  change.service = "cart";
  loss.See(change);
  EXPECT_EQ(kept.changes.size(), 1u);
}

}  // namespace
}  // namespace tomograph::simulate
