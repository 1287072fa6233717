#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "reconstruct/conformal_width.h"
#include "reconstruct/count_scatter.h"
#include "reconstruct/queue.h"
#include "reconstruct/sampling_rate.h"
#include "reconstruct/volume.h"

namespace tomograph::reconstruct {
namespace {

using telemetry::Basis;
using telemetry::EntityId;
using telemetry::Estimate;
using telemetry::kNoEntity;
using telemetry::Quantity;
using telemetry::Window;
using telemetry::WindowSet;

constexpr EntityId kA{1}, kB{2};

Window Entity(EntityId id) {
  Window w;
  w.key = {id, kNoEntity};
  return w;
}

/// n calls seen of which f failed, each a trace of its own kept with probability p.
void AddSpans(Window* w, uint64_t n, uint64_t f, double p, bool told, double duration = 0.1) {
  telemetry::CallStats& s = w->spans;
  const double weight = told ? 1 / p : 1;
  s.seen = n;
  s.failed_seen = f;
  s.calls = static_cast<double>(n) * weight;
  s.failed = static_cast<double>(f) * weight;
  s.calls_variance = static_cast<double>(n) * weight * (weight - 1);
  s.failed_variance = static_cast<double>(f) * weight * (weight - 1);
  s.busy_s = s.calls * duration;
  s.busy_variance = s.calls_variance * duration * duration;
  s.weight_unknown = told ? 0 : n;
  for (uint64_t i = 0; i < n; ++i) s.latency.Add(duration, weight);
}

void AddMetrics(Window* w, double calls, double variance = 0) {
  w->metrics.calls = calls;
  w->metrics.seen = static_cast<uint64_t>(calls);
  w->metrics.calls_variance = variance;
  const Quantity rate =
      w->key.caller == kNoEntity ? Quantity::kCallRate : Quantity::kClientCallRate;
  w->gauges[rate].Add(calls / 5, 1);
}

WindowSet Set(std::vector<Window> windows, int number = 0) {
  WindowSet set;
  set.start = number * 5 * kSecond;
  set.length = 5 * kSecond;
  set.windows = std::move(windows);
  return set;
}

Estimate Find(StateModel* model, const WindowSet& set, std::string_view state, EntityId entity,
              EntityId caller = kNoEntity) {
  std::vector<Estimate> all;
  model->Update(set, &all);
  for (const Estimate& e : all)
    if (e.state == state && e.entity == entity && e.caller == caller) return e;
  ADD_FAILURE() << "no estimate of " << state;
  return {};
}

TEST(Volume, FullTracesAreObserved) {
  VolumeModel m;
  Window w = Entity(kA);
  AddSpans(&w, 40, 3, 1, true);
  const Estimate e = Find(&m, Set({w}), "call_volume", kA);
  EXPECT_EQ(e.basis, Basis::kObserved);
  EXPECT_EQ(e.value, 40);
  EXPECT_EQ(e.i90.upper, 40);
  EXPECT_EQ(e.note, "");
}

TEST(Volume, UnknownSamplingWithoutMetricsSaysSo) {
  VolumeModel m;
  Window w = Entity(kA);
  AddSpans(&w, 40, 3, 1, false);
  const Estimate e = Find(&m, Set({w}), "call_volume", kA);
  EXPECT_EQ(e.value, 40);
  EXPECT_LT(e.confidence, 0.9);
  EXPECT_NE(e.note, "");
}

TEST(Volume, WeightsGiveAnIntervalThatNeverGoesBelowWhatWasSeen) {
  VolumeModel m;
  Window w = Entity(kA);
  AddSpans(&w, 4, 0, 0.1, true);
  const Estimate e = Find(&m, Set({w}), "call_volume", kA);
  EXPECT_EQ(e.basis, Basis::kInferred);
  EXPECT_EQ(e.method, "horvitz_thompson");
  EXPECT_NEAR(e.value, 42, 4);
  EXPECT_GE(e.i90.lower, 4);
  EXPECT_LT(e.i90.lower, 25);
  EXPECT_GT(e.i90.upper, 65);
}

TEST(Volume, NoSampledFailureIsNotNoFailure) {
  VolumeModel m;
  Window w = Entity(kA);
  AddSpans(&w, 10, 0, 0.1, true);
  const Estimate e = Find(&m, Set({w}), "failed_calls", kA);
  EXPECT_EQ(e.i90.lower, 0);
  EXPECT_GT(e.i90.upper, 5);
  EXPECT_LT(e.i90.upper, 40);
}

TEST(Volume, AnOutbreakOfFailuresShakesOffAQuietPast) {
  VolumeModel m;
  for (int i = 0; i < 100; ++i) {
    Window w = Entity(kA);
    AddSpans(&w, 20, 0, 0.1, true);
    (void)Find(&m, Set({w}, i), "failed_calls", kA);
  }
  Window w = Entity(kA);
  AddSpans(&w, 20, 10, 0.1, true);
  const Estimate e = Find(&m, Set({w}, 100), "failed_calls", kA);
  EXPECT_TRUE(e.i90.Contains(100)) << e.i90.lower << " " << e.i90.upper;
}

TEST(Volume, AnOutbreakElsewhereSaysNothingOfAKeyThatNeverFails) {
  VolumeModel m;
  Estimate e;
  for (int i = 0; i < 60; ++i) {
    Window ill = Entity(kA), well = Entity(kB);
    AddSpans(&ill, 20, i < 40 ? 0 : 10, 0.1, true);
    AddSpans(&well, 5, 0, 0.1, true);
    e = Find(&m, Set({ill, well}, i), "failed_calls", kB);
  }
  EXPECT_EQ(e.i90.upper, 0);
}

TEST(Volume, ThePastNarrowsASteadyLoadAndLetsGoOfAChangedOne) {
  VolumeModel m;
  const auto after = [&](uint64_t seen, int number) {
    Window w = Entity(kA);
    AddSpans(&w, seen, 0, 0.1, true);
    return Find(&m, Set({w}, number), "call_volume", kA);
  };
  const Estimate first = after(10, 0);
  for (int i = 1; i < 30; ++i) (void)after(i % 2 == 0 ? 8 : 12, i);
  const Estimate steady = after(10, 30);
  EXPECT_TRUE(steady.i90.Contains(100));
  EXPECT_LT(steady.i90.upper - steady.i90.lower, 0.75 * (first.i90.upper - first.i90.lower));
  const Estimate jump = after(60, 31);
  EXPECT_TRUE(jump.i90.Contains(600)) << jump.i90.lower << " " << jump.i90.upper;
}

TEST(Volume, WhatWasSeenIsThereWhateverASplitSays) {
  VolumeModel m;
  Window w = Entity(kA);
  AddSpans(&w, 5, 0, 0.5, false);
  AddMetrics(&w, 4.2, 1.5);
  const Estimate e = Find(&m, Set({w}), "call_volume", kA);
  EXPECT_EQ(e.method, "metrics_split");
  EXPECT_GE(e.i90.lower, 5);
  EXPECT_GE(e.i90.upper, 6);
  EXPECT_EQ(e.value, std::round(e.value));
}

TEST(Volume, ASplitExportIsNoPoissonCount) {
  VolumeModel m;
  Window w = Entity(kA);
  AddMetrics(&w, 64, 5);  // 5 = variance of the split at both borders, not of the load
  const Estimate e = Find(&m, Set({w}), "call_volume", kA);
  EXPECT_TRUE(e.i90.Contains(64));
  EXPECT_NEAR(e.i90.upper - e.i90.lower, 2 * 1.645 * std::sqrt(5), 1.5);
}

TEST(Volume, MetricsAreTheTotalAndSpansTheFailureShare) {
  VolumeModel m;
  Window w = Entity(kA);
  AddSpans(&w, 50, 5, 0.1, false);
  AddMetrics(&w, 500);
  std::vector<Estimate> all;
  m.Update(Set({w}), &all);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].basis, Basis::kObserved);
  EXPECT_EQ(all[0].value, 500);
  EXPECT_EQ(all[1].basis, Basis::kInferred);
  EXPECT_TRUE(all[1].i90.Contains(50));
  EXPECT_GT(all[1].i90.lower, 5);
}

