#include "evaluate/clocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"

namespace tomograph::evaluate {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr double kSeconds = 120;
constexpr double kNaturalMs = 0.9;  // what the clock of the second machine is ahead

/// A small recording as a tracer would have made it: `front` receives a request and asks `near`, of
/// its own machine, and `far`, of the other one; 20 a second, delays of 0.1 ms and more.
class ClocksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / ("clocks_set_" + std::to_string(getpid()));
    fs::create_directories(folder_ / "one");
    std::ofstream file(folder_ / "one" / "jaeger.ndjson");
    Random random(7);
    const auto delay = [&] { return 100 + random.Exponential(150); };
    double now = 1.7e15;
    for (int i = 0; now < 1.7e15 + kSeconds * 1e6; ++i) {
      now += random.Exponential(50e3);
      nlohmann::json spans = nlohmann::json::array();
      double t = now;
      const auto ask = [&](const char* server, int id, double ahead) {
        const double sent = t, received = sent + delay(), answered = received + 500 + delay();
        t = answered + delay();
        spans.push_back(Span(i, id, 1, "client", "p1", sent, t));
        spans.push_back(Span(i, id + 1, id, "server", server, received + ahead, answered + ahead));
        t += 100;
      };
      ask("p2", 2, 0);
      ask("p3", 4, kNaturalMs * 1e3);
      spans.push_back(Span(i, 1, 0, "server", "p1", now - 100, t));
      const nlohmann::json trace = {{"traceID", Id(i, 0)},
                                    {"spans", spans},
                                    {"processes",
                                     {{"p1", {{"serviceName", "front"}}},
                                      {"p2", {{"serviceName", "near"}}},
                                      {"p3", {{"serviceName", "far"}}}}}};
      file << trace.dump() << "\n";
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::string Id(int trace, int span) {
    char text[17];
    std::snprintf(text, sizeof(text), "%016x", 16 * (trace + 1) + span);
    return text;
  }
  static nlohmann::json Span(int trace, int id, int parent, const char* kind, const char* process,
                             double start_us, double end_us) {
    nlohmann::json tag = {{"key", "span.kind"}, {"type", "string"}, {"value", kind}};
    nlohmann::json span = {{"traceID", Id(trace, 0)},
                           {"spanID", Id(trace, id)},
                           {"operationName", "Ask"},
                           {"startTime", std::llround(start_us)},
                           {"duration", std::llround(end_us) - std::llround(start_us)},
                           {"processID", process}};
    span["tags"] = nlohmann::json::array();
    span["tags"].push_back(std::move(tag));
    span["references"] = nlohmann::json::array();
    if (parent > 0)
      span["references"].push_back(
          {{"refType", "CHILD_OF"}, {"traceID", Id(trace, 0)}, {"spanID", Id(trace, parent)}});
    return span;
  }

  ClockScore Run(const ClockInjection& injection, const std::vector<std::string>& second = {}) {
    const auto scores = RunClocks(folder_.string(), injection, second);
    EXPECT_TRUE(scores.ok()) << scores.status().message();
    return scores.ok() && scores->size() == 1 ? (*scores)[0] : ClockScore{};
  }

  fs::path folder_;
};

TEST_F(ClocksTest, FindsWhatWasPutIn) {
  const ClockScore score = Run({.offset_ms = 5, .drift_ppm = 40, .step_ms = 2, .step_at = 0.55});
  EXPECT_EQ(score.set, "one");
  EXPECT_THAT(score.second_host, ElementsAre("far"));
  EXPECT_NEAR(std::abs(score.natural_offset_ms), kNaturalMs, 0.1);
  EXPECT_NEAR(score.natural_drift_ppm, 0, 3);
  EXPECT_GT(score.calls, 1000u);
  EXPECT_LT(score.rms_middle_us, 80);
  EXPECT_LT(std::abs(score.drift_error_ppm), 3);
  EXPECT_GT(score.checked, 30);
  EXPECT_EQ(score.inside, score.checked);
  EXPECT_GT(score.median_bound_us, 100);
  EXPECT_LT(score.median_bound_us, 500);
  EXPECT_GE(score.step_named_window, score.step_window);
  EXPECT_LE(score.step_named_window, score.step_window + 1);
  EXPECT_NEAR(score.step_found_ms, 2, 0.2);
  EXPECT_LE(score.step_from_s, score.step_injected_s);
  EXPECT_GE(score.step_to_s, score.step_injected_s);
}

/// Wherever it steps and by however much, no bound misses: not before the drift is known, not in
/// the last moments of a window, not by less than the gap between the fastest calls.
TEST_F(ClocksTest, AStepAnywhereBreaksNoBound) {
  int checked = 0;
  for (const double size : {0.5, -2.0}) {
    for (double at = 0.02; at < 1; at += 0.09) {
      SCOPED_TRACE(std::to_string(size) + " ms at " + std::to_string(at));
      const ClockScore score = Run({.step_ms = size, .step_at = at}, {"far"});
      EXPECT_EQ(score.inside, score.checked);
      EXPECT_LT(score.unbounded, 6);
      checked += score.checked;
    }
  }
  EXPECT_GT(checked, 2 * 11 * 30);
}

TEST_F(ClocksTest, NothingPutInIsNoStep) {
  const ClockScore score = Run({.offset_ms = 0, .drift_ppm = 0, .step_ms = 0}, {"far"});
  EXPECT_EQ(score.step_named_window, -1);
  EXPECT_THAT(score.findings, IsEmpty());
  EXPECT_EQ(score.inside, score.checked);
  EXPECT_LT(score.rms_us, 30);
}

TEST_F(ClocksTest, OneMachineIsNoSet) {
  const auto one_host = RunClocks(folder_.string(), {}, {"front", "near", "far"});
  EXPECT_EQ(one_host.status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(RunClocks((folder_ / "missing").string(), {}, {}).ok());
}

}  // namespace
}  // namespace tomograph::evaluate
