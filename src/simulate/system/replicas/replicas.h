// Replicas: databases that are copied by their log. Nobody's calls go through them.
//
// YAML `replicated: [{name, writes, wave: {share, period}, scatter, replicas: [{name, apply}]}]`.
// `writes`: bytes of log a second; the wave moves them up and down, `scatter` (.3) is the standard
// deviation of a second's share. `apply`: what a replica applies at most, bytes a second.
// Faults, target "database/replica": pause_replication; slow_replication (`by` times the apply).
// Truth each second, entity "database/replica": replica_lag, at its end, s.
// Shows each export, from the primary: postgresql.wal.delay of each replica (operation replay), as
// of then.
//
// Assumptions: log is applied in the order in which it was written; lag is the age of the oldest
// write that is not applied, and what sending and applying one takes (exponential, 50 ms) where all
// are. In steps of a second.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "simulate/system/part.h"

namespace tomograph::simulate {

class Replicas : public Part {
 public:
  Replicas(Section* root, World* world);
  void Start() override;
  bool Takes(const Fault& fault) const override;
  void Apply(const Fault& fault, bool begins) override;
  void Second(Nanos end) override;

 private:
  struct Write {
    Nanos at;
    double bytes;
  };
  struct Replica {
    std::string name, full_name;
    double apply = 0;
    std::deque<Write> waiting;
    ActiveFaults faults;
  };
  struct Database {
    std::string name;
    double writes = 0, scatter = 0.3, wave_share = 0;
    Nanos wave_period = 5 * kMinute;
    std::vector<Replica> replicas;
    SenderId sender{};
  };
  static Database Read(Section* section);
  /// Applies what there is room for; the lag after it.
  double Lag(Nanos end, Replica* replica) const;

  World* world_;
  std::vector<Database> databases_;
};

}  // namespace tomograph::simulate