TEST(Volume, OneThatSendsNoSpansSaysNothingOfHowOthersAreSampled) {
  VolumeModel m;
  Estimate e;
  for (int i = 0; i < 30; ++i) {
    Window untraced = Entity(kA), traced = Entity(kB);
    AddMetrics(&untraced, 500);
    AddSpans(&traced, 20, 0, 0.1, false);
    e = Find(&m, Set({untraced, traced}, i), "call_volume", kB);
  }
  EXPECT_EQ(e.method, "spans");
  EXPECT_EQ(e.value, 20);
}

TEST(Volume, ANeighbourWithoutMetricsBorrowsTheSamplingRate) {
  VolumeModel m;
  Estimate e;
  for (int i = 0; i < 30; ++i) {
    Window a = Entity(kA), edge;
    AddSpans(&a, 50, 0, 0.1, false);
    AddMetrics(&a, 500);
    edge.key = {kB, kA};
    AddSpans(&edge, 20, 0, 0.1, false);
    e = Find(&m, Set({a, edge}, i), "call_volume", kB, kA);
  }
  EXPECT_EQ(e.method, "learned_sampling_rate");
  EXPECT_TRUE(e.i50.Contains(200)) << e.i50.lower << " " << e.i50.upper;
  EXPECT_LT(e.i90.upper, 350);
}

