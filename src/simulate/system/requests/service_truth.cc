#include <algorithm>

#include "simulate/system/requests/service.h"

namespace tomograph::simulate {

void Service::Say(Nanos end, std::string_view state, double value, std::string_view detail) {
  world_->truth->Say({end, state, name(), "", detail, value});
}

void Service::Second(Nanos end) {
  TellOfCalls(end);
  TellOfEdges(end);
  TellOfMemory(end);
  TellOfCpu(end);
  for (uint32_t i = 0; i < instances_.size(); ++i) {
    Instance* const instance = instances_[i].get();
    if (!instance->up) continue;
    GrowMemory(i);
    if (settings_.instrumented && world_->ExportDue(NameKey(instance->name), end))
      ShowMetrics(instance, end);
  }
}

void Service::TellOfCalls(Nanos end) {
  Say(end, "call_volume", static_cast<double>(ended_));
  Say(end, "failed_calls", static_cast<double>(failed_));
  ended_ = failed_ = 0;
  Say(end, "in_flight", in_flight_.TakeMean(end));
  const double at_door = at_door_.TakeMean(end);
  double for_connections = 0;
  bool pooled = false;
  for (OutgoingCalls::Link& link : outgoing_.links()) {
    for_connections += link.waiting.TakeMean(end);
    pooled |= link.settings->connections > 0;
  }
  Say(end, "queue_depth", pooled ? for_connections : at_door);
  Say(end, "queue_depth", at_door, "door");
  if (pooled) Say(end, "queue_depth", for_connections, "connections");
}

void Service::TellOfEdges(Nanos end) {
  const auto say = [&](std::string_view state, std::string_view callee, std::string_view caller,
                       double value) {
    world_->truth->Say({end, state, callee, caller, "", value});
  };
  for (OutgoingCalls::Link& link : outgoing_.links()) {
    const std::string_view callee = link.callee->name();
    say("call_volume", callee, name(), static_cast<double>(link.ended));
    say("failed_calls", callee, name(), static_cast<double>(link.failed));
    say("in_flight", callee, name(), link.in_flight.TakeMean(end));
    link.ended = link.failed = 0;
  }
  for (CallerTally& caller : callers_) {
    const double waiting = caller.waiting.TakeMean(end);
    if (!caller.name.empty()) say("queue_depth", name(), caller.name, waiting);
  }
}

void Service::TellOfMemory(Nanos end) {
  double sum = 0, up = 0;
  for (const auto& instance : instances_) {
    if (!instance->up) continue;
    const double used = instance->memory.used(instance->serving());
    Say(end, "memory", used, instance->name);
    sum += used;
    ++up;
  }
  if (up > 0) Say(end, "memory", sum / up);
  Say(end, "instances_up", up);
}

void Service::TellOfCpu(Nanos end) {
  for (const auto& instance : instances_) {
    const Host::CpuTime now = instance->host->TimeOf(instance->process);
    Host::CpuTime& before = instance->at_second;
    const double used = now.used_s - before.used_s;
    const double wanted = now.wanted_s - before.wanted_s;
    before = now;
    world_->truth->Say({end, "cpu_used", name(), "", instance->host->name(), used});
    const double waited = std::max(0.0, wanted - used);
    world_->truth->Say({end, "cpu_waiting", name(), "", instance->host->name(), waited});
  }
}

/// A second's leak; who is beyond the limit is killed, and comes back after a while.
void Service::GrowMemory(uint32_t index) {
  Instance* const instance = instances_[index].get();
  instance->memory.Leak(faults_.Sum("leak"));
  if (!instance->memory.beyond_limit(instance->serving())) return;
  Crash(index);
  const uint64_t which = static_cast<uint64_t>(instance->epoch) << 32 | index;
  world_->events->After(settings_.memory.restart, this, 1, which);
}

}  // namespace tomograph::simulate
