#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/random.h"
#include "correlate/clocks/clock_model.h"
#include "correlate/clocks/simulated_clocks.h"

namespace tomograph::correlate {
namespace {

using telemetry::ClockFinding;
using ::testing::IsEmpty;

/// The bound is hard whatever the delays: random graphs, asymmetry, drift, steps, coarse clocks.
TEST(ClockModel, TruthLiesInsideTheHardBoundsWhateverTheDelays) {
  int checked = 0, steps = 0, found = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    Random random(seed);
    Simulation sim;
    sim.seed = seed;
    const int hosts = 2 + static_cast<int>(random.Below(5));
    for (int h = 0; h < hosts; ++h) {
      SimulatedClock clock;
      clock.offset = static_cast<Nanos>(random.Normal(0, 20e6));
      clock.drift = (random.Uniform() - 0.5) * 160e-6;
      sim.clocks.push_back(clock);
    }
    for (int h = 1; h < hosts; ++h) {
      SimulatedLink link;
      link.client = static_cast<int>(random.Below(static_cast<uint64_t>(h)));
      link.server = h;
      if (random.Uniform() < 0.5) std::swap(link.client, link.server);
      link.rate = 5 + 40 * random.Uniform();
      link.least_there = random.Uniform() * 500e-6;
      link.least_back = random.Uniform() * 500e-6;
      link.there = 50e-6 + random.Uniform() * 1e-3;
      link.back = 50e-6 + random.Uniform() * 1e-3;
      sim.links.push_back(link);
    }
    if (hosts > 2) {
      SimulatedLink loop = sim.links[0];
      loop.client = 0;
      loop.server = hosts - 1;
      sim.links.push_back(loop);
    }
    sim.quantum = seed % 3 == 0 ? kMillisecond : seed % 3 == 1 ? kMicrosecond : 1;
    const bool steps_too = seed % 2 == 0;
    const int who = 1 + static_cast<int>(random.Below(static_cast<uint64_t>(hosts - 1)));
    const Nanos when = FromSeconds(25 + 50 * random.Uniform());
    if (steps_too) {
      const double size = (random.Uniform() < 0.5 ? -1 : 1) * (8e6 + random.Uniform() * 200e6);
      sim.clocks[static_cast<size_t>(who)].steps = {{when, static_cast<Nanos>(size)}};
    }
    ClockModel model;
    int named = -1;
    const int happened = static_cast<int>(when / kWindow);
    sim.Feed(&model, [&](int w) {
      if (!steps_too || named >= 0) return;
      for (const ClockFinding& f : model.Findings())
        if (f.kind == ClockFinding::Kind::kStep && w >= happened) named = w;
    });
    SCOPED_TRACE("seed " + std::to_string(seed));
    // While a step is not yet seen, no bound can know of it: the rest of its window is left out.
    std::vector<HostClock> clocks = model.Clocks();
    if (steps_too) {
      ++steps;
      const bool soon = named >= 0 && named <= happened + 1;
      found += soon ? 1 : 0;
      EXPECT_TRUE(soon) << "at " << ToSeconds(when) << " s, named in window " << named;
      for (HostClock& c : clocks) {
        if (named == happened) continue;
        std::erase_if(c.segments, [&](const ClockSegment& s) {
          return s.from <= kT0 + when && s.to > kT0 + when;
        });
      }
    }
    const Score score = ScoreOf(sim, clocks);
    EXPECT_EQ(score.inside, score.checked);
    checked += score.checked;
  }
  EXPECT_GT(checked, 10'000);
  EXPECT_EQ(found, steps);
}

/// A step may be smaller than the gap between the fastest calls, come before the drift is known, or
/// at the very end of a window, and be seen late or never: the bounds hold all the same.
TEST(ClockModel, AStepThatNobodySawBreaksNoBound) {
  int checked = 0;
  double widths = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    Simulation sim;
    sim.seed = seed;
    const double at = 1 + 97 * random.Uniform();
    const double size = (random.Uniform() < 0.5 ? -1 : 1) * std::exp(10 + 6 * random.Uniform());
    sim.clocks = {{},
                  {5 * kMillisecond,
                   (random.Uniform() - 0.5) * 100e-6,
                   {{FromSeconds(at), static_cast<Nanos>(size)}}}};
    sim.links = {{.rate = 8 + 40 * random.Uniform(),
                  .there = 100e-6 + 1e-3 * random.Uniform(),
                  .back = 100e-6 + 1e-3 * random.Uniform()}};
    if (seed % 2 == 0) std::swap(sim.links[0].client, sim.links[0].server);
    ClockModel model;
    sim.Feed(&model);
    SCOPED_TRACE("seed " + std::to_string(seed) + ", " + std::to_string(size * 1e-6) + " ms at " +
                 std::to_string(at));
    const auto clocks = model.Clocks();
    const Score score = ScoreOf(sim, clocks);
    EXPECT_EQ(score.inside, score.checked);
    checked += score.checked;
    const HostClock& other = ClockOf(clocks, ClockOf(clocks, 0).is_reference() ? 1 : 0);
    const ClockSegment& quiet = other.segments[at < 50 ? other.segments.size() - 3 : 4];
    widths += static_cast<double>(quiet.below[1]) / 2 + static_cast<double>(quiet.above[1]) / 2;
  }
  EXPECT_GT(checked, 200 * 20 * 3 - 1);
  EXPECT_LT(widths / 200, 600e3);  // and where nothing happened they are not wide
}

/// A clock that is set back shows a stretch of time twice, and calls of before and of after it lie
/// side by side in its windows. So does the reference's, by which all calls are in windows.
TEST(ClockModel, AStepBackOfTheReferenceIsToldWhereItWas) {
  int told = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Simulation sim;
    sim.seed = seed;
    sim.windows = 120;
    Random random(seed);
    const Nanos at = FromSeconds(300 + 5 * random.Uniform()), back = 400 * kMillisecond;
    sim.clocks = {{120 * kMillisecond, 60e-6, {{at, -back}}}, {}, {}};
    sim.links = {{.client = 0, .server = 1, .rate = 3.1}, {.client = 0, .server = 2, .rate = 1.8}};
    sim.damage = [](Random*, Contact* c) {
      c->started = c->client_start;
      c->ended = c->client_end;
    };
    ClockModel model;
    sim.Feed(&model);
    const Nanos before = kT0 + at + sim.clocks[0].Ahead(kT0 + at - 1);  // as the clock showed
    for (const ClockFinding& f : model.Findings()) {
      if (f.kind != ClockFinding::Kind::kStep) continue;
      ++told;
      EXPECT_LE(f.from, before) << "seed " << seed << ", at " << ToSeconds(at);
      EXPECT_GE(f.to, before - back) << "seed " << seed << ", at " << ToSeconds(at);
    }
  }
  EXPECT_GE(told, 75);
}