TEST(Volume, SilenceIsMissingUnlessAMetricSaysZero) {
  VolumeModel m;
  Window w = Entity(kA);
  AddSpans(&w, 40, 3, 1, true);
  (void)Find(&m, Set({w}), "call_volume", kA);
  const Estimate silent = Find(&m, Set({}, 1), "call_volume", kA);
  EXPECT_EQ(silent.basis, Basis::kMissing);
  EXPECT_TRUE(std::isnan(silent.value));
  EXPECT_NE(silent.note, "");
  Window zero = Entity(kA);
  AddMetrics(&zero, 0);
  const Estimate none = Find(&m, Set({zero}, 2), "call_volume", kA);
  EXPECT_EQ(none.basis, Basis::kObserved);
  EXPECT_EQ(none.value, 0);
}

TEST(Queue, FullSpansAreObserved) {
  QueueModel m;
  Window w = Entity(kA);
  AddSpans(&w, 100, 0, 1, true, 0.2);
  const Estimate e = Find(&m, Set({w}), "in_flight", kA);
  EXPECT_EQ(e.basis, Basis::kObserved);
  EXPECT_NEAR(e.value, 4, 1e-9);
}

TEST(Queue, AWindowHeardOfBecauseOfOneTraceWasNoBusyOne) {
  // 20 traces a window, of which one in 50 is kept: two windows of three say nothing, and the third
  // would be taken for one of 50 traces and more.
  constexpr double kKept = 0.02, kTraces = 20, kMean = 0.1;
  Random random(7);
  QueueModel m;
  int heard = 0, held = 0;
  double width = 0;
  for (int i = 0; i < 3000; ++i) {
    Window w = Entity(kA);
    double all = 0;
    for (double at = -std::log(1 - random.Uniform()); at < kTraces;
         at -= std::log(1 - random.Uniform())) {
      const double duration = -kMean * std::log(1 - random.Uniform());
      all += duration;
      if (random.Uniform() >= kKept) continue;
      Window one = Entity(kA);
      AddSpans(&one, 1, 0, kKept, true, duration);
      w.spans.Merge(one.spans);
    }
    WindowSet set = Set(w.spans.seen > 0 ? std::vector<Window>{w} : std::vector<Window>{}, i);
    set.spans = 1;
    if (w.spans.seen == 0) {
      std::vector<Estimate> none;
      m.Update(set, &none);
      continue;
    }
    const Estimate e = Find(&m, set, "in_flight", kA);
    if (i < 100) continue;
    ++heard;
    held += e.i90.Contains(all / 5);
    width += e.i90.upper - e.i90.lower;
  }
  EXPECT_GT(heard, 800);
  EXPECT_GE(held, 0.86 * heard);
  EXPECT_LT(width / heard, 4 * kTraces * kMean / 5) << "without the past it is more than 12 times";
}

