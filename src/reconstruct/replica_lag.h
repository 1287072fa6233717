// ReplicaLag: how old the newest write is that a replica has applied, per replica, between the
// rare moments at which somebody measures it; and whether it has diverged.
//
//   replica_lag       mean over the window, s
//   replica_diverged  probability that the lag at the window's end is beyond `detail`, which is
//                     1 s, or ten times what is usual here if that is more
//
// Assumptions. A replica follows (its lag is small and scatters about what is usual for it), falls
// behind at a constant speed, or catches up. Time limits how fast it can fall behind: by one second
// a second when it applies nothing, by less when it applies slower than the primary writes. It
// catches up at any speed. Which of the three it is changes now and then, at rates that are given
// and not learned (kOften below). A reading says what the lag was, give or take a twentieth and a
// tick of the clock.
//
// Formula. Sequential importance resampling (Gordon, Salmond & Smith 1993) over (lag, speed, phase)
// in steps of a second, kParticles of them a replica. That it falls behind is rare, so it is
// proposed more often than it happens, and weighed accordingly; a reading weighs too. Then
// particles are resampled within their phase, of which none has fewer than a quarter: what is
// unlikely now is what the next reading may say. All stray a little, so that equal ones part again.
// What is usual is learned from readings while it follows: median and scatter of log lag, with
// forgetting.
//
// Wrong when. The primary writes nothing for a while: what is told as lag then grows with time
// though nothing is missing, and is taken at its word. A replica that is rebuilt jumps. Readings
// come late by more than a window. After kSilent without a reading nothing is claimed.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "base/random.h"
#include "reconstruct/state_model.h"

namespace tomograph::reconstruct {

class ReplicaLagModel : public StateModel {
 public:
  static constexpr size_t kParticles = 512;
  static constexpr Nanos kSilent = 10 * kMinute;

  std::string_view name() const override { return "replica_lag"; }
  void Update(const telemetry::WindowSet& windows,
              std::vector<telemetry::Estimate>* estimates) override;

 private:
  enum class Phase : uint8_t { kFollows, kFallsBehind, kCatchesUp };
  struct Particle {
    double lag = 0;      // s, at the end of the window
    double mean = 0;     // s, over the window
    double at_look = 0;  // s, when the window's last reading was made
    double speed = 0;    // s a second: by how much lag grows or shrinks
    double weight = 1;
    Phase phase = Phase::kFollows;
  };
  /// What lag usually is while the replica follows: log-normal.
  struct Usual {
    double log_median = 0, log_sd = 1;
    double readings = 0;
    std::array<float, 64> quantiles{};  // of equal probability, s: draws are among these
    void Learn(double lag);
    double Draw(Random* random) const;
    double Density(double lag) const;
    double median() const;
  };
  struct Replica {
    explicit Replica(uint64_t seed) : random(seed) {}
    Random random;
    Usual usual;
    std::vector<Particle> particles;
    Nanos last_reading = 0;
  };

  static void Step(double seconds, Replica* replica, Particle* particle);
  static void Move(const telemetry::WindowSet& windows, Nanos look, Replica* replica);
  static void Weigh(double reading, Replica* replica);
  static bool Uneven(const Replica& replica);  // half of the particles hardly count
  static void Resample(Replica* replica);
  static void Nudge(Replica* replica, Particle* particle);
  static void Emit(telemetry::WindowKey key, const telemetry::WindowSet& windows,
                   const telemetry::GaugeStats* measured, const Replica& replica,
                   std::vector<telemetry::Estimate>* estimates);

  std::map<telemetry::WindowKey, Replica> replicas_;
};

}  // namespace tomograph::reconstruct
