// Part: one thing of which a simulated system is made: the services, a database with its replicas, a
// function platform, a cluster of nodes, an edge. One part a file pair (docs/adding-a-part.md): its
// header states what it does, which YAML section it reads, which truth it tells, what it shows.
//
// Parts live in a World and touch each other only through it. Everything that happens, happens in
// the world's event queue. Not thread-safe.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "simulate/kernel/draws.h"
#include "simulate/kernel/event_queue.h"
#include "simulate/show/records.h"
#include "simulate/system/truth_log.h"

namespace tomograph::simulate {

/// Something goes wrong, from..until: what it means is up to the part that has a target of this
/// name and knows the kind.
struct Fault {
  std::string kind;    // "slow", "errors", "pool", "leak", "pause_replication", "crash", ...
  std::string target;  // a name of the scenario
  Nanos from = 0, until = 0;
  double by = 1;       // a factor, a share or a rate: see the part
};

class Requests;  // the services (system/requests/requests.h)

/// What all parts share.
struct World {
  EventQueue* events = nullptr;
  const Draws* draws = nullptr;
  Audience* audience = nullptr;
  TruthLog* truth = nullptr;
  Requests* requests = nullptr;
  Nanos start = 0, end = 0;
};

class Part {
 public:
  virtual ~Part() = default;
  /// Schedules what it begins with. The world is complete and outlives the part's running.
  virtual void Start(World* world) = 0;
  /// The fault begins (or is over). False: none of mine.
  virtual bool Apply(const Fault& fault, bool begins) = 0;
  /// A second is over: tell its truth, and show what is shown periodically (a scrape, an export).
  virtual void Second(Nanos end) = 0;
};

}  // namespace tomograph::simulate
