// Simulated events a second of a whole system: requests through services, pools, time-outs, caches
// and shared hosts, with spans, metrics and truth told to somebody who only counts them.
#include <benchmark/benchmark.h>

#include "base/check.h"
#include "simulate/simulation.h"

namespace tomograph::simulate {
namespace {

constexpr char kShop[] = R"(name: shop
length: 60s
hosts:
- {name: h1, cores: 8}
- {name: h2, cores: 8}
- {name: h3, cores: 8}
services:
- name: gateway
  instances: 3
  hosts: [h1, h2, h3]
  workers: 64
  links:
  - {to: catalog, connections: 32, timeout: 1s, retries: 2}
  - {to: cart, connections: 32, timeout: 1s, retries: 2}
  - {to: checkout, connections: 32, timeout: 3s, breaker: {failures: 20}}
  - {to: recommendation, timeout: 300ms}
  operations:
  - name: GET /items
    steps:
    - work: {mean: 0.5ms, cv: 0.5}
    - together: [{to: catalog, operation: GET /items}, {to: recommendation, operation: GET /, optional: true}]
  - name: POST /cart
    steps: [{work: {mean: 0.5ms, cv: 0.5}}, {call: {to: cart, operation: POST /cart}}]
  - name: POST /checkout
    steps: [{work: {mean: 1ms, cv: 0.5}}, {call: {to: checkout, operation: POST /}}]
- name: catalog
  instances: 2
  hosts: [h1, h2]
  workers: 32
  links: [{to: postgres, connections: 16, timeout: 2s}]
  operations:
  - name: GET /items
    steps: [{work: {mean: 1ms, cv: 1}}, {cache: {hits: 0.7, miss: [{call: {to: postgres, operation: select}}]}}]
- name: cart
  instances: 2
  hosts: [h2, h3]
  workers: 32
  memory: {pause: {mean: 5ms, cv: 1}}
  links: [{to: redis, connections: 16}, {to: catalog, timeout: 1s}]
  operations:
  - name: POST /cart
    steps: [{work: {mean: 1ms, cv: 1}}, {call: {to: redis, operation: set}}, {call: {to: catalog, operation: GET /items}}]
- name: checkout
  instances: 2
  hosts: [h1, h3]
  workers: 32
  links: [{to: payment, timeout: 2s, retries: 1}, {to: postgres, connections: 16}, {to: mailer}]
  operations:
  - name: POST /
    steps:
    - work: {mean: 2ms, cv: 1}
    - call: {to: payment, operation: POST /}
    - call: {to: postgres, operation: insert}
    - publish: {to: mailer, operation: send}
- name: recommendation
  hosts: [h3]
  workers: 16
  links: [{to: redis, connections: 8}]
  operations: [{name: GET /, steps: [{work: {mean: 2ms, cv: 1}}, {call: {to: redis, operation: get}}]}]
- {name: payment, workers: 64, operations: [{name: POST /, errors: 0.01, steps: [{wait: {mean: 30ms, cv: 1}}]}]}
- {name: mailer, workers: 8, queue: 100000, operations: [{name: send, steps: [{wait: 10ms}]}]}
- name: postgres
  db_system: postgresql
  instrumented: false
  hosts: [h1]
  operations: [{name: select, steps: [{work: {mean: 1ms, cv: 1}}]}, {name: insert, steps: [{wait: {mean: 3ms, cv: 1}}]}]
- name: redis
  db_system: redis
  instrumented: false
  operations: [{name: get, steps: [{wait: 0.2ms}]}, {name: set, steps: [{wait: 0.2ms}]}]
users:
- name: shoppers
  rate: 600
  wave: {period: 60s, depth: 0.3}
  operations:
  - {to: gateway, operation: GET /items, share: 8}
  - {to: gateway, operation: POST /cart, share: 3}
  - {to: gateway, operation: POST /checkout, share: 1}
faults:
- {kind: slow, target: payment, from: 20s, until: 30s, by: 4}
- {kind: cpu_hog, target: h1, from: 40s, until: 50s, by: 8}
)";

class Counter : public Audience, public TruthLog {
 public:
  SenderId Enter(const Sender&) override { return {}; }
  void See(const SpanRecord&) override { ++spans; }
  void See(const SampleRecord&) override { ++others; }
  void See(const LogRecord&) override { ++others; }
  void See(const ChangeRecord&) override { ++others; }
  void Say(const TruthRow&) override { ++others; }
  uint64_t spans = 0, others = 0;
};

void BM_SimulateShop(benchmark::State& state) {
  const Result<Scenario> scenario = ReadScenario(kShop);
  TG_CHECK(scenario.ok());
  uint64_t events = 0;
  Counter counter;
  for (auto _ : state) {
    auto simulation = Simulation::Make(*scenario, &counter, &counter);
    TG_CHECK(simulation.ok());
    while ((*simulation)->RunSecond()) {
    }
    events += (*simulation)->events();
  }
  const auto rate = [](uint64_t n) {
    return benchmark::Counter(static_cast<double>(n), benchmark::Counter::kIsRate);
  };
  state.counters["events"] = rate(events);
  state.counters["spans"] = rate(counter.spans);
  state.counters["simulated_s"] = rate(static_cast<uint64_t>(state.iterations()) * 60);
}
BENCHMARK(BM_SimulateShop)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tomograph::simulate
