#include "simulate/system/replicas/replicas.h"

#include <gtest/gtest.h>

#include "simulate/simulation.h"
#include "simulate/write/otlp_json.h"
#include "simulate/write/truth_file.h"

namespace tomograph::simulate {
namespace {

constexpr char kScenario[] = R"(
name: replicas
length: 4m
replicated:
  - name: orders
    writes: 1MB
    scatter: 0
    replicas: [{name: a, apply: 3MB}, {name: b, apply: 3MB}]
faults:
  - {kind: pause_replication, target: orders/a, from: 60s, until: 90s}
  - {kind: slow_replication, target: orders/b, from: 60s, until: 120s, by: 0.1}
)";

TEST(Replicas, FallsBehindAsTimeAndCapacityHaveIt) {
  const auto scenario = ReadScenario(kScenario);
  ASSERT_TRUE(scenario.ok()) << scenario.status().message();
  OtlpJson shown;
  MemoryTruth truth;
  auto simulation = Simulation::Make(*scenario, &shown, &truth);
  ASSERT_TRUE(simulation.ok());
  while ((*simulation)->RunSecond()) {
  }
  const auto lag = [&](const char* replica, int second) {
    const auto* series = truth.Find("replica_lag", std::string("orders/") + replica);
    return MemoryTruth::At(*series, scenario->start + second * kSecond).value_or(-1);
  };
  EXPECT_LT(lag("a", 60), 1);
  EXPECT_NEAR(lag("a", 90), 30, 1);
  // 30 MB wait and 1 MB a second comes: gone after 15 s at 3 MB a second.
  EXPECT_GT(lag("a", 103), 1);
  EXPECT_LT(lag("a", 107), 1);
  EXPECT_NEAR(lag("b", 120), 42, 1);  // 60 s of log at 1 MB, of which it applied .3 MB a second
  EXPECT_NE(shown.Take().metrics.find("postgresql.wal.delay"), std::string::npos);
}

TEST(Replicas, AFaultOfAReplicaThatIsNoneIsRefused) {
  std::string text = kScenario;
  text.replace(text.find("orders/a,"), 8, "orders/z");
  EXPECT_FALSE(ReadScenario(text).ok());
}

}  // namespace
}  // namespace tomograph::simulate
