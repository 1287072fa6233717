// Service: its instances and the requests in them.
//
// A request goes to an instance drawn at random (its own draw, so that a run without a fault sends
// it to the same one); one that is down is left out when its health check has noticed, after 5 s.
// There it takes a worker, waits for one, or is refused (503). Its server span begins when it has a
// worker. It runs through its operation's steps and answers.
//
// Faults, of the service: slow, errors (a share), crash (`by` instances), leak
// (bytes/s an instance), cache_collapse (share of the hits that are lost), pool (what is left of
// all its pools), deploy (harmless), bad_deploy (`by` times as slow), failing_deploy (a share
// fails); of a link "caller->callee": network_delay (s each way), pool. Truth each second:
// call_volume, failed_calls (server spans that ended), in_flight (in service), queue_depth (waiting
// for a connection if it has pools, else at the door; both by detail "connections" and "door"),
// memory (bytes, mean of the instances that are up; each by detail), instances_up, cpu_used and
// cpu_waiting (cores, by detail host). Of edges: call_volume, failed_calls (client spans that
// ended), in_flight, queue_depth (who waits at the door for it).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "simulate/system/requests/outgoing_calls.h"
#include "simulate/system/requests/request.h"

namespace tomograph::simulate {

class Service : public Callee,
                public Host::Worker,
                public EventQueue::Subject,
                public OutgoingCalls::Owner {
 public:
  explicit Service(ServiceSettings settings);

  Status Place(World* world);  // onto hosts
  Status Join() { return outgoing_.Join(world_); }
  void Start();
  bool Takes(const Fault& fault) const;
  void Apply(const Fault& fault, bool begins);
  void Second(Nanos end);

  const ServiceSettings& settings() const { return settings_; }

  std::string_view name() const override { return settings_.name.name; }
  std::string_view db_system() const override { return settings_.db_system; }
  std::optional<uint32_t> FindOperation(std::string_view operation) const override;
  uint32_t Introduce(std::string_view caller) override;
  void Receive(const Call& call) override;
  void WorkDone(uint64_t token) override { GoOn(token); }
  void Happen(uint32_t a, uint64_t b) override;
  void CallEnded(Handle request, const CallSettings& call, const Answer& answer) override;

 private:
  struct CallerTally {
    std::string_view name;
    Level waiting;
  };

  // service.cc: requests
  Instance* Choose(uint64_t key, uint32_t* index);
  void Refuse(const Call& call, uint16_t status);
  void Begin(Handle handle);
  void GoOn(Handle handle);
  void Run(Handle handle);
  bool Take(Handle handle, const Step& step);
  bool BeginCalls(Handle handle, const Step& step);
  void Finish(Handle handle);
  void Account(const Request& request, Instance* instance);
  void Show(const Request& request, const Instance& instance);
  void Log(const Request& request, const Instance& instance);
  Random DrawFor(uint64_t what, const Request& request) const {
    return world_->draws->For(what, request.call.key, request.step);
  }

  // service_faults.cc
  void Crash(uint32_t instance);
  void Restart(uint32_t instance);
  void BeginAnew(Instance* instance);
  void Deploy(bool begins);
  void EnterSender(Instance* instance);

  // service_truth.cc
  void Say(Nanos end, std::string_view state, double value, std::string_view detail = {});
  void TellOfCalls(Nanos end);
  void TellOfEdges(Nanos end);
  void TellOfMemory(Nanos end);
  void TellOfCpu(Nanos end);
  void GrowMemory(uint32_t instance);

  // service_metrics.cc
  void ShowMetrics(Instance* instance, Nanos end);
  void ShowRequests(const Instance& instance, Export* shown) const;
  void ShowMessages(const Instance& instance, Export* shown) const;
  void ShowCalls(const Instance& instance, uint32_t link, Export* shown) const;
  void ShowPool(const Instance& instance, uint32_t link, Export* shown) const;
  void ShowProcess(Instance* instance, Nanos end, Export* shown) const;

  ServiceSettings settings_;
  OutgoingCalls outgoing_;
  World* world_ = nullptr;
  std::vector<std::unique_ptr<Instance>> instances_;
  std::vector<CallerTally> callers_;
  Slots<Request> requests_;
  std::string version_;
  uint32_t deploys_ = 0;

  ActiveFaults faults_;
  std::map<uint32_t, ActiveFaults> link_faults_;
  double slow_ = 1, errors_ = 0, hits_ = 1;

  Level in_flight_, at_door_;
  uint64_t ended_ = 0, failed_ = 0;  // since the last second
};

}  // namespace tomograph::simulate
