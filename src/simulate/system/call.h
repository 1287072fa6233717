// Call: how parts ask each other. A caller looks its callee up by name once (Directory, in
// Part::Link), introduces itself, and then hands it calls; the callee answers once, at any time, or
// never. What lies between (network, pools, retries) is the caller's business: `Receive` means that
// the call has arrived, `Answered` that the answer leaves.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "simulate/scenario/section.h"
#include "telemetry/batch.h"

namespace tomograph::simulate {

struct Answer {
  uint16_t http_status = 200;  // 0: there was none, the connection broke
  bool failed = false;
  bool timed_out = false;
};

class Caller {
 public:
  virtual ~Caller() = default;
  /// A token of a call that is not waited for any more is ignored.
  virtual void Answered(uint64_t token, const Answer& answer) = 0;
};

/// On whose behalf: carried along all calls of a request. 0: nobody that is known by name.
struct Visitor {
  uint64_t session = 0;
  uint32_t user = 0;
};

struct Call {
  telemetry::TraceId trace;
  uint64_t parent = 0;       // the caller's span
  uint64_t key = 0;          // whose draws these are: the same in a run without the fault
  uint32_t operation = 0;    // as FindOperation says
  uint32_t caller = 0;       // as Introduce says
  uint32_t depth = 0;        // calls above it; what is deeper than kMaxDepth is refused
  bool handed_over = false;  // put into a queue: nobody waits for the answer
  Visitor visitor;
  Caller* from = nullptr;  // nullptr: no answer is wanted
  uint64_t token = 0;
  static constexpr uint32_t kMaxDepth = 64;
};

class Callee {
 public:
  virtual ~Callee() = default;
  virtual std::string_view name() const = 0;
  /// Of a database, as callers' spans have it ("postgresql"); else empty.
  virtual std::string_view db_system() const { return {}; }
  virtual std::optional<uint32_t> FindOperation(std::string_view operation) const = 0;
  /// `caller`: as the truth about the edge names it; lives as long as the world. "": users.
  virtual uint32_t Introduce(std::string_view caller) = 0;
  virtual void Receive(const Call& call) = 0;
};

/// Who can be called, by name.
class Directory {
 public:
  Status Enter(const Mention& name, Callee* callee) {
    if (callees_.emplace(name.name, callee).second) return Status::Ok();
    return name.place.Wrong("'" + name.name + "' twice");
  }
  /// kInvalidArgument with the place where the name was used.
  Result<Callee*> Find(const Mention& name) const {
    const auto found = callees_.find(name.name);
    if (found != callees_.end()) return found->second;
    return name.place.Wrong("there is no '" + name.name + "'");
  }

 private:
  std::map<std::string, Callee*, std::less<>> callees_;
};

}  // namespace tomograph::simulate
