// Calls between hosts whose clocks are known, for the clock model's tests. Nothing else.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "base/random.h"
#include "correlate/clocks/clock_model.h"

namespace tomograph::correlate {

using telemetry::ClockSegment;
using telemetry::EntityId;
using telemetry::HostClock;
using telemetry::kUnbounded;

constexpr Nanos kT0 = 1'700'000'000 * kSecond;
constexpr Nanos kWindow = 5 * kSecond;
inline EntityId HostId(int i) { return EntityId{static_cast<uint64_t>(i + 1)}; }

struct SimulatedStep {
  Nanos at = 0;  // since kT0
  Nanos size = 0;
};

struct SimulatedSlew {
  Nanos from = 0, to = 0;  // since kT0
  double rate = 0;         // on top of the drift
};

/// What a host's clock shows at a true time.
struct SimulatedClock {
  Nanos offset = 0;
  double drift = 0;
  std::vector<SimulatedStep> steps;
  std::vector<SimulatedSlew> slews = {};

  Nanos Ahead(Nanos t) const {
    double ahead = static_cast<double>(offset) + drift * static_cast<double>(t - kT0);
    for (const SimulatedStep& s : steps)
      if (t - kT0 >= s.at) ahead += static_cast<double>(s.size);
    for (const SimulatedSlew& s : slews)
      ahead += s.rate * static_cast<double>(std::clamp(t - kT0, s.from, s.to) - s.from);
    return static_cast<Nanos>(std::llround(ahead));
  }
  Nanos Show(Nanos t, Nanos quantum) const {
    const Nanos shown = t + Ahead(t);
    return shown - ((shown % quantum) + quantum) % quantum;
  }
};

struct SimulatedLink {
  int client = 0, server = 1;
  double rate = 20;                                  // calls a second
  double least_there = 100e-6, least_back = 100e-6;  // s
  double there = 300e-6, back = 300e-6;              // mean on top
  bool awaited = true;
  Nanos silent_from = INT64_MAX, silent_to = INT64_MAX;  // since kT0
};

struct Simulation {
  std::vector<SimulatedClock> clocks;
  std::vector<SimulatedLink> links;
  Nanos quantum = kMicrosecond;
  Nanos window = kWindow;
  int windows = 20;
  uint64_t seed = 1;
  std::function<void(Random*, Contact*)> damage;

  std::vector<Contact> Calls() const {
    Random random(seed);
    std::vector<Contact> calls;
    for (const SimulatedLink& link : links) {
      double t = 0;
      for (;;) {
        t += random.Exponential(1 / link.rate);
        const Nanos start = kT0 + FromSeconds(t);
        if (start >= kT0 + windows * window) break;
        if (start - kT0 >= link.silent_from && start - kT0 < link.silent_to) continue;
        const Nanos received =
            start + FromSeconds(link.least_there + random.Exponential(link.there));
        const Nanos answered = received + FromSeconds(random.Exponential(0.004));
        const Nanos end = answered + FromSeconds(link.least_back + random.Exponential(link.back));
        const SimulatedClock& c = clocks[static_cast<size_t>(link.client)];
        const SimulatedClock& s = clocks[static_cast<size_t>(link.server)];
        Contact contact;
        contact.client = HostId(link.client);
        contact.server = HostId(link.server);
        contact.client_start = c.Show(start, quantum);
        contact.client_end = c.Show(end, quantum);
        contact.server_start = s.Show(received, quantum);
        contact.server_end = s.Show(answered, quantum);
        contact.started = received;
        contact.ended = end;
        contact.awaited = link.awaited;
        if (damage) damage(&random, &contact);
        calls.push_back(contact);
      }
    }
    std::sort(calls.begin(), calls.end(),
              [](const Contact& a, const Contact& b) { return a.ended < b.ended; });
    return calls;
  }

  void Feed(ClockModel* model, const std::function<void(int)>& closed = nullptr,
            bool reversed = false) const {
    const std::vector<Contact> calls = Calls();
    size_t next = 0;
    for (int w = 0; w < windows; ++w) {
      const Nanos start = kT0 + w * window;
      model->Open(start, window);
      size_t end = next;
      while (end < calls.size() && calls[end].ended < start + window) ++end;
      for (size_t i = next; i < end; ++i) model->Add(calls[reversed ? end - 1 - (i - next) : i]);
      next = end;
      model->Close();
      if (closed) closed(w);
    }
  }

