#include "simulate/system/requests/requests.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "simulate/seen_test.h"

namespace tomograph::simulate {
namespace {

using telemetry::SpanKind;

/// "front" calls "back" by `link`; `back` is what is said of back besides its name.
std::string Two(const std::string& link, const std::string& back, double rate,
                const std::string& more = "", const std::string& step = "call") {
  const std::string call = step == "call" ? "{call: {to: back, operation: do}}" : step;
  return "name: two\nlength: 60s\nservices:\n- name: front\n  links: [{to: back, network: 1ms" +
         link + "}]\n  operations: [{name: GET /, steps: [" + call + "]}]\n- {name: back, " + back +
         "}\nusers: [{name: u, rate: " + std::to_string(rate) +
         ", operations: [{to: front, operation: GET /}]}]\n" + more;
}

std::string Does(const std::string& steps, const std::string& more = "") {
  return more + "operations: [{name: do, steps: [" + steps + "]}]";
}

double Seconds(const SpanRecord& span) { return ToSeconds(span.end - span.start); }

std::vector<SpanRecord> Calls(const Played& played) {
  return played.seen.SpansOf("front", SpanKind::kClient);
}

TEST(RequestsTest, ACallTakesNetworkBothWaysAndTheCalleesTime) {
  const Played played(Two("", Does("{work: 5ms}"), 20));
  const auto calls = Calls(played);
  ASSERT_GT(calls.size(), 1000u);
  for (const SpanRecord& call : calls) {
    EXPECT_NEAR(Seconds(call), 0.007, 1e-6);
    EXPECT_EQ(call.peer, "back");
    EXPECT_EQ(call.http_status, 200);
    EXPECT_FALSE(call.failed);
  }
  for (const SpanRecord& served : played.seen.SpansOf("back", SpanKind::kServer))
    EXPECT_NEAR(Seconds(served), 0.005, 1e-6);
}

TEST(RequestsTest, WhoFindsNoWorkerWaitsOutsideTheServerSpanAndWhoFindsNoRoomIsRefused) {
  Played played(Two("", Does("{work: 50ms}", "workers: 1, queue: 2, "), 40));
  double longest = 0;
  for (const SpanRecord& served : played.seen.SpansOf("back", SpanKind::kServer)) {
    EXPECT_NEAR(Seconds(served), 0.05, 1e-6);
    longest = std::max(longest, Seconds(served));
  }
  size_t refused = 0, waited = 0;
  for (const SpanRecord& call : Calls(played)) {
    if (call.failed) {
      ++refused;
      EXPECT_EQ(call.http_status, 503);
      EXPECT_NEAR(Seconds(call), 0.002, 1e-6);
    } else {
      waited += Seconds(call) > 0.053;
      EXPECT_LE(Seconds(call), 0.153);  // two before it
    }
  }
  EXPECT_GT(refused, 500u);
  EXPECT_GT(waited, 500u);
  EXPECT_GT(played.truth.Mean("queue_depth", "back", 5, 60, "front"), 1);
  EXPECT_EQ(played.truth.Of("queue_depth", "back", "front"),
            played.truth.Of("queue_depth", "back", "", "door"));
  EXPECT_EQ(played.truth.Mean("failed_calls", "back"), 0) << "the refused never got in";
  EXPECT_EQ(played.truth.Mean("failed_calls", "back", 0, 60, "front") * 60,
            static_cast<double>(refused));
}

TEST(RequestsTest, ATimeOutLeavesWorkBehindThatGoesOn) {
  const Played played(Two(", timeout: 20ms", Does("{wait: 100ms}"), 10));
  const auto calls = Calls(played);
  for (const SpanRecord& call : calls) {
    EXPECT_TRUE(call.failed);
    EXPECT_EQ(call.http_status, 0);
    EXPECT_NEAR(Seconds(call), 0.02, 1e-9);
  }
  const auto served = played.seen.SpansOf("back", SpanKind::kServer);
  EXPECT_NEAR(static_cast<double>(served.size()), static_cast<double>(calls.size()), 3);
  for (const SpanRecord& span : served) EXPECT_FALSE(span.failed);
  for (const SpanRecord& span : played.seen.SpansOf("front", SpanKind::kServer))
    EXPECT_EQ(span.http_status, 504);
}

TEST(RequestsTest, FailuresAreTriedAgainAfterAPauseThatDoubles) {
  const Played played(Two(", retries: 2, backoff: 100ms", Does("{wait: 1ms}", ""), 5,
                          "faults: [{kind: errors, target: back, from: 0s, by: 1}]\n"));
  std::map<uint64_t, std::vector<SpanRecord>> by_parent;
  for (const SpanRecord& call : Calls(played)) by_parent[call.parent].push_back(call);
  size_t whole = 0;
  for (const auto& [parent, attempts] : by_parent) {
    if (attempts.size() < 3) continue;  // the end of the run
    ++whole;
    EXPECT_EQ(attempts.size(), 3u);
    const double first = ToSeconds(attempts[1].start - attempts[0].end);
    const double second = ToSeconds(attempts[2].start - attempts[1].end);
    EXPECT_TRUE(first >= 0.05 && first <= 0.1) << first;
    EXPECT_TRUE(second >= 0.1 && second <= 0.2) << second;
    EXPECT_EQ(attempts[0].http_status, 500);
  }
  EXPECT_GT(whole, 200u);
  EXPECT_EQ(played.seen.SpansOf("front", SpanKind::kServer).front().http_status, 502);
}

TEST(RequestsTest, AnOpenBreakerSparesTheCallee) {
  const Played played(
      Two(", breaker: {failures: 5, open: 10s}", Does("{wait: 1ms}"), 50,
          "faults: [{kind: errors, target: back, from: 10s, until: 30s, by: 1}]\n"));
  std::vector<int> calls(60);
  for (const SpanRecord& call : Calls(played))
    ++calls[static_cast<size_t>((call.start - Scenario().start) / kSecond)];
  const auto in = [&](size_t from, size_t until) {
    int sum = 0;
    for (size_t i = from; i < until; ++i) sum += calls[i];
    return sum;
  };
  EXPECT_GT(in(0, 10), 400);
  EXPECT_GE(in(10, 31), 6);
  EXPECT_LE(in(10, 30), 8) << "five failures, then one try every 10 s";
  EXPECT_GT(in(41, 60), 800) << "a try that succeeded has closed it";
}

TEST(RequestsTest, WaitingForAConnectionIsASpanOfItsOwn) {
  Played played(Two(", connections: 2", Does("{wait: 50ms}", "db_system: postgresql, "), 36));
  std::vector<std::pair<Nanos, int>> steps;
  size_t waited = 0;
  for (const SpanRecord& span : Calls(played)) {
    EXPECT_EQ(span.db_system, "postgresql");
    if (span.name == "pool.acquire") {
      ++waited;
      continue;
    }
    EXPECT_NEAR(Seconds(span), 0.052, 1e-6);
    steps.emplace_back(span.start, 1);
    steps.emplace_back(span.end, -1);
  }
  EXPECT_GT(waited, 500u);
  std::sort(steps.begin(), steps.end());
  int open = 0, most = 0;
  for (const auto& [at, by] : steps) most = std::max(most, open += by);
  EXPECT_EQ(most, 2);
  EXPECT_GT(played.truth.Mean("queue_depth", "front"), 0.5);
  EXPECT_EQ(played.truth.Of("queue_depth", "front"),
            played.truth.Of("queue_depth", "front", "", "connections"));
  double used = 0;
  for (const SampleRecord& sample : played.seen.Metric("front", "db.client.connection.count"))
    if (sample.labels[0].second == "used") used = std::max(used, sample.value);
  EXPECT_EQ(used, 2);
}

TEST(RequestsTest, AShrunkPoolMakesThemWait) {
  const std::string faults =
      "faults: [{kind: pool, target: front->back, from: 20s, until: 40s, by: 0.2}]\n";
  Played played(Two(", connections: 10", Does("{wait: 50ms}"), 30, faults));
  EXPECT_LT(played.truth.Mean("queue_depth", "front", 0, 20), 0.05);
  EXPECT_GT(played.truth.Mean("queue_depth", "front", 22, 40), 0.4);
  EXPECT_LT(played.truth.Mean("queue_depth", "front", 45, 60), 0.05);
  for (const SampleRecord& sample : played.seen.Metric("front", "http.client.connections.max"))
    EXPECT_TRUE(sample.value == 10 || sample.value == 2);
}

TEST(RequestsTest, CallsOfAGroupAreMadeAtTheSameTime) {
  const Played played(Two("", Does("{wait: 30ms}"), 10, "",
                          "{together: [{to: back, operation: do}, {to: back, operation: do}]}"));
  for (const SpanRecord& span : played.seen.SpansOf("front", SpanKind::kServer))
    EXPECT_NEAR(Seconds(span), 0.032, 1e-6);
  EXPECT_GT(Calls(played).size(), 1000u);
}

TEST(RequestsTest, ACacheMissMakesItsSteps) {
  const std::string step = "{cache: {hits: 0.8, miss: [{call: {to: back, operation: do}}]}}";
  const Played played(Two("", Does("{wait: 1ms}"), 100,
                          "faults: [{kind: cache_collapse, target: front, from: 30s, by: 1}]\n",
                          step));
  size_t before = 0, after = 0;
  for (const SpanRecord& call : Calls(played))
    ++(call.start < Scenario().start + 30 * kSecond ? before : after);
  EXPECT_NEAR(static_cast<double>(before), 600, 75);
  EXPECT_NEAR(static_cast<double>(after), 3000, 170);
}

TEST(RequestsTest, WhatIsPublishedIsDoneLaterAndNotWaitedFor) {
  Played played(Two("", Does("{wait: 200ms}", "workers: 1, queue: 100000, "), 8, "",
                    "{publish: {to: back, operation: do}}"));
  for (const SpanRecord& span : played.seen.SpansOf("front", SpanKind::kServer))
    EXPECT_EQ(span.start, span.end);
  const auto sent = played.seen.SpansOf("front", SpanKind::kProducer);
  const auto done = played.seen.SpansOf("back", SpanKind::kConsumer);
  EXPECT_NEAR(static_cast<double>(done.size()), 300, 8) << "one at a time";
  EXPECT_GT(sent.size(), done.size() + 100);
  EXPECT_GT(played.truth.Of("queue_depth", "back").back(), 100);
}

TEST(RequestsTest, ACrashBreaksWhatIsOpenAndIsRoutedAroundAfterAWhile) {
  Played played(Two("", Does("{wait: 100ms}", "instances: 2, "), 50,
                    "faults: [{kind: crash, target: back, from: 20s, until: 40s}]\n"));
  const auto failed = played.truth.Of("failed_calls", "back", "front");
  const auto sum = [&](size_t from, size_t until) {
    double total = 0;
    for (size_t i = from; i < until; ++i) total += failed[i];
    return total;
  };
  EXPECT_EQ(sum(0, 20), 0);
  EXPECT_GT(failed[20], 25) << "with those that were open";
  EXPECT_NEAR(sum(21, 25), 100, 35);
  EXPECT_EQ(sum(26, 60), 0);
  EXPECT_EQ(played.truth.Of("instances_up", "back")[30], 1);
  EXPECT_EQ(played.truth.Of("instances_up", "back")[50], 2);
  EXPECT_GE(played.truth.Mean("in_flight", "back", 45, 60), 4) << "nothing was left behind";
  EXPECT_NEAR(played.truth.Mean("in_flight", "back", 45, 60), 5, 1.2);
  double least = 1e9;
  for (const SampleRecord& sample : played.seen.Metric("back", "process.uptime"))
    if (sample.time > Scenario().start + 40 * kSecond) least = std::min(least, sample.value);
  EXPECT_LE(least, 20);
}

TEST(RequestsTest, ALeakRaisesTheFloorUntilTheProcessIsKilled) {
  Played played(Two("",
                    Does("{wait: 1ms}",
                         "memory: {base: 100MB, garbage: 1MB, young: 20MB, limit: 300MB, restart: "
                         "5s, pause: 1ms}, "),
                    20, "faults: [{kind: leak, target: back, from: 10s, by: 1e7}]\n"));
  const auto& memory = played.truth.Of("memory", "back", "", "back-0");
  EXPECT_LT(*std::max_element(memory.begin(), memory.begin() + 10), 121e6);
  EXPECT_GT(*std::max_element(memory.begin(), memory.end()), 280e6);
  const auto& up = played.truth.Of("instances_up", "back");
  EXPECT_GE(std::count(up.begin(), up.end(), 0), 4);
  EXPECT_EQ(up[25], 1);
  EXPECT_EQ(up[32], 0);
  EXPECT_EQ(up[45], 1) << "back with little memory";
  EXPECT_LT(memory[34], 200e6);  // no value of the seconds in which it was gone
  size_t collections = 0;
  for (const SampleRecord& s : played.seen.Metric("back", "jvm.gc.duration"))
    for (const uint64_t n : s.counts) collections += n;
  EXPECT_GT(collections, 10u);
}

TEST(RequestsTest, ABadDeployIsToldAndTakenBack) {
  const Played played(Two("", Does("{work: 5ms}"), 30,
                          "faults: [{kind: bad_deploy, target: back, from: 20s, until: 40s, by: "
                          "10}, {kind: deploy, target: front, from: 5s, until: 50s}]\n"));
  ASSERT_EQ(played.seen.changes.size(), 4u);
  EXPECT_EQ(played.seen.changes[1].kind, telemetry::ChangeKind::kDeploy);
  EXPECT_EQ(played.seen.changes[1].service, "back");
  EXPECT_EQ(played.seen.changes[2].kind, telemetry::ChangeKind::kRollback);
  EXPECT_EQ(played.seen.changes[2].version, "1.0.0");
  for (const SpanRecord& span : played.seen.SpansOf("back", SpanKind::kServer)) {
    const Nanos at = span.start - Scenario().start;
    const bool bad = at >= 20 * kSecond && at < 40 * kSecond;
    EXPECT_NEAR(Seconds(span), bad ? 0.05 : 0.005, 1e-6);
    if (bad && at < 39 * kSecond) {
      EXPECT_EQ(played.seen.Of(span.sender).version, played.seen.changes[1].version);
    }
  }
}

TEST(RequestsTest, ASlowNetworkIsOnTheLinkAlone) {
  const Played played(Two("", Does("{work: 5ms}"), 30,
                          "faults: [{kind: network_delay, target: front->back, from: 30s, by: "
                          "0.06}]\n"));
  for (const SpanRecord& call : Calls(played)) {
    const Nanos at = call.start - Scenario().start;
    if (at > 29 * kSecond && at < 30 * kSecond) continue;
    EXPECT_NEAR(Seconds(call), at < 30 * kSecond ? 0.007 : 0.127, 1e-6);
  }
  for (const SpanRecord& served : played.seen.SpansOf("back", SpanKind::kServer))
    EXPECT_NEAR(Seconds(served), 0.005, 1e-6);
}

// A callee that is slow for a moment; impatient callers that try again keep it busy with work that
// nobody waits for any more, long after the cause is gone.
TEST(RequestsTest, ARetryStormOutlivesItsCause) {
  const auto failed_late = [](const std::string& link) {
    Played played(Two(link, Does("{work: 20ms}", "workers: 2, queue: 400, "), 70,
                      "faults: [{kind: slow, target: back, from: 10s, until: 15s, by: 4}]\n"));
    return played.truth.Mean("failed_calls", "front", 40, 60);
  };
  EXPECT_GT(failed_late(", timeout: 300ms, retries: 4, backoff: 10ms"), 30);
  EXPECT_LT(failed_late(", timeout: 300ms"), 5);
}

}  // namespace
}  // namespace tomograph::simulate
