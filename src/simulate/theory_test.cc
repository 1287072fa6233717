// The simulation against queueing theory: within 2 %. The runs are long enough for a standard error
// of the mean of some 0.4 % (seeds are fixed, so a run's luck is the same each time).
#include <gtest/gtest.h>

#include <cmath>

#include "simulate/seen_test.h"

namespace tomograph::simulate {
namespace {

constexpr size_t kWarm = 20;  // seconds until the empty start is forgotten

std::string Yaml(const std::string& length, const std::string& services, double rate,
                 const std::string& to) {
  return "name: theory\nlength: " + length + "\nexport_every: 1h\nservices:\n" + services +
         "users:\n- {name: u, rate: " + std::to_string(rate) + ", operations: [{to: " + to +
         ", operation: ask}]}\n";
}

/// Mean number waiting in M/M/c (Erlang C).
double WaitingInMmc(double arrivals, double mean_s, int c) {
  const double a = arrivals * mean_s;
  double term = 1, sum = 0;
  for (int k = 0; k < c; ++k) {
    sum += term;
    term *= a / (k + 1);
  }
  const double rho = a / c;
  const double waits = term / (1 - rho) / (sum + term / (1 - rho));
  return waits * rho / (1 - rho);
}

TEST(TheoryTest, MmcQueueAndSystemAsErlangSays) {
  struct Case {
    int c;
    double rate, mean_s;
  };
  for (const Case& k : {Case{1, 600, 0.001}, Case{3, 1000, 0.0021}, Case{8, 2000, 0.003}}) {
    const std::string services =
        "- {name: s, workers: " + std::to_string(k.c) +
        ", queue: 1000000, operations: [{name: ask, steps: [{work: {mean: " +
        std::to_string(k.mean_s * 1e3) + "ms, exponential: true}}]}]}\n";
    TruthBook truth;
    Unseen nobody;
    Play(MustRead(Yaml("1200s", services, k.rate, "s")), &nobody, &truth);
    const double waiting = WaitingInMmc(k.rate, k.mean_s, k.c);
    const double busy = k.rate * k.mean_s;
    EXPECT_NEAR(truth.Mean("queue_depth", "s", kWarm) / waiting, 1, 0.02) << k.c;
    EXPECT_NEAR(truth.Mean("in_flight", "s", kWarm) / busy, 1, 0.02) << k.c;
    const double in_system =
        truth.Mean("queue_depth", "s", kWarm) + truth.Mean("in_flight", "s", kWarm);
    EXPECT_NEAR(in_system / (waiting + busy), 1, 0.02) << k.c;
  }
}

/// Adds up how long server spans last.
class Stopwatch : public Unseen {
 public:
  void See(const SpanRecord& span) override {
    if (span.kind != telemetry::SpanKind::kServer) return;
    sum_s += ToSeconds(span.end - span.start);
    ++spans;
  }
  double sum_s = 0;
  uint64_t spans = 0;
};

TEST(TheoryTest, LittlesLawHoldsWithBurstsAndHeavyTails) {
  const std::string services =
      "- {name: s, workers: 4, queue: 1000000, operations: [{name: ask, steps: [{work: {mean: 5ms, "
      "cv: 2}}, {wait: {mean: 1ms, cv: 1}}]}]}\n";
  TruthBook truth;
  Stopwatch watch;
  Play(MustRead(Yaml("900s", services, 400, "s")), &watch, &truth);
  const double rate = static_cast<double>(watch.spans) / 900;
  const double mean_s = watch.sum_s / static_cast<double>(watch.spans);
  EXPECT_NEAR(truth.Mean("in_flight", "s") / (rate * mean_s), 1, 0.02);
  EXPECT_NEAR(truth.Mean("call_volume", "s"), 400, 8);
}

// A router without limit sends each request to a, with probability 0.4 to a once more, then to b:
// an open network of Jackson's with a known product form.
TEST(TheoryTest, JacksonNetworkAsItsProductFormSays) {
  const std::string station =
      "workers: 1, queue: 1000000, operations: [{name: ask, steps: [{work: ";
  const std::string services =
      "- name: router\n  operations:\n  - name: ask\n    steps:\n"
      "    - call: {to: a, operation: ask}\n"
      "    - maybe: {chance: 0.4, steps: [{call: {to: a, operation: ask}}]}\n"
      "    - call: {to: b, operation: ask}\n"
      "  links: [{to: a, network: 0s}, {to: b, network: 0s}]\n"
      "- {name: a, " +
      station +
      "{mean: 1ms, exponential: true}}]}]}\n"
      "- {name: b, " +
      station + "{mean: 1.3ms, exponential: true}}]}]}\n";
  TruthBook truth;
  Unseen nobody;
  Play(MustRead(Yaml("2000s", services, 450, "router")), &nobody, &truth);
  const auto in_system = [&](const std::string& name) {
    return truth.Mean("queue_depth", name, kWarm) + truth.Mean("in_flight", name, kWarm);
  };
  const double rho_a = 450 * 1.4 * 0.001, rho_b = 450 * 0.0013;
  EXPECT_NEAR(in_system("a") / (rho_a / (1 - rho_a)), 1, 0.02);
  EXPECT_NEAR(in_system("b") / (rho_b / (1 - rho_b)), 1, 0.02);
  EXPECT_NEAR(truth.Mean("in_flight", "router", kWarm) / (in_system("a") + in_system("b")), 1,
              0.001);
}

// One core, work that is far from exponential: the mean number is still that of M/M/1.
TEST(TheoryTest, SharedCoreIsInsensitiveToTheDistribution) {
  const std::string yaml =
      "hosts: [{name: h, cores: 1}]\n" +
      Yaml("1500s",
           "- {name: s, hosts: [h], operations: [{name: ask, steps: [{work: {mean: 1ms, cv: "
           "1.5}}]}]}\n",
           600, "s");
  TruthBook truth;
  Unseen nobody;
  Play(MustRead(yaml), &nobody, &truth);
  EXPECT_NEAR(truth.Mean("in_flight", "s", kWarm) / (0.6 / 0.4), 1, 0.02);
  EXPECT_NEAR(truth.Mean("utilisation", "h", kWarm), 0.6, 0.012);
  EXPECT_NEAR(truth.Mean("cpu_used", "s", kWarm, SIZE_MAX, "", "h"), 0.6, 0.012);
  EXPECT_NEAR(truth.Mean("cpu_waiting", "s", kWarm, SIZE_MAX, "", "h") / 0.9, 1, 0.03);
}

}  // namespace
}  // namespace tomograph::simulate
