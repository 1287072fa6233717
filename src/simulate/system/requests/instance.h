// Instance: one process of a service, and what it knows of itself since it started.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "simulate/kernel/level.h"
#include "simulate/show/samples.h"
#include "simulate/system/hosts/host.h"
#include "simulate/system/requests/door.h"
#include "simulate/system/requests/outbound.h"
#include "simulate/system/requests/process_memory.h"

namespace tomograph::simulate {

struct Instance {
  static constexpr std::array<uint16_t, 5> kStatuses = {200, 500, 502, 503, 504};
  static size_t StatusIndex(uint16_t status) {
    for (size_t i = 0; i < kStatuses.size(); ++i)
      if (kStatuses[i] == status) return i;
    return 1;
  }

  Instance(const ServiceSettings& settings, uint32_t number, Host* on)
      : name(settings.name.name + "-" + std::to_string(number)),
        host(on),
        process(on->AddProcess()),
        door(settings.workers, settings.queue),
        memory(&settings.memory),
        durations(settings.operations.size()) {
    for (const LinkSettings& link : settings.links) outbound.emplace_back(&link);
  }
  double serving() const { return door.inside(); }

  std::string name;
  Host* host;
  uint32_t process;
  SenderId sender{};
  Door door;
  ProcessMemory memory;
  std::vector<Outbound> outbound;  // by link

  uint32_t epoch = 1;  // another after each crash: what belonged to the one before is void
  bool up = true;
  Nanos started = 0, down_since = 0;
  Nanos paused_until = 0;  // a collection of garbage

  // Since it started.
  std::vector<std::array<DurationHistogram, kStatuses.size()>> durations;  // by operation, status
  DurationHistogram processed, failed_to_process;                          // what was handed over
  DurationHistogram pauses;
  uint64_t collections = 0;
  Host::CpuTime at_start, at_export, at_second;  // the host's account of it then
  Nanos exported = 0;
};

}  // namespace tomograph::simulate
