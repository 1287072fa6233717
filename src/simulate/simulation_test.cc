// A whole system: what is shown hangs together, the same seed gives the same bytes, and the run
// without the fault is a twin.
#include "simulate/simulation.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "simulate/seen_test.h"

namespace tomograph::simulate {
namespace {

constexpr char kShop[] = R"(name: shop
seed: 3
length: 60s
hosts:
- {name: h1, cores: 2}
- {name: h2, cores: 2, slowdown: 1.3}
services:
- name: gateway
  instances: 2
  hosts: [h1, h2]
  workers: 32
  links:
  - {to: catalog, connections: 8, timeout: 500ms, retries: 1, backoff: 20ms}
  - {to: cart, timeout: 500ms}
  operations:
  - name: GET /items
    steps:
    - work: {mean: 1ms, cv: 0.5}
    - together: [{to: catalog, operation: list}, {to: cart, operation: get, optional: true}]
  - name: POST /cart
    steps:
    - call: {to: cart, operation: put}
- name: catalog
  hosts: [h2]
  workers: 8
  links: [{to: db, connections: 4}]
  operations:
  - name: list
    errors: 0.001
    steps:
    - work: {mean: 3ms, cv: 1}
    - cache: {hits: 0.6, miss: [{call: {to: db, operation: select}}]}
- name: cart
  instances: 2
  workers: 8
  memory: {base: 50MB, garbage: 100kB, young: 10MB, pause: {mean: 10ms, cv: 0.5}}
  links: [{to: mailer}]
  operations:
  - {name: get, steps: [{work: {mean: 1ms, cv: 1}}]}
  - name: put
    steps:
    - work: {mean: 2ms, cv: 1}
    - maybe: {chance: 0.3, steps: [{publish: {to: mailer, operation: send}}]}
- {name: mailer, workers: 1, queue: 100000, operations: [{name: send, steps: [{wait: 20ms}]}]}
- name: db
  db_system: postgresql
  instrumented: false
  operations: [{name: select, steps: [{wait: {mean: 4ms, cv: 1}}]}]
users:
- name: shoppers
  rate: 40
  wave: {period: 30s, depth: 0.4}
  operations:
  - {to: gateway, operation: GET /items, share: 3}
  - {to: gateway, operation: POST /cart, share: 1}
)";

uint64_t Bits(double x) {
  uint64_t bits = 0;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

/// A number that tells two runs apart in anything that is shown or true.
class Digest : public Audience, public TruthLog {
 public:
  SenderId Enter(const Sender& sender) override {
    Mix(sender.service);
    Mix(sender.instance);
    Mix(sender.version);
    return static_cast<SenderId>(senders_++);
  }
  void See(const SpanRecord& s) override {
    for (const uint64_t x : {s.trace.hi, s.trace.lo, s.span, s.parent,
                             static_cast<uint64_t>(s.start), static_cast<uint64_t>(s.end),
                             static_cast<uint64_t>(s.sender), static_cast<uint64_t>(s.kind),
                             static_cast<uint64_t>(s.http_status), static_cast<uint64_t>(s.failed)})
      Mix(x);
    Mix(s.name);
    Mix(s.peer);
    for (const auto& [key, text] : s.more) Mix(key + text);
  }
  void See(const SampleRecord& s) override {
    Mix(s.metric);
    Mix(static_cast<uint64_t>(s.time));
    Mix(Bits(s.value) ^ Bits(s.sum));
    for (const uint64_t count : s.counts) Mix(count);
    for (const auto& [key, label] : s.labels) Mix(key + label);
  }
  void See(const LogRecord& l) override {
    Mix(l.body);
    Mix(static_cast<uint64_t>(l.time) ^ l.span);
  }
  void See(const ChangeRecord& c) override { Mix(c.service + c.version); }
  void Say(const TruthRow& row) override {
    Mix(row.state);
    Mix(row.entity);
    Mix(row.caller);
    Mix(Bits(row.value));
  }
  uint64_t value = 1;

 private:
  void Mix(uint64_t x) { value = MixBits(value ^ x) + 1; }
  void Mix(std::string_view text) { Mix(NameKey(text)); }
  uint32_t senders_ = 0;
};

uint64_t DigestOf(const Scenario& scenario) {
  Digest digest;
  Play(scenario, &digest, &digest);
  return digest.value;
}

Fault MakeFault(const std::string& kind, const std::string& target, double by) {
  Fault fault;
  fault.kind = kind;
  fault.target = target;
  fault.from = 20 * kSecond;
  fault.until = 40 * kSecond;
  fault.by = by;
  return fault;
}

TEST(SimulationTest, SameSeedSameBytes) {
  Scenario scenario = MustRead(kShop);
  const uint64_t once = DigestOf(scenario);
  EXPECT_EQ(DigestOf(scenario), once);
  EXPECT_EQ(DigestOf(scenario.WithoutFaults()), once);
  scenario.faults.push_back(MakeFault("slow", "catalog", 3));
  EXPECT_NE(DigestOf(scenario), once);
  EXPECT_EQ(DigestOf(scenario.WithoutFaults()), once);
  scenario.faults.clear();
  scenario.seed = 4;
  EXPECT_NE(DigestOf(scenario), once);
}

std::map<uint64_t, std::pair<Nanos, Nanos>> Times(const Seen& seen, const std::string& service) {
  std::map<uint64_t, std::pair<Nanos, Nanos>> times;
  for (const SpanRecord& span : seen.SpansOf(service, telemetry::SpanKind::kServer))
    times[span.span] = {span.start, span.end};
  return times;
}

TEST(SimulationTest, InTheTwinOnlyWhatTheFaultTouchesDiffers) {
  Scenario scenario = MustRead(kShop);
  // Cart is on hosts of its own, and nothing that waits for the database calls it afterwards.
  scenario.faults.push_back(MakeFault("slow", "db", 5));
  const Played with(scenario);
  const Played without(scenario.WithoutFaults());
  EXPECT_EQ(Times(with.seen, "cart"), Times(without.seen, "cart"));
  EXPECT_EQ(Times(with.seen, "mailer"), Times(without.seen, "mailer"));
  const auto catalog = Times(with.seen, "catalog"), twin = Times(without.seen, "catalog");
  size_t slower = 0;
  for (const auto& [span, times] : catalog) {
    const auto found = twin.find(span);
    if (found == twin.end()) continue;
    slower +=
        times.second - times.first > found->second.second - found->second.first + kMillisecond;
  }
  EXPECT_GT(slower, 100u);
}

TEST(SimulationTest, SpansFormTracesWithTheRightParents) {
  const Played played(kShop);
  std::map<uint64_t, const SpanRecord*> by_id;
  for (const SpanRecord& span : played.seen.spans)
    EXPECT_TRUE(by_id.emplace(span.span, &span).second) << "a span id twice";
  std::map<std::string, int> edges;
  size_t orphans = 0;
  for (const SpanRecord& span : played.seen.spans) {
    EXPECT_LE(span.start, span.end);
    EXPECT_NE(span.span, 0u);
    if (span.parent == 0) {
      EXPECT_EQ(played.seen.Of(span.sender).service, "gateway");
      continue;
    }
    const auto parent = by_id.find(span.parent);
    if (parent == by_id.end()) {
      ++orphans;  // its parent was still open at the end
      continue;
    }
    EXPECT_EQ(parent->second->trace, span.trace);
    EXPECT_LE(parent->second->start, span.start);
    const auto service = [&](const SpanRecord& s) { return played.seen.Of(s.sender).service; };
    if (span.kind == telemetry::SpanKind::kServer) {
      EXPECT_EQ(parent->second->kind, telemetry::SpanKind::kClient);
      EXPECT_EQ(parent->second->peer, service(span));
      ++edges[service(*parent->second) + ">" + service(span)];
    } else if (span.kind == telemetry::SpanKind::kConsumer) {
      EXPECT_EQ(parent->second->kind, telemetry::SpanKind::kProducer);
      ++edges[service(*parent->second) + ">" + service(span)];
    } else {
      EXPECT_EQ(service(*parent->second), service(span));
    }
  }
  EXPECT_LT(orphans, 100u);
  EXPECT_EQ(edges.size(), 3u);
  EXPECT_GT(edges["gateway>catalog"], 1000);
  EXPECT_GT(edges["gateway>cart"], 1000);
  EXPECT_GT(edges["cart>mailer"], 100);
}

TEST(SimulationTest, TruthCountsWhatTheSpansShow) {
  Played played(kShop);
  for (const std::string service : {"gateway", "catalog", "cart"}) {
    std::vector<double> ended(60), failed(60);
    for (const SpanRecord& span : played.seen.SpansOf(service, telemetry::SpanKind::kServer)) {
      const auto second = static_cast<size_t>((span.end - Scenario().start) / kSecond);
      ++ended[second];
      failed[second] += span.failed;
    }
    EXPECT_EQ(played.truth.Of("call_volume", service), ended);
    EXPECT_EQ(played.truth.Of("failed_calls", service), failed);
  }
  double client = 0;
  for (const SpanRecord& span : played.seen.SpansOf("catalog", telemetry::SpanKind::kClient))
    client += span.name == "select";
  EXPECT_EQ(played.truth.Mean("call_volume", "db", 0, 60, "catalog") * 60, client);
  EXPECT_NEAR(played.truth.Mean("call_volume", "gateway"), 40, 5);
}

TEST(SimulationTest, MetricsAreTheSpansInOtherWords) {
  Played played(kShop);
  std::map<std::string, uint64_t> last;
  for (const SampleRecord& sample : played.seen.Metric("catalog", "http.server.request.duration")) {
    EXPECT_EQ(sample.kind, SampleKind::kHistogram);
    EXPECT_EQ(sample.counts.size(), sample.bounds.size() + 1);
    uint64_t count = 0;
    for (const uint64_t n : sample.counts) count += n;
    const std::string status = sample.labels.back().second;
    EXPECT_GE(count, last[status]) << "a counter went back";
    last[status] = count;
  }
  EXPECT_GT(last["200"], 1000u);
  EXPECT_EQ(played.seen.Metric("catalog", "process.uptime").size(), 6u);
  EXPECT_FALSE(played.seen.Metric("catalog", "db.client.connection.pending_requests").empty());
  EXPECT_FALSE(played.seen.Metric("gateway", "http.client.request.duration").empty());
  EXPECT_TRUE(played.seen.Metric("db", "process.uptime").empty()) << "not instrumented";
  EXPECT_FALSE(played.seen.Metric("cart", "jvm.gc.duration").empty());
  EXPECT_FALSE(played.seen.Metric("mailer", "messaging.process.duration").empty());
  EXPECT_TRUE(played.seen.Metric("mailer", "http.server.request.duration").empty());
  EXPECT_FALSE(played.seen.Metric("", "system.cpu.utilization").empty());
}

}  // namespace
}  // namespace tomograph::simulate
