#include "correlate/linking/request_linker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/random.h"

namespace tomograph::correlate::linking {
namespace {

using telemetry::EntityId;
using telemetry::kNoEntity;
using telemetry::StringId;

constexpr Nanos kT0 = 1'700'000'000 * kSecond;
constexpr EntityId kFront{1}, kStock{2}, kPrice{3}, kTimed{4};

/// Requests to one service with calls to others, at about `in_flight` at a time.
struct Workload {
  std::vector<CallRecord> records;
  std::map<uint64_t, uint64_t> parent;  // of every call; 0: its request is not among the records

  struct Shape {
    int requests = 1'000;
    double in_flight = 3;
    double retries = 0;  // share of the requests whose first call is tried again
    int most_loops = 1;  // calls of the second class: 1 to so many
    double lost_requests = 0;
    double spread = .25;       // of the logs of gaps and durations
    double price_after = 150;  // us
    uint64_t seed = 1;
    EntityId service = kFront;
    Nanos from = kT0;
  };

  Workload() = default;
  explicit Workload(const Shape& shape) { Grow(shape); }

  void Grow(const Shape& shape) {
    Random random(shape.seed);
    double now = static_cast<double>((shape.from - kT0) / kMicrosecond);
    for (int i = 0; i < shape.requests; ++i) {
      now += random.Exponential(6'000 / shape.in_flight);
      double t = now;
      const uint64_t request = NextId();
      std::vector<CallRecord> calls;
      const auto call = [&](EntityId peer, double gap, double duration) {
        t += gap;
        CallRecord r = Record(shape.service, peer, true, t, t + duration);
        t += duration;
        calls.push_back(r);
      };
      const auto gap = [&](double median) {
        return median * std::exp(random.Normal(0, shape.spread));
      };
      call(kStock, gap(300), gap(1'500));
      if (random.Uniform() < shape.retries) {
        calls.back().failed = true;
        call(kStock, gap(700), gap(1'500));
      }
      const auto loops = 1 + static_cast<int>(random.Below(shape.most_loops));
      for (int x = 0; x < loops; ++x) call(kPrice, gap(shape.price_after), gap(800));
      CallRecord in = Record(shape.service, kNoEntity, false, now, t + gap(400));
      const bool lost = random.Uniform() < shape.lost_requests;
      in.id = request;
      if (!lost) records.push_back(in);
      for (CallRecord& r : calls) {
        r.id = NextId();
        parent[r.id] = lost ? 0 : request;
        records.push_back(r);
      }
    }
  }

  uint64_t NextId() { return ++last_id; }
  static CallRecord Record(EntityId service, EntityId peer, bool outgoing, double from_us,
                           double to_us) {
    CallRecord r;
    r.service = service;
    r.peer = peer;
    r.operation = StringId{7};
    r.outgoing = outgoing;
    r.start = kT0 + static_cast<Nanos>(from_us * 1e3);
    r.end = kT0 + static_cast<Nanos>(to_us * 1e3);
    return r;
  }
  double Accuracy(const std::vector<Link>& links) const {
    int right = 0;
    for (const Link& link : links) right += parent.at(link.call) == link.request;
    return static_cast<double>(right) / static_cast<double>(parent.size());
  }
  uint64_t last_id = 0;
};

/// Requests that make many calls of one class: one after the other, or all at once.
Workload Crowded(int calls, bool at_once, double in_flight, uint64_t seed = 1) {
  Workload load;
  Random random(seed);
  const auto around = [&](double median) { return median * std::exp(random.Normal(0, .4)); };
  const double length = at_once ? 6'000 : 1'000 * calls;
  double now = 0;
  for (int i = 0; i < 70; ++i) {
    now += random.Exponential(length / in_flight);
    const uint64_t request = load.NextId();
    double t = now + around(300), latest = t;
    const int n = calls / 2 + static_cast<int>(random.Below(calls));
    for (int x = 0; x < n; ++x) {
      CallRecord r = Workload::Record(kFront, kStock, true, t, t + around(at_once ? 3'000 : 800));
      r.id = load.NextId();
      load.parent[r.id] = request;
      load.records.push_back(r);
      const double end = static_cast<double>(r.end - kT0) * 1e-3;
      latest = std::max(latest, end);
      t = at_once ? t + around(20) : end + around(100);
    }
    CallRecord in = Workload::Record(kFront, kNoEntity, false, now, latest + around(400));
    in.id = request;
    load.records.push_back(in);
  }
  return load;
}

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

double ShareRight(const Workload& load, const std::vector<Link>& links, double* said) {
  double claimed = 0;
  for (const Link& link : links) claimed += link.posterior;
  *said = claimed / static_cast<double>(links.size());
  return load.Accuracy(links);
}

std::vector<Link> Sorted(std::vector<Link> links) {
  std::sort(links.begin(), links.end(),
            [](const Link& a, const Link& b) { return a.call < b.call; });
  return links;
}

std::vector<Link> Batch(const std::vector<CallRecord>& records, const LinkerOptions& options = {},
                        LinkerStats* stats = nullptr) {
  std::vector<Link> links;
  RequestLinker linker(options);
  linker.Add(records);
  linker.Finish([&](const Link& link) { links.push_back(link); });
  if (stats != nullptr) *stats = linker.stats();
  return Sorted(std::move(links));
}

/// The records as they end, each up to `lateness` late, in pieces of random size.
std::vector<Link> Stream(std::vector<CallRecord> records, const LinkerOptions& options,
                         Nanos lateness, uint64_t seed, size_t* most_bytes = nullptr,
                         size_t* before_finish = nullptr) {
  Random random(seed);
  std::map<uint64_t, Nanos> arrival;
  for (const CallRecord& r : records) {
    arrival[r.id] = r.end + static_cast<Nanos>(random.Uniform() * static_cast<double>(lateness));
  }
  std::sort(records.begin(), records.end(), [&](const CallRecord& a, const CallRecord& b) {
    return arrival[a.id] < arrival[b.id];
  });
  std::vector<Link> links;
  const auto sink = [&](const Link& link) { links.push_back(link); };
  RequestLinker linker(options);
  for (size_t at = 0; at < records.size();) {
    const size_t n = std::min<size_t>(1 + random.Below(200), records.size() - at);
    linker.Add({records.data() + at, n});
    at += n;
    linker.Advance(arrival[records[at - 1].id] - lateness, sink);
    if (most_bytes != nullptr) *most_bytes = std::max(*most_bytes, linker.bytes());
  }
  if (before_finish != nullptr) *before_finish = links.size();
  linker.Finish(sink);
  EXPECT_EQ(linker.stats().late, 0u);
  return Sorted(std::move(links));
}

void ExpectSame(const std::vector<Link>& a, const std::vector<Link>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].call, b[i].call);
    ASSERT_EQ(a[i].request, b[i].request) << "call " << a[i].call;
    ASSERT_EQ(a[i].posterior, b[i].posterior) << "call " << a[i].call;
    for (size_t x = 0; x < a[i].others.size(); ++x) {
      ASSERT_EQ(a[i].others[x].request, b[i].others[x].request);
      ASSERT_EQ(a[i].others[x].posterior, b[i].others[x].posterior);
    }
  }
}

LinkerOptions Short() {
  LinkerOptions options;
  options.horizon = 200 * kMillisecond;
  options.learn_records = 2'000;
  options.chunk_records = 400;
  options.chunk_time = kSecond;
  return options;
}

/// Requests that call once, or again where that fails, and once more some time after they have
/// answered.
Workload HandedOff(double in_flight, double after_us, uint64_t seed = 1, double retries = 0) {
  Workload load;
  Random random(seed);
  const auto around = [&](double median) { return median * std::exp(random.Normal(0, .3)); };
  double now = 0;
  for (int i = 0; i < 1'500; ++i) {
    now += random.Exponential(3'000 / in_flight);
    const uint64_t request = load.NextId();
    const double called = now + around(300);
    double answered = called + around(2'500) + around(200);
    std::vector<CallRecord> calls = {
        Workload::Record(kFront, kStock, true, called, answered - 100)};
    if (retries > 0 && random.Uniform() < retries) {
      const double again = answered + around(800);
      answered = again + around(2'500) + around(200);
      calls.push_back(Workload::Record(kFront, kStock, true, again, answered - 100));
    }
    const double later = answered + around(after_us);
    calls.push_back(Workload::Record(kFront, kPrice, true, later, later + around(900)));
    CallRecord in = Workload::Record(kFront, kNoEntity, false, now, answered);
    in.id = request;
    for (CallRecord& r : calls) {
      r.id = load.NextId();
      load.parent[r.id] = request;
      load.records.push_back(r);
    }
    load.records.push_back(in);
  }
  return load;
}

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

TEST(RequestLinker, AssignsWithoutPosteriorsNearlyAsWell) {
  const Workload workload(Workload::Shape{});
  LinkerOptions options;
  options.mode = LinkMode::kAssign;
  EXPECT_GE(workload.Accuracy(Batch(workload.records, options)), .96);
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

/// Gives every record a worker: of 6, a call's is its request's with probability `same`, and sizes
/// that follow those of the request by `follows`.
void Show(double same, double follows, uint64_t seed, Workload* workload) {
  Random random(seed);
  std::map<uint64_t, std::pair<uint64_t, double>> of_request;
  const auto worker = [&] { return 1 + random.Below(6); };
  for (CallRecord& r : workload->records) {
    if (r.outgoing) continue;
    const double size = random.Normal(0, 1);
    of_request[r.id] = {worker(), size};
    r.worker = of_request[r.id].first;
    r.bytes_in = static_cast<uint64_t>(1'000 * std::exp(size));
  }
  for (CallRecord& r : workload->records) {
    if (!r.outgoing) continue;
    const auto of = of_request.find(workload->parent[r.id]);
    const bool its = of != of_request.end() && random.Uniform() < same;
    r.worker = its ? of->second.first : worker();
    const double size = of == of_request.end() ? 0 : follows * of->second.second;
    r.bytes_out = static_cast<uint64_t>(1'000 * std::exp(size + random.Normal(0, .5)));
  }
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
    in.id = load.NextId();
    out.id = load.NextId();
    load.parent[out.id] = in.id;
    load.records.push_back(in);
    load.records.push_back(out);
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
    in.id = load.NextId();
    out.id = load.NextId();
    load.parent[out.id] = in.id;
    load.records.push_back(in);
    load.records.push_back(out);
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
    in.id = load.NextId();
    out.id = load.NextId();
    load.parent[out.id] = in.id;
    load.records.push_back(in);
    load.records.push_back(out);
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
    in.id = load.NextId();
    out.id = load.NextId();
    load.parent[out.id] = in.id;
    load.records.push_back(in);
    load.records.push_back(out);
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

TEST(RequestLinker, NothingInNothingOut) {
  EXPECT_TRUE(Batch({}).empty());
  const Workload workload({.requests = 1});
  EXPECT_EQ(Batch(workload.records).size(), workload.parent.size());
}

}  // namespace
}  // namespace tomograph::correlate::linking
