#include "simulate/scenario/scenario.h"

#include <gtest/gtest.h>

namespace tomograph::simulate {
namespace {

constexpr char kShop[] = R"(name: shop
about: a shop
seed: 7
start: 2026-03-01T00:00:00Z
length: 2m
kept_apart: true
hosts:
- {name: h1, cores: 4}
services:
- name: gateway
  hosts: [h1]
  links: [{to: items, connections: 4, timeout: 1s, retries: 2}]
  operations:
  - name: GET /items
    steps:
    - work: {mean: 2ms, cv: 0.5}
    - call: {to: items, operation: select}
- name: items
  db_system: postgresql
  operations: [{name: select, steps: [{wait: 3ms}]}]
users:
- {name: customers, rate: 10, operations: [{to: gateway, operation: GET /items}]}
faults:
- {kind: slow, target: items, from: 30s, until: 60s, by: 4}
loss:
  keep_traces: 0.1
  keep_metric: {"postgresql.*": 0.05}
  silent: [items]
  clocks: {h1: {behind: 5ms, drift_ppm: 20, step: 1s, step_at: 30s}}
  gaps: [{service: gateway, from: 10s, until: 20s}]
  redact: [trace_id]
)";

/// The text with `from` replaced, which must be there.
std::string With(const std::string& from, const std::string& to) {
  std::string text = kShop;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::string Refused(const std::string& yaml) {
  const Result<Scenario> scenario = ReadScenario(yaml);
  if (scenario.ok()) return "read";
  EXPECT_EQ(scenario.status().code(), StatusCode::kInvalidArgument);
  return scenario.status().message();
}

TEST(ScenarioTest, ReadsWhatIsThere) {
  const Result<Scenario> s = ReadScenario(kShop);
  ASSERT_TRUE(s.ok()) << s.status().message();
  EXPECT_EQ(s->name, "shop");
  EXPECT_EQ(s->seed, 7u);
  EXPECT_EQ(FormatTime(s->start), "2026-03-01T00:00:00Z");
  EXPECT_EQ(s->length, 2 * kMinute);
  EXPECT_TRUE(s->kept_apart);
  ASSERT_EQ(s->faults.size(), 1u);
  EXPECT_EQ(s->faults[0].until, kMinute);
  EXPECT_EQ(s->faults[0].by, 4);
  EXPECT_EQ(s->WithoutFaults().faults.size(), 0u);
  EXPECT_EQ(s->loss.keep_traces, 0.1);
  EXPECT_EQ(s->loss.keep_metric.at("postgresql.*"), 0.05);
  EXPECT_EQ(s->loss.silent.count("items"), 1u);
  EXPECT_EQ(s->loss.clocks.at("h1").offset, -5 * kMillisecond);
  EXPECT_EQ(s->loss.clocks.at("h1").step, kSecond);
  EXPECT_EQ(s->loss.gaps.at(0).until, s->start + 20 * kSecond);
  EXPECT_EQ(s->loss.redact.count("trace_id"), 1u);
}

TEST(ScenarioTest, SaysWhatIsWrongAndOnWhichLine) {
  const auto expect = [](const std::string& from, const std::string& to, const std::string& what) {
    EXPECT_EQ(Refused(With(from, to)), what) << to;
  };
  expect("seed: 7", "sead: 7", "line 3: unknown key 'sead'");
  expect("cores: 4", "cores: many",
         "line 8: hosts[0].cores: must be a number between 0.01 and 10000");
  expect("hosts: [h1]", "hosts: [h2]", "line 11: services[0].hosts[0]: there is no host 'h2'");
  expect("to: items, connections", "to: itemz, connections",
         "line 12: services[0].links[0].to: there is no 'itemz'");
  expect("operation: select}", "operation: update}",
         "line 17: services[0].operations[0].steps[1].call.operation: 'items' has no operation "
         "'update'");
  expect("work: {", "wrok: {", "line 16: services[0].operations[0].steps[0]: unknown step 'wrok'");
  expect("rate: 10", "rate: -1", "line 22: users[0].rate: must be a number between 0 and 100000");
  expect("kind: slow", "kind: sloth",
         "line 24: faults[0]: nothing called 'items' can have a fault 'sloth'");
  expect("until: 60s", "until: 20s", "line 24: faults[0]: until must be after from");
  expect("keep_traces: 0.1", "keep_traces: 2",
         "line 26: loss.keep_traces: must be a number between 0 and 1");
  expect("timeout: 1s", "timeout: 1",
         "line 12: services[0].links[0].timeout: must be a time between 0s and 3600s, as in 200ms "
         "(ns, us, ms, s, m, h or d)");
  expect("name: items\n", "name: gateway\n", "line 18: services[1].name: 'gateway' twice");
  expect("length: 2m", "length: 1500ms", "line 5: length: must be a whole number of seconds");
  expect("name: shop", "nam: shop", "line 1: 'name' is missing");
}

TEST(ScenarioTest, RefusesWhatYamlAllowsAndWeDoNot) {
  EXPECT_EQ(Refused("name: a\nname: b\n"), "line 2: 'name' twice");
  EXPECT_EQ(Refused("a: &x 1\nb: *x\n"), "line 1: anchors are not read");
  EXPECT_EQ(Refused("name: a\n---\nname: b\n"), "line 3: a second document in one file");
  EXPECT_NE(Refused("- a\n- b\n"), "read");
  EXPECT_NE(Refused(""), "read");
  EXPECT_NE(Refused("name: [\n"), "read");
  EXPECT_NE(Refused(std::string(200'000, '[')), "read");
  EXPECT_NE(Refused(std::string(100, '-') + "\n\t: {"), "read");
}

TEST(ScenarioTest, RefusesCallsWithoutEnd) {
  const std::string loop =
      "name: loop\nservices:\n"
      "- {name: a, operations: [{name: x, steps: [{call: {to: b, operation: x}}]}]}\n"
      "- {name: b, operations: [{name: x, steps: [{call: {to: a, operation: x}}]}]}\n";
  EXPECT_EQ(
      Refused(loop),
      "line 4: services[1].operations[0].steps[0].call.to: 'x' calls itself by way of others");
  std::string wide = "name: wide\nservices:\n";
  for (int i = 0; i < 8; ++i) {
    const std::string callee = "{to: s" + std::to_string(i + 1) + ", operation: x}";
    wide += "- {name: s" + std::to_string(i) + ", operations: [{name: x, steps: [";
    for (int k = 0; i < 7 && k < 10; ++k) wide += "{call: " + callee + "}, ";
    wide += "{wait: 1ms}]}]}\n";
  }
  EXPECT_NE(Refused(wide).find("more than 100000 calls"), std::string::npos) << Refused(wide);
}

}  // namespace
}  // namespace tomograph::simulate
