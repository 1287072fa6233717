#include "correlate/linking/request_linker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "correlate/linking/workload.h"

namespace tomograph::correlate::linking {
namespace {

TEST(RequestLinker, LinksCallsThatAreMadeAfterTheAnswer) {
  // In flight, and what is right at least: the more requests are open, the less times tell.
  for (const auto& [in_flight, least] : {std::pair{.3, .95}, {1.0, .88}, {3.0, .75}}) {
    const Workload load = HandedOff(in_flight, 1'500);
    double said = 0;
    const double right = ShareRight(load, Batch(load.records), &said);
    EXPECT_GT(right, least) << in_flight;
    EXPECT_NEAR(right, said, .05) << in_flight;
  }
}

TEST(RequestLinker, CallsAfterTheAnswerAreFoundWhereOthersAreTriedAgain) {
  for (const auto& [in_flight, retries] : {std::pair{.3, .12}, {.7, .12}, {.7, .05}, {1.5, .12}}) {
    const Workload load = HandedOff(in_flight, 1'500, 2, retries);
    double said = 0;
    const double right = ShareRight(load, Batch(load.records), &said);
    EXPECT_GT(right, in_flight < 1 ? .9 : .8) << in_flight << " " << retries;
    EXPECT_NEAR(right, said, .05) << in_flight << " " << retries;
  }
}

/// Requests come every 10 s from one timer, and each is answered at once; `handed_on`: the answered
/// one makes a call 3 s later, else another timer of the same period does.
Workload Regular(bool handed_on, double blurred_us, double jitter_us) {
  Workload load;
  Random random(5);
  double now = 0;
  for (int i = 0; i < 800; ++i) {
    now = 1e7 * i + random.Normal(0, blurred_us);
    const double answered = now + 4'000 * std::exp(random.Normal(0, .2));
    const double later =
        (handed_on ? answered : 1e7 * i + 4'000) + 3e6 + random.Normal(0, jitter_us);
    CallRecord in = Workload::Record(kFront, kNoEntity, false, now, answered);
    in.id = load.NextId();
    CallRecord out = Workload::Record(kFront, kPrice, true, later, later + 900);
    out.id = load.NextId();
    load.parent[out.id] = handed_on ? in.id : 0;
    load.records.push_back(in);
    load.records.push_back(out);
  }
  return load;
}

TEST(RequestLinker, ATimerBesideRegularRequestsIsNotTheirs) {
  for (const double jitter_us : {1.0, 2'000.0}) {
    const std::vector<Link> links = Batch(Regular(false, jitter_us, jitter_us).records);
    ASSERT_FALSE(links.empty());
    for (const Link& link : links) ASSERT_EQ(link.request, 0u) << jitter_us;
  }
}

/// Adds a call each `period_us`, late by up to `jitter` of it, which no request makes.
void AddTimer(double period_us, double jitter, Workload* load) {
  Random random(9);
  Nanos last = 0;
  for (const CallRecord& r : load->records) last = std::max(last, r.end);
  const double until = static_cast<double>(last - kT0) * 1e-3;
  for (double at = period_us / 3; at < until; at += period_us) {
    const double start = at + jitter * period_us * random.Uniform();
    CallRecord r = Workload::Record(kFront, kTimed, true, start, start + random.Exponential(300));
    r.id = load->NextId();
    load->parent[r.id] = 0;
    load->records.push_back(r);
  }
}

TEST(RequestLinker, WhatATimerCallsIsNoRequestsThoughSomeAreOpen) {
  for (const bool handed_off : {false, true}) {
    for (const double in_flight : {.7, 3.0}) {
      for (const double jitter : {.002, .1}) {
        Workload load = handed_off ? HandedOff(in_flight, 1'500, 3)
                                   : Workload({.requests = 1'500, .in_flight = in_flight});
        const auto others = load.last_id;
        AddTimer(40'000 / in_flight, jitter, &load);
        int timed = 0, linked = 0;
        double said = 0;
        for (const Link& link : Batch(load.records)) {
          if (link.call <= others) continue;
          ++timed;
          linked += link.request != 0;
          said += link.request != 0 ? link.posterior : 1 - link.posterior;
        }
        EXPECT_GT(timed, 50);
        EXPECT_LE(linked, timed / 50) << handed_off << " " << in_flight << " " << jitter;
        EXPECT_LE(said, timed / 15.0) << handed_off << " " << in_flight << " " << jitter;
      }
    }
  }
}

/// Requests that make `calls` in turn, each 1 ms after the one before, and come as regularly
/// (`in_flight` at a time), or the next one when the one before has been answered (0).
Workload Steady(double in_flight, int calls, double jitter_us) {
  Workload load;
  Random random(5);
  double free = 0;
  for (int i = 0; i < 300; ++i) {
    const bool in_turn = in_flight == 0;
    const double now =
        in_turn ? free + 50 : i * 1'050 * (calls + .4) / in_flight + 20 * random.Uniform();
    const uint64_t request = load.NextId();
    double t = now;
    const int n = in_turn ? calls / 2 + static_cast<int>(random.Below(calls)) : calls;
    for (int x = 0; x < n; ++x) {
      const double start = t + 200 + jitter_us * random.Uniform();
      t += 1'000;
      CallRecord r = Workload::Record(kFront, kStock, true, start,
                                      start + 600 * std::exp(random.Normal(0, .1)));
      r.id = load.NextId();
      load.parent[r.id] = request;
      load.records.push_back(r);
    }
    free = t + 300 + 50 * random.Uniform();
    CallRecord in = Workload::Record(kFront, kNoEntity, false, now, free);
    in.id = request;
    load.records.push_back(in);
  }
  return load;
}

TEST(RequestLinker, RegularCallsOfRequestsThatComeRegularlyAreTheirs) {
  for (const auto& [in_flight, calls] :
       {std::pair{.2, 1}, {2.5, 1}, {0, 3}, {.9, 3}, {0, 12}, {.2, 12}, {.9, 12}}) {
    for (const double jitter_us : {5.0, 300.0}) {
      const Workload load = Steady(in_flight, calls, jitter_us);
      double said = 0;
      const double right = ShareRight(load, Batch(load.records), &said);
      EXPECT_GT(right, .99) << in_flight << " " << calls << " " << jitter_us;
      EXPECT_NEAR(right, said, .01) << in_flight << " " << calls << " " << jitter_us;
    }
  }
}

TEST(RequestLinker, WhatFollowsARequestMoreExactlyThanItsOwnTimeIsHandedOn) {
  double said = 0;
  const Workload load = Regular(true, 400'000, 2'000);
  EXPECT_GT(ShareRight(load, Batch(load.records), &said), .95);
}

TEST(RequestLinker, CallsLongAfterTheAnswerAreNotSurelyNobodys) {
  for (const double after_us : {20'000., 100'000., 300'000.}) {
    Workload load;
    Random random(1);
    double now = 0;
    for (int i = 0; i < 1'000; ++i) {
      now += random.Exponential(50'000);
      const double end = now + 5'000 * std::exp(random.Normal(0, .5));
      const double start = end + after_us * std::exp(random.Normal(0, .3));
      CallRecord in = Workload::Record(kFront, kNoEntity, false, now, end);
      CallRecord out = Workload::Record(kFront, kStock, true, start, start + 5'000);
      in.id = load.NextId();
      out.id = load.NextId();
      load.parent[out.id] = in.id;
      load.records.push_back(in);
      load.records.push_back(out);
    }
    double said = 0;
    const double right = ShareRight(load, Batch(load.records), &said);
    EXPECT_NEAR(said, right, .1) << after_us;
    EXPECT_GE(right, after_us < 50'000 ? .8 : after_us < 200'000 ? .4 : .15) << after_us;
  }
}

}  // namespace
}  // namespace tomograph::correlate::linking
