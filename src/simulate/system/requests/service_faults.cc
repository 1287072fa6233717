#include <algorithm>
#include <cmath>

#include "simulate/system/requests/service.h"

namespace tomograph::simulate {
namespace {

constexpr std::string_view kKinds[] = {"slow",   "errors",         "crash",
                                       "leak",   "cache_collapse", "pool",
                                       "deploy", "bad_deploy",     "failing_deploy"};
constexpr std::string_view kLinkKinds[] = {"network_delay", "pool"};

template <typename Kinds>
bool Has(const Kinds& kinds, std::string_view kind) {
  return std::find(std::begin(kinds), std::end(kinds), kind) != std::end(kinds);
}

bool IsDeploy(const Fault& fault) { return fault.kind.ends_with("deploy"); }

/// Of the link in "caller->callee" as `service` would name it; else nothing.
std::optional<uint32_t> LinkIn(std::string_view target, const ServiceSettings& service) {
  for (uint32_t i = 0; i < service.links.size(); ++i)
    if (service.name.name + "->" + service.links[i].to.name == target) return i;
  return std::nullopt;
}

}  // namespace

bool Service::Takes(const Fault& fault) const {
  if (fault.target == name()) return Has(kKinds, fault.kind);
  return Has(kLinkKinds, fault.kind) && LinkIn(fault.target, settings_).has_value();
}

void Service::Apply(const Fault& fault, bool begins) {
  if (const std::optional<uint32_t> link = LinkIn(fault.target, settings_)) {
    link_faults_[*link].Apply(fault, begins);
  } else {
    faults_.Apply(fault, begins);
  }
  slow_ = faults_.Factor("slow") * faults_.Factor("bad_deploy");
  errors_ = faults_.Sum("errors") + faults_.Sum("failing_deploy");
  hits_ = std::max(0.0, 1 - faults_.Sum("cache_collapse"));
  for (uint32_t i = 0; i < settings_.links.size(); ++i) {
    outgoing_.links()[i].extra_delay_s = link_faults_[i].Sum("network_delay");
    for (const auto& instance : instances_) {
      instance->outbound[i].Shrink(link_faults_[i].Factor("pool") * faults_.Factor("pool"));
      outgoing_.HandOut(instance.get(), i);
    }
  }
  if (IsDeploy(fault)) Deploy(begins);
  if (fault.kind != "crash") return;
  const auto count = static_cast<uint32_t>(std::clamp(fault.by, 1.0, 1e6));
  for (uint32_t i = 0; i < std::min<size_t>(count, instances_.size()); ++i)
    begins ? Crash(i) : Restart(i);
}

void Service::EnterSender(Instance* instance) {
  if (!settings_.instrumented) return;
  Sender sender;
  sender.service = settings_.name.name;
  sender.instance = instance->name;
  sender.version = version_;
  sender.host = instance->host->name();
  instance->sender = world_->audience->Enter(sender);
}

/// All requests in it are gone: who waits for their answers finds the connection broken.
void Service::Crash(uint32_t index) {
  Instance* const instance = instances_[index].get();
  const Nanos now = world_->events->now();
  if (instance->up) instance->down_since = now;
  instance->up = false;
  ++instance->epoch;
  std::vector<Call> lost;
  for (const Handle handle : requests_.All()) {
    const Request& request = *requests_.Find(handle);
    if (request.instance != index) continue;
    if (request.span != 0) {
      in_flight_.Add(-1, now);
    } else {
      at_door_.Add(-1, now);
      callers_[request.call.caller].waiting.Add(-1, now);
    }
    lost.push_back(request.call);
    requests_.Remove(handle);
  }
  instance->door.Clear();
  outgoing_.Drop(instance);
  instance->host->Forget(instance->process);
  instance->memory.Restart();
  for (const Call& call : lost) Refuse(call, 0);
}

void Service::Restart(uint32_t index) {
  Instance* const instance = instances_[index].get();
  ++instance->epoch;
  instance->up = true;
  BeginAnew(instance);
}

/// A new process: it has counted nothing yet.
void Service::BeginAnew(Instance* instance) {
  instance->started = instance->exported = world_->events->now();
  instance->paused_until = 0;
  instance->memory.Restart();
  for (auto& of_operation : instance->durations) of_operation = {};
  instance->processed = instance->failed_to_process = {};
  for (Outbound& outbound : instance->outbound) outbound.ok_calls = outbound.failed_calls = {};
  instance->pauses = {};
  instance->at_start = instance->at_export = instance->host->TimeOf(instance->process);
  if (!settings_.instrumented) return;
  LogRecord log;
  log.sender = instance->sender;
  log.time = instance->started;
  log.body = "started, version " + version_;
  world_->audience->See(log);
}

/// All instances have the new version at once; requests in service are let finish. The counters of
/// the new processes begin anew.
void Service::Deploy(bool begins) {
  version_ = begins ? settings_.version + "+" + std::to_string(++deploys_) : settings_.version;
  ChangeRecord change;
  change.time = world_->events->now();
  change.kind = begins ? telemetry::ChangeKind::kDeploy : telemetry::ChangeKind::kRollback;
  change.service = settings_.name.name;
  change.version = version_;
  change.text = (begins ? "deploy " : "roll back to ") + version_;
  world_->audience->See(change);
  for (const auto& instance : instances_) {
    EnterSender(instance.get());
    if (instance->up) BeginAnew(instance.get());
  }
}

}  // namespace tomograph::simulate
