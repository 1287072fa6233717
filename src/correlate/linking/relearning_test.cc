#include "correlate/linking/request_linker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "correlate/linking/workload.h"

namespace tomograph::correlate::linking {
namespace {

/// Requests that overlap in pairs: the second of a pair begins while the first is under way, and
/// nothing else is near. Each makes one call after `gap_us` or so, which takes as long.
void AddPairs(int pairs, double every_us, double gap_us, EntityId peer, double from_us,
              uint64_t seed, Workload* load) {
  Random random(seed);
  for (int i = 0; i < pairs; ++i) {
    double start = from_us + every_us * (i + random.Uniform() / 2);
    for (int x = 0; x < 2; ++x) {
      const auto around = [&] { return gap_us * std::exp(random.Normal(0, .3)); };
      const double called = start + around(), returned = called + around();
      CallRecord in = Workload::Record(kFront, kNoEntity, false, start, returned + around());
      CallRecord out = Workload::Record(kFront, peer, true, called, returned);
      in.id = load->NextId();
      out.id = load->NextId();
      load->parent[out.id] = in.id;
      load->records.push_back(in);
      load->records.push_back(out);
      start += gap_us * (.2 + .6 * random.Uniform());
    }
  }
}

TEST(RequestLinker, AServiceOfFewRequestsThatMeetsANewPeerKeepsWhatItHadLearned) {
  constexpr double kEvery = 10e6;  // us: two requests in ten seconds
  constexpr int kSeeds = 4, kPairs = 400;
  LinkerOptions options;
  options.horizon = kSecond;
  options.learn_time = kMinute;
  double before = 0, after = 0, said = 0;  // means
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Workload load;
    AddPairs(kPairs, kEvery, 20'000, kStock, 0, seed, &load);
    const uint64_t met = load.last_id;
    AddPairs(1, kEvery, 5'000, kPrice, kPairs * kEvery, 20 + seed, &load);
    const uint64_t since = load.last_id;
    AddPairs(kPairs / 2, kEvery, 20'000, kStock, (kPairs + 1) * kEvery, 40 + seed, &load);
    for (const Link& link : Stream(load.records, options, kSecond, 4)) {
      const double right = load.parent.at(link.call) == link.request;
      if (link.call > met / 2 && link.call <= met) before += right / (kPairs * kSeeds);
      if (link.call <= since) continue;
      after += right / (kPairs * kSeeds);
      said += link.posterior / (kPairs * kSeeds);
    }
  }
  EXPECT_GT(before, .85);
  EXPECT_GT(after, before - .03);
  EXPECT_NEAR(said, after, .03);
}

TEST(RequestLinker, WhatWasLearnedStaysWhereAllThatIsInViewIsUndecided) {
  const Workload load({.requests = 30'000, .in_flight = 2});  // 11,000 calls in two chunks
  LinkerOptions options;
  options.horizon = kSecond;
  options.learn_records = 10'000;
  double first = 0, last = 0;  // a third of the calls
  for (const Link& link : Stream(load.records, options, 0, 1)) {
    const double right = load.parent.at(link.call) == link.request;
    if (link.call <= load.last_id / 3) first += right / 20'000;
    if (link.call > load.last_id / 3 * 2) last += right / 20'000;
  }
  EXPECT_GT(first, .95);
  EXPECT_GT(last, first - .01);
}

TEST(RequestLinker, WhatIsLearnedOnInACrowdStaysAsItWas) {
  const Workload load({.requests = 12'000, .in_flight = 12, .spread = .5});
  LinkerOptions options;
  options.horizon = kSecond;
  options.learn_records = 6'000;
  options.chunk_records = 2'000;
  LinkerStats stats;
  double first = 0, last = 0, said = 0;  // a quarter of the calls
  for (const Link& link : Batch(load.records, options, &stats)) {
    const double right = load.parent.at(link.call) == link.request;
    if (link.call <= load.last_id / 4) first += right / 6'000;
    if (link.call <= load.last_id / 4 * 3) continue;
    last += right / 6'000;
    said += link.posterior / 6'000;
  }
  EXPECT_GE(stats.refreshed, 3u);
  EXPECT_GT(last, first - .03);
  EXPECT_NEAR(said, last, .05);
}

TEST(RequestLinker, ADeployIsLearnedFromAFewThousandCalls) {
  Workload load({.requests = 12'000, .in_flight = 8});
  const uint64_t deployed = load.last_id;
  load.Grow({.requests = 12'000,
             .in_flight = 8,
             .price_after = 1'200,
             .seed = 2,
             .from = kT0 + 20 * kSecond});
  const uint64_t learned = deployed + (load.last_id - deployed) / 2;
  const auto share_right = [&](const std::vector<Link>& links, double* said) {
    double right = 0, all = 0;
    for (const Link& link : links) {
      if (link.call <= learned) continue;
      right += load.parent.at(link.call) == link.request;
      *said += link.posterior;
      ++all;
    }
    *said /= all;
    return right / all;
  };
  LinkerOptions options = Short();
  double said = 0, said_alone = 0;
  const double followed = share_right(Stream(load.records, options, 0, 1), &said);
  std::erase_if(load.records, [&](const CallRecord& r) { return r.id <= deployed; });
  const double alone = share_right(Stream(load.records, options, 0, 1), &said_alone);
  EXPECT_GT(followed, alone - .01);
  EXPECT_NEAR(said, followed, .03);
  EXPECT_NEAR(said_alone, alone, .03);
}

/// Requests to one service that make a call each, both of one of `names` operations.
Workload ManyNames(int names, int requests) {
  Workload load;
  Random random(3);
  double now = 0;
  const auto gap = [&](double median) { return median * std::exp(random.Normal(0, .25)); };
  for (int i = 0; i < requests; ++i) {
    now += random.Exponential(1'000);
    const double from = now + gap(300), to = from + gap(1'500);
    CallRecord in = Workload::Record(kFront, kNoEntity, false, now, to + gap(400));
    CallRecord out = Workload::Record(kFront, kStock, true, from, to);
    in.operation = out.operation = StringId{1 + static_cast<uint32_t>(random.Below(names))};
    load.Put(in, out);
  }
  return load;
}

TEST(RequestLinker, NamesWithoutEndAreLearnedTogether) {
  // Small chunks: new names all the time, each of which could make its service learn anew.
  LinkerOptions options;
  options.learn_records = 1'000;
  options.chunk_records = 500;
  const Workload load = ManyNames(5'000, 5'000);
  RequestLinker linker(options);
  std::vector<Link> links;
  size_t most = 0;
  const auto sink = [&](const Link& link) { links.push_back(link); };
  for (size_t at = 0; at < load.records.size(); at += 500) {
    linker.Add({load.records.data() + at, 500});
    linker.Advance(load.records[at + 499].start, sink);
    most = std::max(most, linker.bytes());
  }
  linker.Finish(sink);
  ASSERT_EQ(links.size(), load.parent.size());
  EXPECT_EQ(linker.stats().too_many_services, 0u);
  EXPECT_LE(linker.stats().learned, 2 * std::log2(load.records.size()));
  EXPECT_LT(most, 10u << 20);
  double said = 0;
  const double right = ShareRight(load, links, &said);
  EXPECT_GE(right, .95);
  EXPECT_NEAR(said, right, .02);
}

TEST(RequestLinker, ANameThatComesToBeSeenOftenIsLearnedByItself) {
  // Names without end, and from the middle on one that is seen often and behaves otherwise.
  LinkerOptions options;
  options.learn_records = 2'000;
  options.chunk_records = 500;
  Workload load = ManyNames(5'000, 3'000);
  Random random(8);
  double now = static_cast<double>((load.records.back().start - kT0) / kMicrosecond);
  const size_t before = load.records.size();
  for (int i = 0; i < 10'000; ++i) {
    now += random.Exponential(1'000);
    const double from = now + 5'000 * std::exp(random.Normal(0, .02)), to = from + 500;
    CallRecord in = Workload::Record(kFront, kNoEntity, false, now, to + 50);
    CallRecord out = Workload::Record(kFront, kStock, true, from, to);
    in.operation = out.operation = StringId{9'000};
    load.Put(in, out);
  }
  LinkerStats stats;
  const std::vector<Link> links = Batch(load.records, options, &stats);
  const uint64_t late = load.records[before + 15'000].id;
  double right = 0, all = 0;
  for (const Link& link : links) {
    if (link.call < late) continue;
    right += load.parent.at(link.call) == link.request;
    all += 1;
  }
  EXPECT_GE(right / all, .9);
  EXPECT_LE(stats.learned, 2 * std::log2(load.records.size()));
}

}  // namespace
}  // namespace tomograph::correlate::linking