/// As a time daemon does: for a while the clock runs off as no quartz does, and then as before.
Simulation Slewed(double rate, uint64_t seed) {
  Random random(seed);
  Simulation sim;
  sim.seed = seed;
  const double from = 40 + 10 * random.Uniform();
  const double lasts = 20 * std::exp(std::log(15) * random.Uniform());
  sim.clocks = {{}, {5 * kMillisecond, (random.Uniform() - 0.5) * 100e-6, {}}};
  sim.clocks[1].slews = {
      {FromSeconds(from), FromSeconds(from + lasts), random.Uniform() < 0.5 ? -rate : rate}};
  sim.windows = static_cast<int>((from + lasts) / 5) + 8;
  sim.links = {{.rate = 8 + 40 * random.Uniform(),
                .there = 100e-6 + 1e-3 * random.Uniform(),
                .back = 100e-6 + 1e-3 * random.Uniform()}};
  if (seed % 2 == 0) std::swap(sim.links[0].client, sim.links[0].server);
  return sim;
}

TEST(ClockModel, ASlewedClockBreaksNoBound) {
  constexpr size_t kRuns = 40;
  for (const double rate : {100e-6, 500e-6, 1000e-6, 3000e-6}) {
    int checked = 0;
    size_t steps = 0, changes = 0, findings = 0;
    for (uint64_t seed = 1; seed <= kRuns; ++seed) {
      const Simulation sim = Slewed(rate, seed);
      const SimulatedSlew& slew = sim.clocks[1].slews[0];
      ClockModel model;
      sim.Feed(&model);
      SCOPED_TRACE(std::to_string(slew.rate * 1e6) + " ppm from " +
                   std::to_string(ToSeconds(slew.from)) + " to " +
                   std::to_string(ToSeconds(slew.to)) + " s, seed " + std::to_string(seed));
      const Score score = ScoreOf(sim, model.Clocks());
      EXPECT_EQ(score.inside, score.checked);
      checked += score.checked;
      for (const HostClock& c : model.Clocks()) steps += c.steps.size();
      for (const ClockFinding& f : model.Findings()) {
        ++findings;
        if (f.kind != ClockFinding::Kind::kRateChange) continue;
        // One that looked like a step at first is placed by what was left of it.
        const auto around = [&](Nanos turn) {
          return f.from - kT0 < turn + kSecond && f.to - kT0 > turn - kSecond;
        };
        const double turned = (around(slew.from) ? 1 : -1) * slew.rate;
        changes += (around(slew.from) || around(slew.to)) &&
                   std::abs(f.drift_after - f.drift_before - turned) < rate / 4;
      }
    }
    SCOPED_TRACE(std::to_string(rate * 1e6) + " ppm");
    EXPECT_GT(checked, 5000);
    if (rate < 500e-6) continue;  // so slow a slew is steps as well, as long as it isn't seen well
    EXPECT_GE(changes, 2 * kRuns * 9 / 10);
    EXPECT_LE(steps, kRuns / 2);
    EXPECT_LE(findings, 3 * kRuns);
  }
}

