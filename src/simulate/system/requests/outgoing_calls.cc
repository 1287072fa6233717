#include "simulate/system/requests/outgoing_calls.h"

#include <algorithm>

namespace tomograph::simulate {
namespace {

enum Event : uint32_t { kArrive, kLand, kTimeOut, kRetry };

constexpr size_t kMaxAttempts = 2'000'000;  // of one service at a time; beyond, calls fail

constexpr uint64_t kNetwork = NameKey("network");
constexpr uint64_t kBackoff = NameKey("backoff");
constexpr uint64_t kClientSpan = NameKey("client span");
constexpr uint64_t kWaitSpan = NameKey("wait span");

}  // namespace

Status OutgoingCalls::Join(World* world) {
  world_ = world;
  for (const LinkSettings& settings : settings_->links) {
    const Result<Callee*> callee = world->directory.Find(settings.to);
    if (!callee.ok()) return callee.status();
    Link link;
    link.settings = &settings;
    link.callee = *callee;
    link.introduced = link.callee->Introduce(settings_->name.name);
    waiting_names_.push_back(link.callee->db_system().empty()
                                 ? "wait for a connection to " + settings.to.name
                                 : "pool.acquire");
    links_.push_back(link);
  }
  for (OperationSettings& operation : settings_->operations) {
    for (CallSettings& call : operation.calls) {
      const Callee& callee = *links_[call.link].callee;
      const std::optional<uint32_t> found = callee.FindOperation(call.operation.name);
      if (!found) {
        return call.operation.place.Wrong("'" + call.to.name + "' has no operation '" +
                                          call.operation.name + "'");
      }
      call.callee_operation = *found;
    }
  }
  return Status::Ok();
}

void OutgoingCalls::Start() {
  for (Link& link : links_) {
    link.in_flight.Begin(world_->start);
    link.waiting.Begin(world_->start);
  }
}

Nanos OutgoingCalls::NetworkTime(const Attempt& attempt, uint64_t direction) const {
  const Link& link = links_[attempt.call->link];
  Random random = world_->draws->For(kNetwork, attempt.message.key, direction);
  return FromSeconds(link.settings->network.Draw(&random) + link.extra_delay_s);
}

OutgoingCalls::Attempt OutgoingCalls::Make(const OnBehalf& behalf, const CallSettings& call,
                                           uint32_t index) const {
  Attempt attempt;
  attempt.request = behalf.request;
  attempt.instance = behalf.instance;
  attempt.epoch = behalf.instance->epoch;
  attempt.call = &call;
  attempt.call_key = MixBits(behalf.call->key ^ MixBits(index + 1));
  attempt.parent = behalf.span;
  attempt.message = *behalf.call;
  attempt.message.depth = behalf.call->depth + 1;
  attempt.message.operation = call.callee_operation;
  attempt.message.caller = links_[call.link].introduced;
  attempt.message.handed_over = false;
  return attempt;
}

void OutgoingCalls::Begin(const OnBehalf& behalf, const CallSettings& call, uint32_t index) {
  Try(Make(behalf, call, index));
}

void OutgoingCalls::Publish(const OnBehalf& behalf, const CallSettings& call, uint32_t index) {
  if (attempts_.size() >= kMaxAttempts) return;
  Attempt attempt = Make(behalf, call, index);
  attempt.published = true;
  attempt.message.handed_over = true;
  attempt.message.key = attempt.call_key;
  attempt.message.parent = MixBits(attempt.message.key ^ kClientSpan) | 1;
  const Handle handle = attempts_.Add(attempt);
  Send(handle, attempts_.Find(handle));
}

void OutgoingCalls::Try(Attempt attempt) {
  const Nanos now = world_->events->now();
  Outbound& outbound = OutboundOf(attempt);
  if (attempts_.size() >= kMaxAttempts || !outbound.Lets(now))
    return owner_->CallEnded(attempt.request, *attempt.call, Answer{503, true});
  attempt.message.key = MixBits(attempt.call_key ^ attempt.number);
  attempt.message.parent = MixBits(attempt.message.key ^ kClientSpan) | 1;
  attempt.asked = now;
  attempt.state = State::kWaiting;
  const Handle handle = attempts_.Add(attempt);
  Link& link = links_[attempt.call->link];
  if (link.settings->timeout > 0)
    world_->events->After(link.settings->timeout, this, kTimeOut, handle);
  if (outbound.TakeConnection()) {
    Send(handle, attempts_.Find(handle));
  } else {
    outbound.Wait(handle);
    link.waiting.Add(1, now);
  }
}

void OutgoingCalls::Send(Handle handle, Attempt* attempt) {
  attempt->sent = world_->events->now();
  attempt->state = State::kOnTheWay;
  links_[attempt->call->link].in_flight.Add(1, attempt->sent);
  world_->events->After(NetworkTime(*attempt, 0), this, kArrive, handle);
}

void OutgoingCalls::Deliver(Handle handle) {
  Attempt* attempt = attempts_.Find(handle);
  if (attempt == nullptr) return;
  Call message = attempt->message;
  Callee* const callee = links_[attempt->call->link].callee;
  message.from = nullptr;
  if (attempt->published) {
    EndSent(*attempt, Answer{});
    attempts_.Remove(handle);
  } else if (attempt->given_up || Void(*attempt)) {
    attempts_.Remove(handle);
  } else {
    attempt->state = State::kAtCallee;
    message.from = this;
    message.token = handle;
  }
  callee->Receive(message);
}

void OutgoingCalls::Answered(uint64_t token, const Answer& answer) {
  Attempt* attempt = attempts_.Find(token);
  if (attempt == nullptr) return;
  if (Void(*attempt)) return attempts_.Remove(token);
  attempt->state = State::kOnTheWayBack;
  attempt->answer = answer;
  world_->events->After(NetworkTime(*attempt, 1), this, kLand, token);
}

void OutgoingCalls::TimeOut(Handle handle) {
  const Attempt* attempt = attempts_.Find(handle);
  if (attempt == nullptr || attempt->given_up) return;
  if (Void(*attempt)) {
    if (attempt->state != State::kOnTheWay) attempts_.Remove(handle);
    return;
  }
  End(handle, Answer{0, true, true});
}

void OutgoingCalls::End(Handle handle, const Answer& answer) {
  Attempt* const live = attempts_.Find(handle);
  const Attempt attempt = *live;
  if (attempt.state == State::kWaiting) {
    EndWaiting(attempt, true);
  } else {
    EndSent(attempt, answer);
  }
  OutboundOf(attempt).Tell(answer.failed, world_->events->now());
  if (attempt.state == State::kOnTheWay) {
    live->given_up = true;
  } else {
    attempts_.Remove(handle);
  }
  if (attempt.state != State::kWaiting) {
    OutboundOf(attempt).GiveBack();
    HandOut(attempt.instance, attempt.call->link);
  }
  const LinkSettings& settings = *links_[attempt.call->link].settings;
  if (!answer.failed || attempt.number >= settings.retries)
    return owner_->CallEnded(attempt.request, *attempt.call, answer);
  Attempt next = attempt;
  next.state = State::kPausing;
  ++next.number;
  const double most = ToSeconds(settings.backoff) * static_cast<double>(1ULL << attempt.number);
  Random random = world_->draws->For(kBackoff, attempt.message.key);
  const Nanos pause = FromSeconds(most * (0.5 + 0.5 * random.Uniform()));
  world_->events->After(pause, this, kRetry, attempts_.Add(next));
}

void OutgoingCalls::Retry(Handle handle) {
  const Attempt* found = attempts_.Find(handle);
  if (found == nullptr) return;
  const Attempt attempt = *found;
  attempts_.Remove(handle);
  if (!Void(attempt)) Try(attempt);
}

void OutgoingCalls::HandOut(Instance* instance, uint32_t link) {
  Outbound& outbound = instance->outbound[link];
  while (const Handle next = outbound.NextInLine()) {
    Attempt* attempt = attempts_.Find(next);
    if (attempt == nullptr) continue;  // gave up
    (void)outbound.TakeConnection();
    EndWaiting(*attempt, false);
    Send(next, attempt);
  }
}

void OutgoingCalls::Drop(Instance* instance) {
  const Nanos now = world_->events->now();
  for (uint32_t i = 0; i < links_.size(); ++i) {
    Outbound& outbound = instance->outbound[i];
    for (const Handle handle : outbound.line()) attempts_.Remove(handle);
    links_[i].waiting.Add(-static_cast<double>(outbound.waiting()), now);
    links_[i].in_flight.Add(-static_cast<double>(outbound.in_use()), now);
    outbound.Reset();
  }
}

void OutgoingCalls::Happen(uint32_t a, uint64_t b) {
  switch (static_cast<Event>(a)) {
    case kArrive:
      return Deliver(b);
    case kLand:
      if (const Attempt* attempt = attempts_.Find(b)) {
        const Answer answer = attempt->answer;
        if (Void(*attempt)) return attempts_.Remove(b);
        End(b, answer);
      }
      return;
    case kTimeOut:
      return TimeOut(b);
    case kRetry:
      return Retry(b);
  }
}

/// It has its connection, or (`failed`) has given up.
void OutgoingCalls::EndWaiting(const Attempt& attempt, bool failed) {
  const Nanos now = world_->events->now();
  Link& link = links_[attempt.call->link];
  OutboundOf(attempt).StopWaiting();
  link.waiting.Add(-1, now);
  if (!settings_->instrumented) return;
  SpanRecord span;
  span.sender = attempt.instance->sender;
  span.trace = attempt.message.trace;
  span.span = MixBits(attempt.message.key ^ kWaitSpan) | 1;
  span.parent = attempt.parent;
  span.start = attempt.asked;
  span.end = now;
  span.db_system = link.callee->db_system();
  span.kind =
      span.db_system.empty() ? telemetry::SpanKind::kInternal : telemetry::SpanKind::kClient;
  span.name = waiting_names_[attempt.call->link];
  if (!span.db_system.empty()) span.peer = link.callee->name();
  span.failed = failed;
  world_->audience->See(span);
}

void OutgoingCalls::EndSent(const Attempt& attempt, const Answer& answer) {
  const Nanos now = world_->events->now();
  Link& link = links_[attempt.call->link];
  link.in_flight.Add(-1, now);
  ++link.ended;
  link.failed += answer.failed ? 1 : 0;
  Outbound& outbound = OutboundOf(attempt);
  if (!attempt.published)
    (answer.failed ? outbound.failed_calls : outbound.ok_calls).Add(ToSeconds(now - attempt.sent));
  if (!settings_->instrumented) return;
  Show(attempt, attempt.published ? telemetry::SpanKind::kProducer : telemetry::SpanKind::kClient,
       answer);
}

void OutgoingCalls::Show(const Attempt& attempt, telemetry::SpanKind kind, const Answer& answer) {
  const Link& link = links_[attempt.call->link];
  SpanRecord span;
  span.sender = attempt.instance->sender;
  span.trace = attempt.message.trace;
  span.span = attempt.message.parent;
  span.parent = attempt.parent;
  span.start = attempt.sent;
  span.end = world_->events->now();
  span.kind = kind;
  span.name = attempt.call->operation.name;
  span.peer = link.callee->name();
  span.db_system = link.callee->db_system();
  const bool http = span.db_system.empty() && !attempt.published;
  span.http_status = http ? answer.http_status : 0;
  span.failed = answer.failed;
  if (attempt.published) span.more = MessagingLabels(link.callee->name());
  world_->audience->See(span);
}

}  // namespace tomograph::simulate
