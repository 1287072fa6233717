// Hosts: machines with cores that what runs on them shares.
//
// YAML `hosts: [{name, cores, slowdown}]`. `slowdown` (1) makes all work on it longer and is told
// nobody. Faults: cpu_hog (`by` cores are wanted by something else), slow (`by` times as slow).
// Truth each second, entity the host: utilisation (share of its cores in use, with the hog).
// Shows each export, as a host agent does (no service): system.cpu.utilization.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "simulate/system/hosts/host.h"
#include "simulate/system/part.h"

namespace tomograph::simulate {

class Hosts : public Part {
 public:
  Hosts(Section* root, World* world);
  /// kInvalidArgument when there is none.
  Result<Host*> Find(const Mention& name);
  /// For what is placed nowhere: a host of its own without limit, which is not shown.
  Host* AddUnlimited(const std::string& name);

  void Start() override;
  bool Takes(const Fault& fault) const override;
  void Apply(const Fault& fault, bool begins) override;
  void Second(Nanos end) override;

 private:
  struct Entry {
    std::unique_ptr<Host> host;
    bool shown = true;
    SenderId sender{};
    ActiveFaults faults;
    double since_export = 0;  // sum of the seconds' utilisations,
    int seconds = 0;          // and how many
  };
  Entry* FindEntry(std::string_view name);

  World* world_;
  std::vector<Entry> hosts_;
  std::map<std::string, size_t, std::less<>> by_name_;
};

}  // namespace tomograph::simulate
