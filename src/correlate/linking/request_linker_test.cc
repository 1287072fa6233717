#include "correlate/linking/request_linker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/random.h"
#include "correlate/linking/workload.h"

namespace tomograph::correlate::linking {
namespace {

TEST(RequestLinker, ChainsAreTheSameStreamedAndWithGivenIdsKept) {
  Workload load = Crowded(12, false, 1.5, 3);
  for (CallRecord& r : load.records) {
    if (r.outgoing && r.id % 5 == 0) r.known_parent = load.parent.at(r.id);
  }
  LinkerOptions options;
  options.chunk_records = 256;
  options.learn_records = 500;
  options.horizon = kSecond;
  LinkerStats stats;
  const std::vector<Link> links = Batch(load.records, options, &stats);
  EXPECT_GT(stats.chunks, 3u);
  ExpectSame(links, Stream(load.records, options, 20 * kMillisecond, 7));
  for (const Link& link : links) {
    if (link.call % 5 != 0) continue;
    EXPECT_EQ(link.request, load.parent.at(link.call));
  }
}

TEST(RequestLinker, StreamedOrAtOnceTheAnswerIsTheSame) {
  const Workload workload({.requests = 4'000});
  const std::vector<Link> batch = Batch(workload.records, Short());
  EXPECT_GE(workload.Accuracy(batch), .96);
  for (const uint64_t seed : {1, 2, 3}) {
    size_t before_finish = 0;
    const std::vector<Link> streamed =
        Stream(workload.records, Short(), 50 * kMillisecond, seed, nullptr, &before_finish);
    ExpectSame(batch, streamed);
    EXPECT_GT(before_finish, batch.size() * 8 / 10) << "links must not wait for the end";
  }
}

TEST(RequestLinker, CallsAfterTheAnswerStreamTheSame) {
  const Workload load = HandedOff(1, 1'500, 4);
  LinkerOptions options;
  options.chunk_records = 300;
  options.learn_records = 1'500;
  options.horizon = kSecond;
  LinkerStats stats;
  const std::vector<Link> links = Batch(load.records, options, &stats);
  EXPECT_GT(stats.chunks, 5u);
  double said = 0;
  EXPECT_GT(ShareRight(load, links, &said), .85);
  ExpectSame(links, Stream(load.records, options, 20 * kMillisecond, 7));
}

TEST(RequestLinker, SilenceAndNewServicesStreamTheSameToo) {
  Workload workload({.requests = 700});
  workload.Grow({.requests = 500, .seed = 2, .from = kT0 + 40 * kSecond});
  workload.Grow({.requests = 600, .seed = 3, .service = EntityId{9}, .from = kT0 + 41 * kSecond});
  const std::vector<Link> batch = Batch(workload.records, Short());
  EXPECT_GE(workload.Accuracy(batch), .95);
  ExpectSame(batch, Stream(workload.records, Short(), 50 * kMillisecond, 4));
}

TEST(RequestLinker, LearnTimeEndsThePrefixInStreamAndBatchAlike) {
  const Workload workload({.requests = 600});
  LinkerOptions options = Short();
  options.learn_time = kSecond / 2;
  ExpectSame(Batch(workload.records, options),
             Stream(workload.records, options, 20 * kMillisecond, 5));
}

/// What links say of the calls after `from`, and what is true.
struct Said {
  double calls = 0, nobodys = 0,
         surely_nobodys = 0;        // made by some request, and what is said of it
  double posterior = 0, right = 0;  // means, over all
};
Said OfCallsAfter(uint64_t from, const Workload& load, const std::vector<Link>& links) {
  Said said;
  double all = 0;
  for (const Link& link : links) {
    if (link.call <= from) continue;
    ++all;
    said.posterior += link.posterior;
    said.right += load.parent.at(link.call) == link.request;
    if (load.parent.at(link.call) == 0) continue;
    ++said.calls;
    said.nobodys += link.request == 0;
    said.surely_nobodys += link.request == 0 && link.posterior > .9f;
  }
  said.posterior /= all;
  said.right /= all;
  return said;
}

/// Of 1,000 requests of another shape, after 8,000 plain ones of which the first were learned from.
Said OfWhatComesLater(Workload::Shape shape) {
  const double seconds = 6e-3 / shape.in_flight * 8'000;
  Workload load({.requests = 8'000, .in_flight = shape.in_flight});
  const uint64_t before = load.last_id;
  shape.requests = 1'000;
  shape.seed = 2;
  shape.from = kT0 + static_cast<Nanos>((seconds + 2) * kSecond);
  load.Grow(shape);
  LinkerOptions options = Short();
  options.learn_time = static_cast<Nanos>(seconds * .6 * kSecond);
  return OfCallsAfter(before, load, Batch(load.records, options));
}

TEST(RequestLinker, RetriesThatBeginLaterAreNotNobodys) {
  for (const double in_flight : {.3, 3.0}) {
    const Said said = OfWhatComesLater({.in_flight = in_flight, .retries = .3});
    EXPECT_LT(said.surely_nobodys, .002 * said.calls) << in_flight;
    EXPECT_LT(said.nobodys, .02 * said.calls) << in_flight;
    EXPECT_NEAR(said.posterior, said.right, .02) << in_flight;
    EXPECT_GT(said.right, .93) << in_flight;
  }
}

TEST(RequestLinker, RetriesTooRareForRoomOfTheirOwnAreNotNobodys) {
  for (const double in_flight : {.3, 3.0}) {
    for (const double retries : {.002, .005, .008}) {
      const Workload load({.requests = 12'000, .in_flight = in_flight, .retries = retries});
      const Said said = OfCallsAfter(0, load, Batch(load.records, Short()));
      EXPECT_LT(said.surely_nobodys, .1 * retries * 12'000) << in_flight << " " << retries;
      EXPECT_NEAR(said.posterior, said.right, .01) << in_flight << " " << retries;
    }
  }
}

TEST(RequestLinker, RequestsThatAreLostLaterLeaveCallsThatAreNobodys) {
  for (const double in_flight : {.3, 3.0}) {
    const Said said = OfWhatComesLater({.in_flight = in_flight, .lost_requests = .1});
    EXPECT_NEAR(said.posterior, said.right, .03) << in_flight;
    EXPECT_GT(said.right, .85) << in_flight;
  }
}

TEST(RequestLinker, MemoryDoesNotGrowWithTheStream) {
  size_t bytes[2] = {0, 0};
  for (const int x : {0, 1}) {
    const Workload workload({.requests = x == 0 ? 3'000 : 12'000});
    Stream(workload.records, Short(), 0, 6, &bytes[x]);
  }
  EXPECT_LT(bytes[1], bytes[0] * 13 / 10);
}

/// Client spans of one host (containers) and the server spans of another (contained), whose clock
/// is `ahead`; each is known to `bound`.
Workload TwoHosts(Nanos ahead, Nanos bound, uint64_t seed) {
  Workload workload;
  Random random(seed);
  double now = 0;
  for (int i = 0; i < 1'500; ++i) {
    now += random.Exponential(2'000);
    const double there = 150 * std::exp(random.Normal(0, .2));
    const double work = 2'500 * std::exp(random.Normal(0, .6));
    const double back = 150 * std::exp(random.Normal(0, .2));
    CallRecord client = Workload::Record(kFront, kStock, false, now, now + there + work + back);
    client.id = workload.NextId();
    CallRecord server = Workload::Record(kFront, kStock, true, now + there, now + there + work);
    server.id = workload.NextId();
    server.start += ahead;
    server.end += ahead;
    server.slack = bound;
    workload.parent[server.id] = client.id;
    workload.records.push_back(client);
    workload.records.push_back(server);
  }
  return workload;
}

TEST(RequestLinker, ServerSpansOnAnotherClockFindTheirClientSpans) {
  for (const Nanos ahead : {-2 * kMillisecond, Nanos{0}, 2 * kMillisecond}) {
    const Workload workload = TwoHosts(ahead, 3 * kMillisecond, 5);
    const std::vector<Link> links = Batch(workload.records);
    EXPECT_GE(workload.Accuracy(links), .97) << "ahead by " << ahead;
    double sure = 0;
    for (const Link& link : links) sure += link.posterior;
    EXPECT_NEAR(sure / static_cast<double>(links.size()), workload.Accuracy(links), .02);
  }
}

TEST(RequestLinker, WithoutSlackWhatLiesOutsideFindsNothing) {
  Workload workload = TwoHosts(2 * kMillisecond, 0, 5);
  int right = 0;
  LinkerOptions options;
  options.hand_offs = false;
  const std::vector<Link> links = Batch(workload.records, options);
  for (const Link& link : links) right += workload.parent.at(link.call) == link.request;
  EXPECT_LT(right, 150);
}

TEST(RequestLinker, SlackThatReachesOverChunksStreamsTheSame) {
  LinkerOptions options = Short();
  options.chunk_records = 16;  // some 16 ms, while slack reaches twice 20 ms
  const Workload workload = TwoHosts(15 * kMillisecond, 20 * kMillisecond, 6);
  LinkerStats stats;
  const std::vector<Link> batch = Batch(workload.records, options, &stats);
  EXPECT_GE(workload.Accuracy(batch), .95);
  EXPECT_EQ(stats.slack_cut, 0u);
  ExpectSame(batch, Stream(workload.records, options, 10 * kMillisecond, 2));
}

TEST(RequestLinker, SlackBeyondTheChunksInViewIsCounted) {
  LinkerOptions options = Short();
  options.chunk_records = 16;
  LinkerStats stats;
  Batch(TwoHosts(0, 400 * kMillisecond, 6).records, options, &stats);
  EXPECT_GT(stats.slack_cut, 500u);
}

TEST(RequestLinker, ImpossibleSlackIsRefused) {
  Workload workload = TwoHosts(0, kMillisecond, 7);
  workload.records[1].slack = -1;
  workload.records[3].slack = kHour;
  LinkerStats stats;
  EXPECT_EQ(Batch(workload.records, {}, &stats).size(), workload.parent.size());
  EXPECT_EQ(stats.impossible_slack, 2u);
}

TEST(RequestLinker, ExactIdsAreNeverContradictedAndHelp) {
  double before = 0;
  for (const double share : {0.0, .25, .5, 1.0}) {
    double right = 0;
    for (const uint64_t seed : {1, 2, 3}) {
      Workload workload({.in_flight = 12, .seed = seed});
      Random random(seed);
      for (CallRecord& r : workload.records) {
        if (r.outgoing && random.Uniform() < share) r.known_parent = workload.parent[r.id];
      }
      std::map<uint64_t, uint64_t> facts;
      for (const CallRecord& r : workload.records) {
        if (r.known_parent != 0) facts[r.id] = r.known_parent;
      }
      const std::vector<Link> links = Batch(workload.records);
      for (const Link& link : links) {
        ASSERT_EQ(link.by_id, facts.count(link.call) > 0);
        if (!link.by_id) continue;
        ASSERT_EQ(link.request, facts[link.call]);
        ASSERT_EQ(link.posterior, 1);
      }
      right += workload.Accuracy(links);
    }
    EXPECT_GT(right, before);
    before = right;
  }
  EXPECT_EQ(before, 3);
}

TEST(RequestLinker, AnIdThatNobodyKnowsIsSaidAllTheSame) {
  Workload workload({.requests = 50});
  uint64_t call = 0;
  for (CallRecord& r : workload.records) {
    if (r.outgoing && call == 0) r.known_parent = 999'999, call = r.id;
  }
  for (const Link& link : Batch(workload.records)) {
    if (link.call != call) continue;
    EXPECT_EQ(link.request, 999'999u);
    EXPECT_TRUE(link.by_id);
  }
}

TEST(RequestLinker, IdsLossesEvidenceAndSlackStreamTheSame) {
  Workload workload({.requests = 2'500, .in_flight = 6, .retries = .1, .lost_requests = .1});
  Show(.8, .7, 3, &workload);
  Random random(4);
  std::set<uint64_t> here;
  for (const CallRecord& r : workload.records) here.insert(r.id);
  for (CallRecord& r : workload.records) {
    if (random.Uniform() < .2) r.slack = 300 * kMicrosecond;
    const uint64_t parent = r.outgoing ? workload.parent[r.id] : 0;
    if (here.count(parent) > 0 && random.Uniform() < .2) r.known_parent = parent;
  }
  std::erase_if(workload.records,
                [&](const CallRecord& r) { return r.outgoing && random.Uniform() < .1; });
  LinkerStats stats;
  const std::vector<Link> batch = Batch(workload.records, Short(), &stats);
  EXPECT_GT(stats.by_id, 500u);
  EXPECT_GT(stats.without_request, 200u);
  for (const uint64_t seed : {1, 2, 3}) {
    ExpectSame(batch, Stream(workload.records, Short(), 50 * kMillisecond, seed));
  }
}

TEST(RequestLinker, DamagedRecordsAreRefusedByName) {
  Workload workload({.requests = 300});
  const auto add = [&](Nanos start, Nanos end) {
    CallRecord r = workload.records.back();
    r.id = workload.NextId();
    r.outgoing = true;
    r.start = start, r.end = end;
    workload.parent[r.id] = 0;
    workload.records.push_back(r);
  };
  add(kT0 + kSecond, kT0);                                                  // negative
  add(INT64_MIN, INT64_MAX);                                                // impossible
  add(kT0, kT0 + 2 * kMinute);                                              // too long
  add(kT0 + 40 * 365 * 24 * kHour, kT0 + 40 * 365 * 24 * kHour + kSecond);  // a clock far ahead
  add(0, kSecond);                                                          // and one at the epoch
  LinkerStats stats;
  const std::vector<Link> links = Batch(workload.records, {}, &stats);
  EXPECT_EQ(links.size(), workload.parent.size());
  EXPECT_EQ(stats.negative, 1u);
  EXPECT_EQ(stats.impossible_time, 1u);
  EXPECT_EQ(stats.too_long, 1u);
  EXPECT_GE(workload.Accuracy(links), .97);
}

TEST(RequestLinker, EqualTimestampsGetAnAnswer) {
  std::vector<CallRecord> records;
  for (uint64_t i = 1; i <= 1'600; ++i) {
    CallRecord r = Workload::Record(kFront, i % 2 ? kNoEntity : kStock, i % 2 == 0, 0, 1'000);
    r.id = i;
    records.push_back(r);
  }
  LinkerStats stats;
  EXPECT_EQ(Batch(records, {}, &stats).size(), 800u);
  EXPECT_GT(stats.candidates_limited, 0u);
  ExpectSame(Batch(records, Short()), Stream(records, Short(), 0, 1));
}

TEST(RequestLinker, AMillionRequestsAtATimeAreBoundedWork) {
  std::vector<CallRecord> records;
  for (uint64_t i = 1; i <= 1'000'000; ++i) {
    const double at = static_cast<double>(i);
    CallRecord r = Workload::Record(kFront, kNoEntity, false, at, 3e6 + at);
    r.id = i;
    records.push_back(r);
    if (i % 50 != 0) continue;
    r = Workload::Record(kFront, kStock, true, at + 10, at + 1'000);
    r.id = 1'000'000 + i;
    records.push_back(r);
  }
  LinkerStats stats;
  EXPECT_EQ(Batch(records, {}, &stats).size(), 20'000u);
  EXPECT_GT(stats.candidates_limited, 19'000u);
}

TEST(RequestLinker, ALimitOnWaitingRecordsHoldsAndIsCounted) {
  const Workload workload({.requests = 5'000});
  LinkerOptions options = Short();
  options.horizon = kHour;
  options.max_records = 2'000;
  RequestLinker linker(options);
  std::vector<Link> links;
  size_t most = 0;
  for (size_t at = 0; at < workload.records.size(); at += 100) {
    linker.Add({workload.records.data() + at, std::min<size_t>(100, workload.records.size() - at)});
    most = std::max(most, linker.bytes());
  }
  linker.Finish([&](const Link& link) { links.push_back(link); });
  EXPECT_GT(linker.stats().decided_early, 10'000u);
  EXPECT_EQ(links.size(), workload.parent.size());
  EXPECT_GE(workload.Accuracy(Sorted(links)), .95);
  EXPECT_LT(most, 4u << 20);
}

TEST(RequestLinker, WhatComesTooLateIsCountedAndAnswered) {
  const Workload workload({.requests = 500});
  RequestLinker linker(Short());
  std::vector<Link> links;
  const auto sink = [&](const Link& link) { links.push_back(link); };
  const size_t half = workload.records.size() / 2;
  linker.Add({workload.records.data() + half, workload.records.size() - half});
  linker.Advance(kT0 + kHour, sink);
  linker.Add({workload.records.data(), half});
  linker.Finish(sink);
  EXPECT_EQ(linker.stats().late, half);
  EXPECT_EQ(links.size(), workload.parent.size());
}

TEST(RequestLinker, TooManyServicesAreRefusedAndCounted) {
  std::vector<CallRecord> records;
  for (uint64_t i = 1; i <= 12'000; ++i) {
    CallRecord r = Workload::Record(EntityId{i}, kStock, true, static_cast<double>(i), i + 1.0);
    r.id = i;
    records.push_back(r);
  }
  LinkerStats stats;
  EXPECT_EQ(Batch(records, {}, &stats).size(), records.size());
  EXPECT_EQ(stats.too_many_services, 2'000u);
}

TEST(RequestLinker, NothingInNothingOut) {
  EXPECT_TRUE(Batch({}).empty());
  const Workload workload({.requests = 1});
  EXPECT_EQ(Batch(workload.records).size(), workload.parent.size());
}

}  // namespace
}  // namespace tomograph::correlate::linking