/// Of every host, as one would ask for it now: is the corrected time as wrong as told at most?
void ExpectCorrectionsHold(const Simulation& sim, const ClockModel& model, Nanos t) {
  const std::vector<HostClock> clocks = model.Clocks();
  for (const HostClock& clock : clocks) {
    if (clock.reference == telemetry::kNoEntity) continue;
    const auto raw = [&](EntityId id) {
      return t + sim.clocks[static_cast<size_t>(HostNumber(id))].Ahead(t);
    };
    const auto c = model.CorrectionOf(clock.id, raw(clock.id));
    const auto of_reference = model.CorrectionOf(clock.reference, raw(clock.reference));
    if (c.bound == telemetry::kUnknownBound) continue;
    const Nanos time = raw(clock.reference) - of_reference.offset;
    EXPECT_LE(std::abs(raw(clock.id) - c.offset - time),
              c.bound + std::max<Nanos>(0, of_reference.bound) + 2)
        << "host " << HostNumber(clock.id) << " at " << ToSeconds(t - kT0) << " s";
  }
}

/// Host 0 calls all others, or is called. The last is silent from 30 s or so while `stepping`
/// steps.
Simulation SilentWhileAnotherSteps(uint64_t seed, int hosts, int stepping) {
  Random random(seed);
  Simulation sim;
  sim.seed = seed;
  sim.windows = 30;
  for (int h = 0; h < hosts; ++h)
    sim.clocks.push_back(
        {static_cast<Nanos>(random.Normal(0, 60e6)), (random.Uniform() - 0.5) * 60e-6, {}});
  for (int h = 1; h < hosts; ++h) {
    sim.links.push_back({.client = 0, .server = h});
    if (random.Uniform() < 0.5) std::swap(sim.links.back().client, sim.links.back().server);
  }
  SimulatedLink& last = sim.links.back();
  last.rate = 5;
  const double silent = 30 + 15 * random.Uniform(), step = silent + 15 * random.Uniform();
  last.silent_from = FromSeconds(silent);
  last.silent_to = FromSeconds(step + 40 * random.Uniform());
  const double size = (random.Uniform() < 0.5 ? -1 : 1) * (5e6 + 100e6 * random.Uniform());
  sim.clocks[static_cast<size_t>(stepping)].steps = {{FromSeconds(step), static_cast<Nanos>(size)}};
  return sim;
}

