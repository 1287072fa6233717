// Part: one thing of which a simulated system is made: the services, a database with its replicas,
// a function platform, a cluster of nodes, an edge. One part a file pair; its header states what it
// does, which YAML section it reads, which truth it tells, what it shows, which faults it takes.
//
// Parts live in a World and touch each other only through it. Everything that happens, happens in
// the world's event queue. The order is: all are made (each reads its section), all Enter, all
// Link, all Start; then time passes. system/parts.cc has the list. Not thread-safe.
#pragma once

#include <string>

#include "simulate/kernel/draws.h"
#include "simulate/kernel/event_queue.h"
#include "simulate/scenario/section.h"
#include "simulate/show/records.h"
#include "simulate/system/call.h"
#include "simulate/system/truth_log.h"

namespace tomograph::simulate {

/// Something goes wrong, from..until after the start: what it means is up to the part that takes
/// it.
struct Fault {
  std::string kind;    // "slow", "errors", "pool", "leak", "pause_replication", "crash", ...
  std::string target;  // a name of the scenario; "caller->callee" for what is between two
  Nanos from = 0, until = 0;
  double by = 1;  // a factor, a share or a rate: see the part
};

class Hosts;

/// What all parts share.
struct World {
  EventQueue* events = nullptr;
  const Draws* draws = nullptr;
  Audience* audience = nullptr;
  TruthLog* truth = nullptr;
  Hosts* hosts = nullptr;  // set when the first part is made
  Directory directory;
  Nanos start = 0, end = 0;
  Nanos export_every = 10 * kSecond;  // between two exports of metrics

  /// Is an export of the sender with this number due at `second`? Senders take turns, as real ones
  /// do that were not started together.
  bool ExportDue(uint64_t sender, Nanos second) const {
    const auto every = export_every / kSecond;
    return ((second - start) / kSecond + static_cast<Nanos>(MixBits(sender) % 1024)) % every == 0;
  }
};

class Part {
 public:
  virtual ~Part() = default;
  /// Enters what can be called into the directory.
  virtual Status Enter(World*) { return Status::Ok(); }
  /// Finds what its section names. The world outlives the part's running.
  virtual Status Link(World*) { return Status::Ok(); }
  /// Schedules what it begins with.
  virtual void Start() {}
  /// Has it a target of this name that can break in this way?
  virtual bool Takes(const Fault&) const { return false; }
  /// The fault begins (or is over); only what it Takes.
  virtual void Apply(const Fault&, bool begins) = 0;
  /// A second is over: tell its truth, and show what is shown periodically (a scrape, an export).
  virtual void Second(Nanos end) = 0;
};

/// Of the faults that a thing takes, those that are at work now: effects are worked out anew from
/// all of them at each change, so that nothing is left of one that is over.
class ActiveFaults {
 public:
  void Apply(const Fault& fault, bool begins) {
    if (begins) {
      faults_.push_back(&fault);
    } else {
      std::erase(faults_, &fault);
    }
  }
  /// Product (or sum) of `by` over the active ones of this kind.
  double Factor(std::string_view kind) const {
    double factor = 1;
    for (const Fault* fault : faults_) factor *= fault->kind == kind ? fault->by : 1;
    return factor;
  }
  double Sum(std::string_view kind) const {
    double sum = 0;
    for (const Fault* fault : faults_) sum += fault->kind == kind ? fault->by : 0;
    return sum;
  }
  bool Any(std::string_view kind) const {
    for (const Fault* fault : faults_)
      if (fault->kind == kind) return true;
    return false;
  }

 private:
  std::vector<const Fault*> faults_;
};

}  // namespace tomograph::simulate
