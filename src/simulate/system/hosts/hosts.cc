#include "simulate/system/hosts/hosts.h"

#include <cmath>

#include "simulate/show/samples.h"

namespace tomograph::simulate {
namespace {
constexpr size_t kMaxHosts = 10'000;
}  // namespace

Hosts::Hosts(Section* root, World* world) : world_(world) {
  world->hosts = this;
  for (Section& section : root->List("hosts", kMaxHosts)) {
    std::string name;
    double cores = 0, slowdown = 1;
    section.Require("name").Name("name", &name);
    section.Require("cores").Number("cores", 0.01, 10'000, &cores);
    section.Number("slowdown", 0.01, 1000, &slowdown);
    section.Done();
    if (!by_name_.emplace(name, hosts_.size()).second) section.Wrong("'" + name + "' twice");
    Entry entry;
    entry.host = std::make_unique<Host>(name, cores, slowdown);
    hosts_.push_back(std::move(entry));
  }
}

Hosts::Entry* Hosts::FindEntry(std::string_view name) {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &hosts_[found->second];
}

Result<Host*> Hosts::Find(const Mention& name) {
  Entry* entry = FindEntry(name.name);
  if (entry == nullptr) return name.place.Wrong("there is no host '" + name.name + "'");
  return entry->host.get();
}

Host* Hosts::AddUnlimited(const std::string& name) {
  Entry entry;
  entry.host = std::make_unique<Host>(name, 0, 1);
  entry.shown = false;
  hosts_.push_back(std::move(entry));
  return hosts_.back().host.get();
}

void Hosts::Start() {
  for (Entry& entry : hosts_) {
    entry.host->Start(world_->events);
    if (!entry.shown) continue;
    Sender sender;
    sender.host = entry.host->name();
    entry.sender = world_->audience->Enter(sender);
  }
}

bool Hosts::Takes(const Fault& fault) const {
  return (fault.kind == "cpu_hog" || fault.kind == "slow") && by_name_.count(fault.target) > 0;
}

void Hosts::Apply(const Fault& fault, bool begins) {
  Entry* entry = FindEntry(fault.target);
  entry->faults.Apply(fault, begins);
  entry->host->SetDemand(entry->faults.Sum("cpu_hog"), entry->faults.Factor("slow"));
}

void Hosts::Second(Nanos end) {
  for (Entry& entry : hosts_) {
    if (!entry.shown) continue;
    const double utilisation = entry.host->TakeUtilisation(end);
    world_->truth->Say({end, "utilisation", entry.host->name(), "", "", utilisation});
    entry.since_export += utilisation;
    ++entry.seconds;
    if (!world_->ExportDue(NameKey(entry.host->name()), end)) continue;
    Export shown(world_->audience, entry.sender, world_->start, end);
    shown.Gauge("system.cpu.utilization", "1", entry.since_export / entry.seconds);
    entry.since_export = entry.seconds = 0;
  }
}

}  // namespace tomograph::simulate