  double TrueOffset(int host, int reference, Nanos t) const {
    return static_cast<double>(clocks[static_cast<size_t>(host)].Ahead(t) -
                               clocks[static_cast<size_t>(reference)].Ahead(t));
  }
};

inline int HostNumber(EntityId id) { return static_cast<int>(static_cast<uint64_t>(id)) - 1; }

inline const HostClock& ClockOf(const std::vector<HostClock>& clocks, int host) {
  return *std::find_if(clocks.begin(), clocks.end(),
                       [&](const HostClock& c) { return c.id == HostId(host); });
}

struct Score {
  int checked = 0, inside = 0;
  double squares = 0;
  double rms() const { return std::sqrt(squares / std::max(1, checked)); }
};

inline double OffsetOf(const HostClock& clock, Nanos t) {
  for (const ClockSegment& s : clock.segments)
    if (t >= s.from && t < s.to) return s.OffsetAt(t);
  return 0;
}

/// Every segment at its start, middle and end against the truth; only two-sided bounds count.
inline Score ScoreOf(const Simulation& sim, const std::vector<HostClock>& clocks) {
  Score score;
  for (const HostClock& clock : clocks) {
    for (const ClockSegment& s : clock.segments) {
      if (!s.measured || s.reference == clock.id) continue;
      const Nanos at[] = {s.from, s.from + (s.to - s.from) / 2, s.to - 1};
      for (size_t k = 0; k < 3; ++k) {
        // A reference that jumped is itself ahead of the time that it stood for; when exactly it
        // did is not known.
        const HostClock& reference = ClockOf(clocks, HostNumber(s.reference));
        const bool jumping = std::any_of(
            reference.steps.begin(), reference.steps.end(),
            [&](const telemetry::ClockStep& j) { return at[k] >= j.from && at[k] <= j.to; });
        if (jumping) continue;
        const double truth = sim.TrueOffset(HostNumber(clock.id), HostNumber(s.reference), at[k]) +
                             OffsetOf(reference, at[k]);
        const double estimate = s.OffsetAt(at[k]);
        ++score.checked;
        const bool below =
            s.below[k] == kUnbounded || truth >= estimate - static_cast<double>(s.below[k]) - 1;
        const bool above =
            s.above[k] == kUnbounded || truth <= estimate + static_cast<double>(s.above[k]) + 1;
        if (below && above) {
          ++score.inside;
        } else {
          ADD_FAILURE() << "host " << clock.host << " at " << ToSeconds(at[k] - kT0) << " s: true "
                        << truth << ", estimate " << estimate << " - " << s.below[k] << " + "
                        << s.above[k];
        }
        score.squares += (estimate - truth) * (estimate - truth);
      }
    }
  }
  return score;
}

/// Half the width of the hard bound in the middle of a segment.
inline double HalfWidth(const ClockSegment& s) {
  return static_cast<double>(s.below[1]) / 2 + static_cast<double>(s.above[1]) / 2;
}

/// Server spans that end late, at times after their answer has arrived.
struct Lateness {
  double share = 0.25;
  std::function<double(Random*)> seconds = [](Random* r) { return r->Exponential(2e-3); };
  bool calls_others = false;  // the last of its calls ends shortly before the answer
  bool as_node = false;       // starts in whole ms, lengths exact
  Nanos from = 0;             // since kT0

  void operator()(Random* random, Contact* c) const {
    if (calls_others) c->worked = c->server_end - FromSeconds(random->Exponential(300e-6));
    if (random->Uniform() < share && c->started >= kT0 + from)
      c->server_end += FromSeconds(seconds(random));
    if (!as_node) return;
    for (auto [start, end] : {std::pair(&c->client_start, &c->client_end),
                              std::pair(&c->server_start, &c->server_end)}) {
      const Nanos lost = *start % kMillisecond;
      *start -= lost;
      *end -= lost;
    }
  }
};

/// When lateness is proven at the latest: the window that has the third call whose server span is
/// the longer one. Until then no model can know.
inline Nanos ProofOf(const Simulation& sim) {
  int disproved = 0;
  for (const Contact& c : sim.Calls()) {
    disproved += c.served() - c.waited() > 2 * kMicrosecond;
    if (disproved == 3) return c.ended - (c.ended - kT0) % kWindow;
  }
  return INT64_MAX;
}

}  // namespace tomograph::correlate