/// What was known of a host that is silent while a clock beside it steps does not outlive the step:
/// whether it is its own time or the others' that moved, only its next calls can tell.
TEST(ClockModel, AHostThatIsSilentWhileAnotherStepsIsUnknownUntilItReturns) {
  for (const int hosts : {3, 4, 6}) {
    for (const int stepping : {0, 1}) {
      for (uint64_t seed = 1; seed <= 25; ++seed) {
        const Simulation sim = SilentWhileAnotherSteps(seed, hosts, stepping);
        const SimulatedLink& link = sim.links.back();
        const Nanos step = sim.clocks[static_cast<size_t>(stepping)].steps[0].at;
        SCOPED_TRACE(std::to_string(hosts) + " hosts, " + std::to_string(stepping) + " steps at " +
                     std::to_string(ToSeconds(step)) + " s, silent from " +
                     std::to_string(ToSeconds(link.silent_from)) + " to " +
                     std::to_string(ToSeconds(link.silent_to)) + ", seed " + std::to_string(seed));
        ClockModel model;
        sim.Feed(&model, [&](int w) {
          const Nanos end = (w + 1) * kWindow;
          // Until it is named, no bound can know of it.
          if (end > step && end - kWindow <= step + kWindow) return;
          ExpectCorrectionsHold(sim, model, kT0 + end - kMillisecond);
        });
        const std::vector<HostClock> clocks = model.Clocks();
        const Score score = ScoreOf(sim, clocks);
        EXPECT_EQ(score.inside, score.checked);
        const ClockSegment& end = ClockOf(clocks, hosts - 1).segments.back();
        EXPECT_TRUE(end.measured);
        EXPECT_LT(HalfWidth(end), 2e6);
        // Back at once, it may seem to have stepped itself to whom it tells of the step first.
        if (link.silent_to > step + 2 * kWindow) {
          EXPECT_THAT(ClockOf(clocks, hosts - 1).steps, IsEmpty());
        }
      }
    }
  }
}

/// An end that is taken for the sending of the answer breaks the bound when it is late.
TEST(ClockModel, LateEndsBreakNoBound) {
  const std::vector<std::function<double(Random*)>> kinds = {
      [](Random* r) { return r->Exponential(2e-3); },
      [](Random* r) { return 0.01 * r->Uniform(); },
      [](Random*) { return 1e-3; },
      [](Random* r) { return r->Uniform() < 0.05 ? 0.2 : r->Exponential(500e-6); },
  };
  int checked = 0;
  std::array<double, 2> widths{};  // of the others', and of Node's: means
  for (uint64_t seed = 1; seed <= 160; ++seed) {
    Simulation sim;
    sim.seed = seed;
    sim.clocks = {{}, {(seed / 3 % 2 == 0 ? 20 : -20) * kMillisecond, 40e-6, {}}};
    sim.links = {{}};
    if (seed % 3 == 0) std::swap(sim.links[0].client, sim.links[0].server);
    Lateness late;
    late.share = std::array{0.1, 0.25, 0.5, 1.0}[seed / 4 % 4];
    late.seconds = kinds[seed % 4];
    late.calls_others = seed / 16 % 2 == 0;
    late.as_node = seed / 32 % 2 == 0;
    sim.damage = late;
    ClockModel model;
    sim.Feed(&model);
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::vector<HostClock> clocks = model.Clocks();
    for (HostClock& c : clocks)
      std::erase_if(c.segments, [&](const ClockSegment& s) { return s.from < ProofOf(sim); });
    const Score score = ScoreOf(sim, clocks);
    EXPECT_EQ(score.inside, score.checked);
    checked += score.checked;
    for (int h = 0; h < 2; ++h) {
      const HostClock& clock = ClockOf(clocks, h);
      if (clock.is_reference()) continue;
      EXPECT_TRUE(clock.segments.back().applied);
      widths[late.as_node] += HalfWidth(clock.segments.back()) / 80;
      const Nanos t = clock.segments.back().to - kWindow / 2;
      // Where all ends are late: half of the median of an exponential lateness of 2 ms.
      EXPECT_NEAR(OffsetOf(clock, t), sim.TrueOffset(h, 1 - h, t), 700e3);
    }
  }
  EXPECT_LT(widths[0], 300e3);
  EXPECT_LT(widths[1], 1.5e6);
  EXPECT_GT(checked, 160 * 19 * 3);
}