TEST(TraceTime, TheFirstTraceIsTakenAtItsWord) {
  SpanEvidence e;
  e.weight = 10;
  TraceTime times;
  const Moments m = times.Total(1, 0.2, 0.04, e);
  EXPECT_DOUBLE_EQ(m.floor, 0.2);
  EXPECT_NEAR(m.mean, 9 * 1.5 * 0.2, 1e-9);  // nine unseen for each, and half a one more than seen
  EXPECT_GT(m.variance, 0);
}

TEST(Queue, LittlesLawFromAHistogram) {
  QueueModel m;
  Window w = Entity(kA);
  AddMetrics(&w, 100);
  w.metrics.busy_s = 20;
  w.metrics.latency.Add(0.2, 100);
  const Estimate e = Find(&m, Set({w}), "in_flight", kA);
  EXPECT_EQ(e.method, "little");
  EXPECT_NEAR(e.value, 4, 0.1);
  EXPECT_LT(e.i90.lower, 4);
  EXPECT_GT(e.i90.upper, 4);
}

TEST(Queue, ViewsAreFusedAndNarrower) {
  const auto width = [](bool gauge) {
    QueueModel m;
    Window w = Entity(kA);
    AddSpans(&w, 10, 0, 0.1, true, 0.2);
    if (gauge)
      for (int i = 0; i < 5; ++i) w.gauges[Quantity::kInFlight].Add(4, i);
    const Estimate e = Find(&m, Set({w}), "in_flight", kA);
    EXPECT_TRUE(e.i90.Contains(4));
    return e.i90.upper - e.i90.lower;
  };
  EXPECT_LT(width(true), width(false));
}

TEST(Queue, APendingGaugeIsObservedAndNothingIsMissingWithAReason) {
  QueueModel m;
  Window w = Entity(kA);
  AddSpans(&w, 10, 0, 1, true);
  const Estimate missing = Find(&m, Set({w}), "queue_depth", kA);
  EXPECT_EQ(missing.basis, Basis::kMissing);
  EXPECT_NE(missing.note, "");
  for (int i = 0; i < 5; ++i) w.gauges[Quantity::kConnectionsPending].Add(7, i);
  const Estimate e = Find(&m, Set({w}, 1), "queue_depth", kA);
  EXPECT_EQ(e.basis, Basis::kObserved);
  EXPECT_TRUE(e.i90.Contains(7));
}

/// Each of n traces waits `seconds` for a connection.
void AddTakings(Window* w, uint64_t n, double seconds, double p) {
  telemetry::CallStats& s = w->spans;
  s.takings = n;
  s.taking_s = static_cast<double>(n) * seconds / p;
  s.taking_square = static_cast<double>(n) * (seconds / p) * (seconds / p);
}

TEST(Queue, WhoWaitsForAConnectionWaits) {
  QueueModel m;
  Window w = Entity(kA);
  AddSpans(&w, 10, 0, 1, true);
  AddTakings(&w, 10, 2, 1);
  const Estimate e = Find(&m, Set({w}), "queue_depth", kA);
  EXPECT_EQ(e.basis, Basis::kObserved);
  EXPECT_NEAR(e.value, 4, 1e-9);  // 10 requests, 2 s each, in 5 s
}

