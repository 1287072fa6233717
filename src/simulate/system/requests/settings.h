// What a service is, as its scenario says (docs/simulator.md shows the keys). Operations are read
// into flat programs: a cache hit or an unlucky chance jumps over steps.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "simulate/kernel/draws.h"
#include "simulate/scenario/section.h"

namespace tomograph::simulate {

struct Step {
  enum class Kind : uint8_t {
    kWork,     // takes a core of the host for `time`
    kWait,     // takes `time` and no core
    kCalls,    // `calls` calls from `first_call` on, at the same time
    kPublish,  // the same, without waiting for them
    kCache,    // with probability `chance` (a hit) goes on at `jump`
    kMaybe,    // likewise
  };
  Kind kind = Kind::kWork;
  Duration time;
  double chance = 0;
  uint32_t first_call = 0, calls = 0;
  uint32_t jump = 0;
};

struct CallSettings {
  Mention to, operation;
  double chance = 1;
  bool optional = false;          // its failure does not fail the request
  uint32_t link = 0;              // of the service's links: `to`
  uint32_t callee_operation = 0;  // once linked
};

struct OperationSettings {
  std::string name;  // "GET /items"
  double errors = 0;
  std::vector<Step> steps;
  std::vector<CallSettings> calls;
};

struct LinkSettings {
  Mention to;
  Duration network{0.0005, 0.3};  // each way
  uint32_t connections = 0;       // of each instance's pool; 0: no pool
  Nanos timeout = 0;              // from asking for a connection to the answer; 0: none
  uint32_t retries = 0;
  Nanos backoff = 100 * kMillisecond;  // doubles with each retry, at random between half and all
  uint32_t breaker_failures = 0;       // one after the other until it opens; 0: no breaker
  Nanos breaker_open = 10 * kSecond;   // then one call may try
};

/// Bytes. What a process uses is base + what requests in service hold + garbage; at `young` bytes
/// of garbage (or what room is left) it is collected.
struct MemorySettings {
  double base = 100e6;
  double held = 100e3;     // by each request in service
  double garbage = 200e3;  // that each request leaves
  double young = 64e6;
  double limit = 0;  // beyond: killed; 0: none
  Duration pause{0, 0};
  Nanos restart = 10 * kSecond;
};

struct ServiceSettings {
  Mention name;
  std::string version = "1.0.0";
  uint32_t instances = 1;
  std::vector<Mention> hosts;  // instances are dealt out to them; none: each has one without limit
  uint32_t workers = 0;        // of an instance; 0: without limit
  uint32_t queue = 1000;       // that may wait for one, of an instance; 0: none may
  double slowdown = 1;         // of its work; told nobody
  bool show_queue = false;     // shows how many wait
  std::string db_system;       // "postgresql": it is a database, as its callers see it
  bool instrumented = true;    // false: shows nothing of itself (as most databases)
  MemorySettings memory;
  std::vector<LinkSettings> links;
  std::vector<OperationSettings> operations;

  uint32_t LinkTo(const Mention& name);  // adds one with defaults when there is none
};

ServiceSettings ReadService(Section* section);

}  // namespace tomograph::simulate