/// A host that is rarely called, beside others or behind one: five minutes of windows with a few
/// calls, with one, with the answer alone of one, with none.
Simulation FewCalls(double rate, uint64_t seed) {
  Random random(seed);
  Simulation sim;
  sim.seed = seed;
  sim.window = 2 * kSecond;
  sim.windows = 150;
  const double drift = seed % 2 == 0 ? 50e-6 : -50e-6;
  sim.clocks = {{}, {static_cast<Nanos>(random.Normal(0, 300e6)), drift, {}}, {}};
  sim.links = {{.client = seed % 2 == 0 ? 2 : 0,
                .rate = rate,
                .there = 2e-4 + 48e-4 * random.Uniform(),
                .back = 2e-4 + 48e-4 * random.Uniform()},
               {.client = 0, .server = 2, .rate = 20}};
  Lateness late;
  late.share = seed % 4 < 2 ? 0 : 0.5;
  late.calls_others = seed % 8 < 4;
  late.as_node = seed % 3 == 0;
  sim.damage = late;
  return sim;
}

/// The bound of the calls of a window is finite as soon as it has both sides of one; what it has
/// nothing of is carried from before.
TEST(ClockModel, FewCallsBoundAllTheSame) {
  for (const double rate : {1, 2, 4, 10}) {
    std::vector<double> widths;  // at the middles of windows, by that of a call of mean delays
    int checked = 0;
    for (uint64_t seed = 1; seed <= 24; ++seed) {
      const Simulation sim = FewCalls(rate, seed);
      const std::vector<Contact> calls = sim.Calls();
      const double usual = (sim.links[0].there + sim.links[0].back) * 1e9;
      SCOPED_TRACE(std::to_string(rate) + " calls a second, seed " + std::to_string(seed));
      ClockModel model;
      size_t next = 0;
      int met = 0;  // windows with calls
      sim.Feed(&model, [&](int w) {
        const Nanos end = kT0 + (w + 1) * sim.window;
        bool any = false;
        for (; next < calls.size() && calls[next].ended < end; ++next)
          any |= calls[next].server == HostId(1);
        met += any ? 1 : 0;
        if (met < 2) return;
        SCOPED_TRACE("window " + std::to_string(w) + (any ? "" : ", without calls"));
        const auto clocks = model.Clocks();
        const ClockSegment& s = ClockOf(clocks, 1).segments.back();
        EXPECT_TRUE(s.measured);
        EXPECT_EQ(s.to, end);
        for (size_t k = 0; k < 3; ++k) {
          EXPECT_NE(s.below[k], kUnbounded) << k;
          EXPECT_NE(s.above[k], kUnbounded) << k;
        }
        widths.push_back(2 * HalfWidth(s) / usual);
      });
      const Score score = ScoreOf(sim, model.Clocks());
      EXPECT_EQ(score.inside, score.checked);
      checked += score.checked;
    }
    EXPECT_GT(checked, 24 * 2 * 145 * 3);
    std::sort(widths.begin(), widths.end());
    EXPECT_LT(widths[widths.size() / 2], 2);
    EXPECT_LT(widths[widths.size() * 95 / 100], 6);
    EXPECT_LT(widths.back(), 30);
  }
}

/// The step may fall into windows without calls, and into the last or the only call of one.
TEST(ClockModel, AStepAmongFewCallsBreaksNoBound) {
  int unbounded = 0, checked = 0;
  for (const double rate : {1, 2, 4, 10}) {
    for (uint64_t seed = 1; seed <= 24; ++seed) {
      Simulation sim = FewCalls(rate, seed);
      Random random(1000 + seed);
      const Nanos at = FromSeconds(20 + 260 * random.Uniform());
      const double size = (random.Uniform() < 0.5 ? -1 : 1) * std::exp(13 + 6 * random.Uniform());
      sim.clocks[1].steps = {{at, static_cast<Nanos>(size)}};
      SCOPED_TRACE(std::to_string(rate) + " calls a second, seed " + std::to_string(seed) + ", " +
                   std::to_string(size * 1e-6) + " ms at " + std::to_string(ToSeconds(at)));
      ClockModel model;
      sim.Feed(&model);
      const auto clocks = model.Clocks();
      const Score score = ScoreOf(sim, clocks);
      EXPECT_EQ(score.inside, score.checked);
      checked += score.checked;
      for (const ClockSegment& s : ClockOf(clocks, 1).segments)
        unbounded += s.from > kT0 + 20 * kSecond && HalfWidth(s) > 1e18;
    }
  }
  EXPECT_GT(checked, 4 * 24 * 2 * 145 * 3);
  EXPECT_LE(unbounded, 2);  // contradictions
}

}  // namespace
}  // namespace tomograph::correlate
