#include "reconstruct/missing_spans.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace tomograph::reconstruct {
namespace {

using telemetry::Basis;
using telemetry::CallSides;
using telemetry::EntityId;
using telemetry::Estimate;
using telemetry::kNoEntity;
using telemetry::Window;
using telemetry::WindowKey;
using telemetry::WindowSet;

constexpr EntityId kWeb{1}, kPay{2}, kCart{3};
constexpr WindowKey kEdge{kPay, kWeb}, kPayItself{kPay, kNoEntity};

WindowSet Set(int number) {
  WindowSet set;
  set.start = number * 5 * kSecond;
  set.length = 5 * kSecond;
  return set;
}

Estimate Find(const std::vector<Estimate>& all, std::string_view state, WindowKey key) {
  for (const Estimate& e : all)
    if (e.state == state && e.entity == key.entity && e.caller == key.caller) return e;
  ADD_FAILURE() << "no estimate of " << state;
  return {};
}

/// Calls of which either side is lost by a coin of its own.
struct Lossy {
  Random random{5};
  CallSides edge, callee;
  double client_lost = 0, server_lost = 0;
  void Call(double lose_client, double lose_server) {
    const bool client = random.Uniform() >= lose_client;
    const bool server = random.Uniform() >= lose_server;
    client_lost += !client;
    server_lost += !server;
    edge.joined += client && server;
    edge.unanswered += client && !server;
    callee.parent_lost += !client && server;
  }
};

TEST(MissingSpans, IntervalsHoldWhatWasLost) {
  for (const auto& [lose_client, lose_server] : {std::pair(.1, .1), {.3, .3}, {.5, .2}, {.2, .5}}) {
    SCOPED_TRACE(lose_client);
    MissingSpansModel model;
    Lossy all;
    double n = 0, held90 = 0, held50 = 0;
    for (int i = 0; i < 600; ++i) {
      Lossy now;
      now.random = Random(static_cast<uint64_t>(i));
      for (int call = 0; call < 60; ++call) now.Call(lose_client, lose_server);
      WindowSet set = Set(i);
      set.sides[kEdge] = now.edge;
      set.sides[kPayItself] = now.callee;
      std::vector<Estimate> estimates;
      model.Update(set, &estimates);
      if (i < 10) continue;
      const Estimate client = Find(estimates, "missing_client_spans", kEdge);
      const Estimate server = Find(estimates, "missing_server_spans", kEdge);
      EXPECT_GE(client.i90.lower, static_cast<double>(now.callee.parent_lost));
      EXPECT_GE(server.i90.lower, static_cast<double>(now.edge.unanswered));
      n += 2;
      held90 += client.i90.Contains(now.client_lost) + server.i90.Contains(now.server_lost);
      held50 += client.i50.Contains(now.client_lost) + server.i50.Contains(now.server_lost);
    }
    EXPECT_GE(held90 / n, 0.85);
    EXPECT_LE(held90 / n, 0.95);
    EXPECT_NEAR(held50 / n, 0.5, 0.07);
  }
}

TEST(MissingSpans, WithoutLossesNothingIsMissing) {
  MissingSpansModel model;
  std::vector<Estimate> estimates;
  for (int i = 0; i < 20; ++i) {
    WindowSet set = Set(i);
    set.sides[kEdge].joined = 50;
    estimates.clear();
    model.Update(set, &estimates);
  }
  for (const char* state : {"missing_client_spans", "missing_server_spans"}) {
    const Estimate e = Find(estimates, state, kEdge);
    EXPECT_EQ(e.basis, Basis::kInferred);
    EXPECT_EQ(e.value, 0);
    EXPECT_LE(e.i90.upper, 1);
  }
}

TEST(MissingSpans, LostParentsAreSharedOutAmongTheCallers) {
  MissingSpansModel model;
  std::vector<Estimate> estimates;
  for (int i = 0; i < 20; ++i) {
    WindowSet set = Set(i);
    set.sides[kEdge].joined = 60;
    set.sides[{kPay, kCart}].joined = 20;
    set.sides[kPayItself].parent_lost = 20;
    estimates.clear();
    model.Update(set, &estimates);
  }
  const Estimate web = Find(estimates, "missing_client_spans", kEdge);
  const Estimate cart = Find(estimates, "missing_client_spans", {kPay, kCart});
  EXPECT_NEAR(web.value, 15, 1);
  EXPECT_NEAR(cart.value, 5, 1);
  EXPECT_TRUE(web.i90.Contains(17));
  EXPECT_NE(web.note, "");
}

TEST(MissingSpans, WithoutASecondSideNothingIsSaid) {
  MissingSpansModel model;
  std::vector<Estimate> estimates;
  WindowSet set = Set(0);
  Window w;
  w.key = kEdge;
  w.spans.seen = 10;
  w.spans.calls = 10;
  w.spans.weight_unknown = 10;
  set.windows.push_back(w);
  model.Update(set, &estimates);
  for (const char* state : {"missing_client_spans", "missing_server_spans", "missing_traces"}) {
    const Estimate e = Find(estimates, state, kEdge);
    EXPECT_EQ(e.basis, Basis::kMissing);
    EXPECT_TRUE(std::isnan(e.value));
    EXPECT_NE(e.note, "");
  }
}

TEST(MissingSpans, WeightsSayHowManyTracesAreMissing) {
  MissingSpansModel model;
  std::vector<Estimate> estimates;
  for (int i = 0; i < 30; ++i) {
    WindowSet set = Set(i);
    Window w;
    w.key = kEdge;
    w.spans.seen = 20;  // two a trace
    w.spans.calls = 200;
    w.spans.calls_variance = 10 * 4 * 90;
    set.windows.push_back(w);
    estimates.clear();
    model.Update(set, &estimates);
  }
  const Estimate e = Find(estimates, "missing_traces", kEdge);
  EXPECT_NEAR(e.value, 90, 12);
  EXPECT_TRUE(e.i90.Contains(90));
  EXPECT_LT(e.i90.upper - e.i90.lower, 90);
}

}  // namespace
}  // namespace tomograph::reconstruct