TEST(Queue, WhoWaitsForAConnectionIsInferredFromASample) {
  QueueModel m;
  for (int i = 0; i < 20; ++i) {
    Window w = Entity(kA);
    AddSpans(&w, 5, 0, 0.1, true);
    AddTakings(&w, 5, 0.0001, 0.1);
    const Estimate idle = Find(&m, Set({w}, i), "queue_depth", kA);
    EXPECT_LT(idle.i90.upper, 0.01);
  }
  Window w = Entity(kA);
  AddSpans(&w, 5, 0, 0.1, true);
  AddTakings(&w, 5, 1, 0.1);
  const Estimate e = Find(&m, Set({w}, 20), "queue_depth", kA);
  EXPECT_EQ(e.basis, Basis::kInferred);
  EXPECT_GE(e.i90.lower, 1) << "so much was seen";
  EXPECT_TRUE(e.i90.Contains(10)) << e.i90.lower << " " << e.i90.upper;
}

TEST(Queue, FewFastCallsDoNotSayThatNobodyWaits) {
  QueueModel m;
  Estimate e;
  for (int i = 0; i < 40; ++i) {
    Window w;
    w.key = {kB, kA};
    AddSpans(&w, 10, 0, 0.1, true);
    w.spans.waits = 10;
    w.spans.wait_s = 100 * (i < 39 ? 0.001 : 0.0004);
    e = Find(&m, Set({w}, i), "queue_depth", kB, kA);
  }
  EXPECT_EQ(e.i90.lower, 0);
  EXPECT_GT(e.i90.upper, 0);
}

TEST(Queue, WaitsBeyondTheNetworksShareAreAQueue) {
  QueueModel m;
  Estimate e;
  for (int i = 0; i < 40; ++i) {
    Window w;
    w.key = {kB, kA};
    AddSpans(&w, 100, 0, 1, true);
    w.spans.waits = 100;
    w.spans.wait_s = 100 * (i < 35 ? 0.001 : 0.101);
    e = Find(&m, Set({w}, i), "queue_depth", kB, kA);
    if (i == 30) {
      EXPECT_LT(e.value, 0.01);
    }
  }
  EXPECT_NEAR(e.value, 2, 0.01);  // 100 calls, 0.1 s each, in 5 s
}

TEST(CountScatter, TellsPacedFromClustered) {
  CountScatter paced, clustered;
  for (int i = 0; i < 200; ++i) {
    paced.Learn(50 + i % 2);
    clustered.Learn(i % 2 == 0 ? 35 : 65);  // variance 225 of mean 50
  }
  EXPECT_LT(paced.index(), 0.3);
  EXPECT_GT(clustered.index(), 3);
  EXPECT_EQ(CountScatter().index(), 1);
}

TEST(ConformalWidth, WidensUnderMissesAndStaysBounded) {
  ConformalWidth w;
  for (int i = 0; i < 100; ++i) w.Learn(0, 1, 10, 0);
  EXPECT_GT(w.scale(), 2);
  for (int i = 0; i < 10000; ++i) w.Learn(0, 1, 100, 0);
  EXPECT_LE(w.scale(), 5);
  for (int i = 0; i < 100000; ++i) w.Learn(0, 1, 0, 0);
  EXPECT_GE(w.scale(), 0.7);
}

TEST(SamplingRate, LearnsForgetsAndKnowsWhenItDoesNotKnow) {
  SamplingRate r;
  EXPECT_FALSE(r.Of(kA, kNoEntity).known);
  for (int i = 0; i < 50; ++i) {
    r.Learn(kA, 50, 500, 0);
    r.EndWindow();
  }
  EXPECT_NEAR(r.Of(kA, kNoEntity).p, 0.1, 0.01);
  EXPECT_GT(r.Of(kB, kNoEntity).log_variance, r.Of(kA, kNoEntity).log_variance);
  for (int i = 0; i < 150; ++i) {
    r.Learn(kA, 250, 500, 0);
    r.EndWindow();
  }
  EXPECT_NEAR(r.Of(kA, kNoEntity).p, 0.5, 0.03);
}

}  // namespace
}  // namespace tomograph::reconstruct
