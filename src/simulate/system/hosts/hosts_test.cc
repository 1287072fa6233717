#include "simulate/system/hosts/hosts.h"

#include <gtest/gtest.h>

#include "simulate/seen_test.h"

namespace tomograph::simulate {
namespace {

class Recorder : public Host::Worker {
 public:
  explicit Recorder(EventQueue* events) : events_(events) {}
  void WorkDone(uint64_t token) override { done[token] = events_->now(); }
  std::map<uint64_t, Nanos> done;

 private:
  EventQueue* events_;
};

class HostTest : public testing::Test {
 protected:
  HostTest() : events(0), worker(&events) {}
  EventQueue events;
  Recorder worker;
};

TEST_F(HostTest, WorkThatHasACoreTakesItsTime) {
  Host host("h", 2, 1);
  const uint32_t process = host.AddProcess();
  host.Start(&events);
  host.Work(process, 3, &worker, 1);
  host.Work(process, 1, &worker, 2);
  events.RunUntil(10 * kSecond);
  EXPECT_EQ(worker.done, (std::map<uint64_t, Nanos>{{1, 3 * kSecond}, {2, kSecond}}));
  EXPECT_NEAR(host.TimeOf(process).used_s, 4, 1e-9);
  EXPECT_NEAR(host.TakeUtilisation(10 * kSecond), 0.2, 1e-9);
}

TEST_F(HostTest, TwoOnOneCoreTakeTwiceAsLong) {
  Host host("h", 1, 1);
  const uint32_t a = host.AddProcess(), b = host.AddProcess();
  host.Start(&events);
  host.Work(a, 3, &worker, 1);
  host.Work(b, 1, &worker, 2);
  events.RunUntil(10 * kSecond);
  EXPECT_EQ(worker.done, (std::map<uint64_t, Nanos>{{1, 4 * kSecond}, {2, 2 * kSecond}}));
  EXPECT_NEAR(host.TimeOf(a).used_s, 3, 1e-9);
  EXPECT_NEAR(host.TimeOf(a).wanted_s, 4, 1e-9);
  EXPECT_NEAR(host.TimeOf(b).wanted_s, 2, 1e-9);
}

TEST_F(HostTest, AHogTakesItsShareWhileItIsThere) {
  Host host("h", 2, 1);
  const uint32_t process = host.AddProcess();
  host.Start(&events);
  host.Work(process, 3, &worker, 1);
  events.RunUntil(kSecond);
  host.SetDemand(7, 1);  // one of eight on two cores: a quarter of its speed
  events.RunUntil(5 * kSecond);
  host.SetDemand(0, 1);
  events.RunUntil(20 * kSecond);
  EXPECT_EQ(worker.done.at(1), 6 * kSecond);
}

TEST_F(HostTest, WhatIsForgottenEndsUnheardOf) {
  Host host("h", 1, 2);
  const uint32_t a = host.AddProcess(), b = host.AddProcess();
  host.Start(&events);
  host.Work(a, 5, &worker, 1);
  host.Work(b, 1, &worker, 2);
  events.RunUntil(kSecond);
  host.Forget(a);
  events.RunUntil(30 * kSecond);
  // Half speed for a second, then alone; twice the work on this host.
  EXPECT_EQ(worker.done, (std::map<uint64_t, Nanos>{{2, 2 * kSecond + kSecond / 2}}));
}

TEST(HostsTest, ANoisyNeighbourSlowsItsHostAlone) {
  const std::string yaml = R"(name: neighbours
length: 60s
hosts: [{name: h1, cores: 2}, {name: h2, cores: 2}]
services:
- {name: a, hosts: [h1], operations: [{name: do, steps: [{work: 10ms}]}]}
- {name: b, hosts: [h2], operations: [{name: do, steps: [{work: 10ms}]}]}
users:
- {name: u, rate: 20, operations: [{to: a, operation: do}, {to: b, operation: do}]}
faults: [{kind: cpu_hog, target: h1, from: 30s, by: 6}]
)";
  Played played(yaml);
  EXPECT_NEAR(played.truth.Mean("in_flight", "a", 0, 30), 0.1, 0.03);
  EXPECT_GT(played.truth.Mean("in_flight", "a", 30, 60), 0.3);
  EXPECT_LT(played.truth.Mean("in_flight", "b", 30, 60), 0.15);
  EXPECT_EQ(played.truth.Mean("utilisation", "h1", 31, 60), 1);
  EXPECT_GT(played.truth.Mean("cpu_waiting", "a", 30, 60, "", "h1"), 0.2);
  EXPECT_LT(played.truth.Mean("cpu_waiting", "a", 0, 30, "", "h1"), 0.005);
  EXPECT_EQ(played.seen.Metric("", "system.cpu.utilization").size(), 12u);
}

}  // namespace
}  // namespace tomograph::simulate
