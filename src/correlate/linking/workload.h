// Records of a service whose links are known, for the linker's tests. Nothing else.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "base/random.h"
#include "correlate/linking/request_linker.h"

namespace tomograph::correlate::linking {

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
  /// A request and the only call that it makes, which get ids.
  void Put(CallRecord request, CallRecord call) {
    request.id = NextId();
    call.id = NextId();
    parent[call.id] = request.id;
    records.push_back(request);
    records.push_back(call);
  }
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

inline double ShareRight(const Workload& load, const std::vector<Link>& links, double* said) {
  double claimed = 0;
  for (const Link& link : links) claimed += link.posterior;
  *said = claimed / static_cast<double>(links.size());
  return load.Accuracy(links);
}

inline std::vector<Link> Sorted(std::vector<Link> links) {
  std::sort(links.begin(), links.end(),
            [](const Link& a, const Link& b) { return a.call < b.call; });
  return links;
}

inline std::vector<Link> Batch(const std::vector<CallRecord>& records,
                               const LinkerOptions& options = {}, LinkerStats* stats = nullptr) {
  std::vector<Link> links;
  RequestLinker linker(options);
  linker.Add(records);
  linker.Finish([&](const Link& link) { links.push_back(link); });
  if (stats != nullptr) *stats = linker.stats();
  return Sorted(std::move(links));
}

/// The records as they end, each up to `lateness` late, in pieces of random size.
inline std::vector<Link> Stream(std::vector<CallRecord> records, const LinkerOptions& options,
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

inline void ExpectSame(const std::vector<Link>& a, const std::vector<Link>& b) {
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

inline LinkerOptions Short() {
  LinkerOptions options;
  options.horizon = 200 * kMillisecond;
  options.learn_records = 2'000;
  options.chunk_records = 400;
  options.chunk_time = kSecond;
  return options;
}

/// Requests that call once, or again where that fails, and once more some time after they have
/// answered.
inline Workload HandedOff(double in_flight, double after_us, uint64_t seed = 1,
                          double retries = 0) {
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

/// Gives every record a worker: of 6, a call's is its request's with probability `same`, and sizes
/// that follow those of the request by `follows`.
inline void Show(double same, double follows, uint64_t seed, Workload* workload) {
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

/// Requests that make many calls of one class: one after the other, or all at once.
inline Workload Crowded(int calls, bool at_once, double in_flight, uint64_t seed = 1) {
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

}  // namespace tomograph::correlate::linking
