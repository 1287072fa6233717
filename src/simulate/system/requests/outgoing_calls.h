// OutgoingCalls: the caller's side of a service: waiting for a connection, the network both ways,
// time-outs, retries, and the client spans.
//
// One attempt of a call is a state machine:
//   waiting -> on the way -> at the callee -> on the way back -> ended (-> pausing -> next attempt)
// A time-out ends it from any state; what was sent goes on at the callee, and its answer finds
// nobody. A client span begins when the attempt has its connection; waiting for one is a span of
// its own, and queueing at the callee lies within the client span and outside the server's. A call
// that an open breaker refuses has no span.
#pragma once

#include <string>
#include <vector>

#include "simulate/kernel/level.h"
#include "simulate/kernel/slots.h"
#include "simulate/system/part.h"
#include "simulate/system/requests/instance.h"
#include "simulate/system/requests/settings.h"

namespace tomograph::simulate {

/// The request on whose behalf a call is made.
struct OnBehalf {
  Handle request = 0;
  Instance* instance = nullptr;
  const Call* call = nullptr;  // that it serves
  uint64_t span = 0;
};

class OutgoingCalls : public Caller, public EventQueue::Subject {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    /// The last attempt has ended. Also within Begin, when nothing could be tried.
    virtual void CallEnded(Handle request, const CallSettings& call, const Answer& answer) = 0;
  };
  /// All instances' calls to one callee.
  struct Link {
    const LinkSettings* settings;
    Callee* callee = nullptr;
    uint32_t introduced = 0;
    double extra_delay_s = 0;  // by a fault
    Level in_flight, waiting;
    uint64_t ended = 0, failed = 0;  // client spans, since the last second
  };

  OutgoingCalls(ServiceSettings* settings, Owner* owner) : settings_(settings), owner_(owner) {}
  /// Finds the callees and their operations.
  Status Join(World* world);
  void Start();

  /// `index`: of the call among its operation's.
  void Begin(const OnBehalf& behalf, const CallSettings& call, uint32_t index);
  /// Puts it into the callee's queue and waits for nothing.
  void Publish(const OnBehalf& behalf, const CallSettings& call, uint32_t index);
  /// The instance is gone, with all that it waited for.
  void Drop(Instance* instance);
  /// After a pool has grown.
  void HandOut(Instance* instance, uint32_t link);

  std::vector<Link>& links() { return links_; }
  std::string_view db_system(uint32_t link) const { return links_[link].callee->db_system(); }
  void Answered(uint64_t token, const Answer& answer) override;
  void Happen(uint32_t a, uint64_t b) override;

 private:
  enum class State : uint8_t { kWaiting, kOnTheWay, kAtCallee, kOnTheWayBack, kPausing };
  struct Attempt {
    Handle request = 0;
    Instance* instance = nullptr;
    const CallSettings* call = nullptr;
    uint32_t epoch = 0;
    uint32_t number = 0;  // 0: the first
    State state = State::kWaiting;
    bool published = false;
    bool given_up = false;  // kept only until it has arrived
    Answer answer;
    Nanos asked = 0, sent = 0;
    uint64_t call_key = 0;
    uint64_t parent = 0;  // span
    Call message;
  };
  Attempt Make(const OnBehalf& behalf, const CallSettings& call, uint32_t index) const;
  void Try(Attempt attempt);
  void Send(Handle handle, Attempt* attempt);
  void Deliver(Handle handle);
  void TimeOut(Handle handle);
  void Retry(Handle handle);
  void End(Handle handle, const Answer& answer);
  void EndWaiting(const Attempt& attempt, bool failed);
  void EndSent(const Attempt& attempt, const Answer& answer);
  void Show(const Attempt& attempt, telemetry::SpanKind kind, const Answer& answer);
  bool Void(const Attempt& attempt) const { return attempt.epoch != attempt.instance->epoch; }
  Outbound& OutboundOf(const Attempt& attempt) const {
    return attempt.instance->outbound[attempt.call->link];
  }
  Nanos NetworkTime(const Attempt& attempt, uint64_t direction) const;

  ServiceSettings* settings_;
  Owner* owner_;
  World* world_ = nullptr;
  std::vector<Link> links_;
  std::vector<std::string> waiting_names_;  // by link: of the spans that wait for a connection
  Slots<Attempt> attempts_;
};

}  // namespace tomograph::simulate
