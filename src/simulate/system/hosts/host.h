// Host: cores that what runs on them shares.
//
// Assumptions: processor sharing. A piece of work runs on one core at most; n of them and a hog of
// h cores on c cores each get min(1, c / (n + h)) of one, exactly, at any moment (no time slices,
// no cost of switching, no cache effects, no pinning). Mean number on one core with load r: r / (1
// - r), whatever the distribution of the work (Kleinrock 1967). O(log n) for each begin and end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "simulate/kernel/event_queue.h"
#include "simulate/kernel/level.h"

namespace tomograph::simulate {

class Host : public EventQueue::Subject {
 public:
  class Worker {
   public:
    virtual ~Worker() = default;
    virtual void WorkDone(uint64_t token) = 0;
  };
  /// CPU time used, and wanted (used + waited for), of one process, in s since it was let in.
  struct CpuTime {
    double used_s = 0, wanted_s = 0;
  };

  /// `cores` 0: without limit.
  Host(std::string name, double cores, double slowdown) noexcept
      : name_(std::move(name)), cores_(cores), slowdown_(slowdown) {}

  void Start(EventQueue* events);
  uint32_t AddProcess();
  /// `worker` hears of it when `cpu_s` of a core's time have been spent.
  void Work(uint32_t process, double cpu_s, Worker* worker, uint64_t token);
  /// The process is gone: its work ends unheard of.
  void Forget(uint32_t process);
  CpuTime TimeOf(uint32_t process);

  void Happen(uint32_t a, uint64_t b) override;
  void SetDemand(double hog_cores, double slow_factor);
  double TakeUtilisation(Nanos now);
  const std::string& name() const { return name_; }
  double cores() const { return cores_; }

 private:
  struct Process {
    uint32_t running = 0;
    double since = 0;             // progress_ when `running` last changed,
    Nanos at = 0;                 // and the time
    double used = 0, wanted = 0;  // ns
  };
  struct Piece {
    double done_at;  // of progress_
    uint32_t process;
    uint64_t order, token;
    Worker* worker;
  };
  static bool Later(const Piece& x, const Piece& y) {
    return x.done_at != y.done_at ? x.done_at > y.done_at : x.order > y.order;
  }
  double rate() const;
  void CatchUp();
  void Change(uint32_t process, int by);
  void CountBusy();
  void Schedule();

  std::string name_;
  double cores_, slowdown_;
  double hog_ = 0, slow_ = 1;
  EventQueue* events_ = nullptr;
  std::vector<Piece> pieces_;  // a heap, the first to end in front
  std::vector<Process> processes_;
  double progress_ = 0;  // CPU time that each running piece has got since the start, ns
  Nanos caught_up_ = 0;
  Nanos scheduled_ = INT64_MAX;
  uint32_t generation_ = 0;
  uint64_t order_ = 0;
  Level busy_;
};

}  // namespace tomograph::simulate
