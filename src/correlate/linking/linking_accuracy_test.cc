#include "correlate/linking/request_linker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "correlate/linking/workload.h"

namespace tomograph::correlate::linking {
namespace {

/// Requests that call at any time: nothing tells whose a call is.
Workload Anywhen(double in_flight, double lost_requests, uint64_t seed) {
  Workload load;
  Random random(seed);
  double now = 0;
  for (int i = 0; i < 1'000; ++i) {
    now += random.Exponential(30'000 / in_flight);
    const double length = 27'000 * std::exp(random.Normal(0, .47));
    const double takes = std::min(.9 * length, 2'700 * std::exp(random.Normal(0, .47)));
    const double start = now + random.Uniform() * (length - takes);
    CallRecord in = Workload::Record(kFront, kNoEntity, false, now, now + length);
    CallRecord out = Workload::Record(kFront, kStock, true, start, start + takes);
    in.id = load.NextId();
    out.id = load.NextId();
    const bool lost = random.Uniform() < lost_requests;
    load.parent[out.id] = lost ? 0 : in.id;
    if (!lost) load.records.push_back(in);
    load.records.push_back(out);
  }
  return load;
}

TEST(RequestLinker, FindsWhoCausedWhat) {
  const Workload workload(Workload::Shape{});
  LinkerStats stats;
  const std::vector<Link> links = Batch(workload.records, {}, &stats);
  EXPECT_GE(workload.Accuracy(links), .97);
  EXPECT_EQ(links.size(), workload.parent.size());
  EXPECT_EQ(stats.links, links.size());
  double sure = 0;
  for (const Link& link : links) {
    EXPECT_GE(link.posterior, 0);
    EXPECT_LE(link.posterior, 1.0001f);
    sure += link.posterior;
  }
  // As often right as it says.
  EXPECT_NEAR(sure / static_cast<double>(links.size()), workload.Accuracy(links), .01);
}

TEST(RequestLinker, InACrowdWhatIsSaidIsRight) {
  for (const double in_flight : {12., 30.}) {
    for (const double lost : {0., .3}) {
      const auto seed = static_cast<uint64_t>(in_flight);
      for (const Workload& load : {Workload({.requests = 1'000,
                                  .in_flight = in_flight,
                                  .lost_requests = lost,
                                  .spread = 1,
                                  .seed = seed}),
                                   Anywhen(in_flight, lost, seed)}) {
        const std::vector<Link> links = Batch(load.records);
        double said = 0, nobody = 0;
        const double right = ShareRight(load, links, &said);
        for (const Link& link : links) nobody += link.request == 0;
        nobody /= static_cast<double>(links.size());
        EXPECT_NEAR(said, right, .1) << in_flight << " in flight, lost " << lost;
        EXPECT_NEAR(nobody, lost, .1) << in_flight << " in flight, lost " << lost;
      }
    }
  }
}

/// Requests with one or two calls to the stock, one to the till, and word to all after the answer.
Workload Orders(double in_flight, int requests) {
  Workload load;
  Random random(1);
  double now = 0;
  const auto after = [&](double least, double mean) { return least + random.Exponential(mean); };
  for (int i = 0; i < requests; ++i) {
    now += random.Exponential(330'000 / in_flight);
    const uint64_t request = load.NextId();
    double t = now;
    const auto call = [&](EntityId peer, double gap, double duration) {
      t += gap;
      CallRecord r = Workload::Record(kFront, peer, true, t, t + duration);
      r.id = load.NextId();
      load.parent[r.id] = request;
      load.records.push_back(r);
      t += duration;
    };
    const auto around = [&](double median) { return median * std::exp(random.Normal(0, .5)); };
    call(kStock, after(5'000, 20'000), around(60'000));
    if (random.Uniform() < .5) call(kStock, after(2'000, 20'000), around(60'000));
    call(kPrice, after(2'000, 20'000), around(120'000));
    const double end = t + after(2'000, 30'000);
    CallRecord in = Workload::Record(kFront, kNoEntity, false, now, end);
    in.id = request;
    load.records.push_back(in);
    t = end;
    call(kTimed, after(3'000, 25'000), after(500, 500));
  }
  return load;
}

TEST(RequestLinker, OneOrTwoCallsAndOneAfterTheAnswerAreToldApart) {
  const Workload load = Orders(4, 1'200);
  const std::vector<Link> links = Batch(load.records);
  double said = 0, nobody = 0;
  const double right = ShareRight(load, links, &said);
  for (const Link& link : links) nobody += link.request == 0;
  EXPECT_GE(right, .68);
  EXPECT_NEAR(said, right, .05);
  EXPECT_LT(nobody / static_cast<double>(links.size()), .02);
}

TEST(RequestLinker, AssignsWithoutPosteriorsNearlyAsWell) {
  const Workload workload(Workload::Shape{});
  LinkerOptions options;
  options.mode = LinkMode::kAssign;
  EXPECT_GE(workload.Accuracy(Batch(workload.records, options)), .96);
}

TEST(RequestLinker, LinksMoreCallsOfOneClassThanThereAreSlots) {
  struct Case {
    int calls;
    bool at_once;
    double in_flight, least;  // timing alone leaves doubt, which must be told
  };
  for (const Case& c : {Case{20, false, 1.5, .75}, Case{20, true, 1, .9}, Case{20, false, 4, .5}}) {
    double right = 0, said = 0;
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      const Workload load = Crowded(c.calls, c.at_once, c.in_flight, seed);
      double said_here = 0;
      right += ShareRight(load, Batch(load.records), &said_here) / 3;
      said += said_here / 3;
    }
    EXPECT_GT(right, c.least) << c.calls << (c.at_once ? " at once" : " in turn");
    EXPECT_NEAR(right, said, .05) << c.calls << (c.at_once ? " at once" : " in turn");
  }
}

TEST(RequestLinker, LinksMoreClassesOfCallsThanThereAreSlots) {
  Workload load;
  Random random(5);
  double now = 0;
  for (int i = 0; i < 200; ++i) {
    now += random.Exponential(40'000);
    const uint64_t request = load.NextId();
    double t = now + 100;
    for (int x = 0; x < 60; ++x) {
      CallRecord r = Workload::Record(kFront, EntityId(100 + x), true, t, t + 300);
      r.id = load.NextId();
      load.parent[r.id] = request;
      load.records.push_back(r);
      t += 300 + 50 * random.Exponential(1);
    }
    CallRecord in = Workload::Record(kFront, kNoEntity, false, now, t + 200);
    in.id = request;
    load.records.push_back(in);
  }
  double said = 0;
  const double right = ShareRight(load, Batch(load.records), &said);
  EXPECT_GT(right, .9);
  EXPECT_NEAR(right, said, .06);
}

TEST(RequestLinker, EvidenceBeyondTimingCountsWhereItTells) {
  constexpr int kSeeds = 6;
  double without = 0, workers = 0, sizes = 0, both = 0, said = 0;  // means
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Workload workload({.in_flight = 40, .seed = seed});
    const auto right = [&] { return workload.Accuracy(Batch(workload.records)) / kSeeds; };
    const double by_times = right();
    without += by_times;
    Show(.9, 0, seed, &workload);
    workers += right();
    Show(0, 1, seed, &workload);
    sizes += right();
    Show(.9, 1, seed, &workload);
    double sure = 0;
    both += ShareRight(workload, Batch(workload.records), &sure) / kSeeds;
    said += sure / kSeeds;
    if (seed > 1) continue;
    Show(0, 0, seed, &workload);
    EXPECT_EQ(right(), by_times) << "attributes that tell nothing change nothing";
  }
  EXPECT_LT(without, .8);
  EXPECT_LT(1 - workers, .3 * (1 - without));
  EXPECT_LT(1 - sizes, .45 * (1 - without));
  EXPECT_GT(both, workers);
  EXPECT_NEAR(said, both, .015);
}

TEST(RequestLinker, ACallWhoseRequestIsMissingHasNone) {
  const Workload workload({.in_flight = 1.5, .lost_requests = .2});
  const std::vector<Link> links = Batch(workload.records);
  EXPECT_GE(workload.Accuracy(links), .95);
  int missed = 0, orphans = 0, sure_and_wrong = 0;
  for (const Link& link : links) {
    if (workload.parent.at(link.call) != 0) continue;
    ++orphans;
    missed += link.request != 0;
    sure_and_wrong += link.request != 0 && link.posterior > .9;
  }
  EXPECT_GT(orphans, 300);
  EXPECT_LT(missed, orphans / 10);
  EXPECT_LT(sure_and_wrong, orphans / 25);
}

TEST(RequestLinker, RetriesAreCallsOfTheSameRequest) {
  const Workload workload({.in_flight = 2, .retries = .15});
  EXPECT_GE(workload.Accuracy(Batch(workload.records)), .95);
}

TEST(RequestLinker, LoopsOfCallsAreTold) {
  double right = 0;  // of one seed it differs by .01 from that of another
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const Workload workload({.in_flight = 2, .most_loops = 4, .seed = seed});
    right += workload.Accuracy(Batch(workload.records)) / 4;
  }
  EXPECT_GE(right, .95);
}

/// `at_once` requests that start and end together, and as many calls that do so within them.
Workload Together(int at_once, int times) {
  Workload load;
  for (int t = 0; t < times; ++t) {
    for (int i = 0; i < 2 * at_once; ++i) {
      const bool out = i >= at_once;
      const double from = t * 1e6 + (out ? 2'000 : 0), to = t * 1e6 + (out ? 5'000 : 10'000);
      CallRecord r = Workload::Record(kFront, out ? kStock : kNoEntity, out, from, to);
      r.id = load.NextId();
      if (out) load.parent[r.id] = r.id - at_once;
      load.records.push_back(r);
    }
  }
  return load;
}

TEST(RequestLinker, WhatNothingTellsApartIsSaidToBeOneInSoMany) {
  for (const int k : {2, 20, 200, 1'000}) {
    for (const int times : {1, 600 / k}) {
      if (k == 2 && times == 1) continue;  // two calls teach nothing
      if (times == 0) continue;
      const Workload load = Together(k, times);
      double said = 0;
      const std::vector<Link> links = Batch(load.records);
      ShareRight(load, links, &said);
      EXPECT_GE(said, .5 / k) << k << " x " << times;
      EXPECT_LE(said, 2. / k + .005) << k << " x " << times;
      for (const Link& link : links) {
        EXPECT_FALSE(link.request == 0 && link.posterior >= .5) << k << " x " << times;
        double sum = link.posterior;
        for (const Link::Choice& other : link.others) sum += other.posterior;
        EXPECT_LE(sum, 1.001);
      }
    }
  }
}

/// As many requests of a second each at a time, each with a call: anywhere in it, or soon after the
/// start.
Workload AtATime(double in_flight, bool anywhere, int requests = 6'000) {
  Workload load;
  Random random(5);
  double now = 0;
  for (int i = 0; i < requests; ++i) {
    now += random.Exponential(1e6 / in_flight);
    const double lasts = 1e6 * std::exp(random.Normal(0, .05));
    const double gap =
        anywhere ? random.Uniform() * (lasts - 2'000) : 1'000 * std::exp(random.Normal(0, .05));
    CallRecord in = Workload::Record(kFront, kNoEntity, false, now, now + lasts);
    CallRecord out = Workload::Record(kFront, kStock, true, now + gap, now + gap + 1'000);
    load.Put(in, out);
  }
  return load;
}

TEST(RequestLinker, OneOfThousandsThatNothingTellsApartIsNotSaidToBeSure) {
  LinkerStats stats;
  const Workload load = AtATime(2'000, true);
  double said = 0;
  const double right = ShareRight(load, Batch(load.records, {}, &stats), &said);
  EXPECT_LT(right, .01);
  EXPECT_LT(said, .05);
  EXPECT_GT(stats.candidates_limited, 5'000u);
}

TEST(RequestLinker, RequestsThatLeftTheWindowHaveTheirShare) {
  LinkerOptions options;
  options.max_candidates = 16;
  options.chunk_records = 256;
  options.learn_records = 2'000;
  const Workload load = AtATime(2'000, true);
  double said = 0;
  const double right = ShareRight(load, Batch(load.records, options), &said);
  EXPECT_LT(right, .01);
  EXPECT_LT(said, .05);
}

TEST(RequestLinker, OneOfThousandsIsFoundWhereItsTimesTell) {
  const Workload load = AtATime(2'000, false);
  double said = 0;
  const double right = ShareRight(load, Batch(load.records), &said);
  EXPECT_GT(right, .8);
  EXPECT_NEAR(said, right, .05);
}

/// Requests of 30 ms on a clock of 10 ms.
Workload Coarse(double in_flight, uint64_t seed) {
  Workload load;
  Random random(seed);
  double now = 0;
  const auto tick = [](double us) { return std::floor(us / 10'000) * 10'000; };
  const auto gap = [&](double median) { return median * std::exp(random.Normal(0, .25)); };
  for (int i = 0; i < 2'000; ++i) {
    now += random.Exponential(30'000 / in_flight);
    const double from = now + gap(4'500), to = from + gap(15'000), end = to + gap(9'000);
    CallRecord in = Workload::Record(kFront, kNoEntity, false, tick(now), tick(end));
    CallRecord out = Workload::Record(kFront, kStock, true, tick(from), tick(to));
    load.Put(in, out);
  }
  return load;
}

TEST(RequestLinker, AClockOfTenMillisecondsIsNoReasonToGiveUp) {
  for (const double in_flight : {1., 4., 20.}) {
    double said = 0, right = 0;  // means of three
    for (const uint64_t seed : {9, 10, 11}) {
      const Workload load = Coarse(in_flight, seed);
      double of_one = 0;
      right += ShareRight(load, Batch(load.records), &of_one) / 3;
      said += of_one / 3;
    }
    EXPECT_NEAR(said, right, .1) << in_flight;
    EXPECT_GT(right, in_flight == 1 ? .85 : in_flight == 4 ? .55 : .05) << in_flight;
  }
}

}  // namespace
}  // namespace tomograph::correlate::linking
