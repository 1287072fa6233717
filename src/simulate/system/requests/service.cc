#include "simulate/system/requests/service.h"

#include <algorithm>

#include "simulate/system/hosts/hosts.h"

namespace tomograph::simulate {
namespace {

constexpr uint64_t kWork = NameKey("work");
constexpr uint64_t kChance = NameKey("chance");
constexpr uint64_t kErrors = NameKey("errors");
constexpr uint64_t kRoute = NameKey("route");
constexpr uint64_t kPause = NameKey("pause");
constexpr uint64_t kServerSpan = NameKey("server span");

constexpr Nanos kHealthCheck = 5 * kSecond;
constexpr size_t kMaxRequests = 2'000'000;  // of one service at a time, what waits included

Labels LabelsOf(const Visitor& visitor) {
  const auto part = [&](int bits) { return "." + std::to_string(visitor.user >> bits & 255); };
  return {{"session.id", telemetry::SpanIdToHex(visitor.session)},
          {"user.id", "user-" + std::to_string(visitor.user)},
          {"client.address", "10" + part(16) + part(8) + part(0)}};
}

}  // namespace

Service::Service(ServiceSettings settings)
    : settings_(std::move(settings)), outgoing_(&settings_, this), version_(settings_.version) {}

Status Service::Place(World* world) {
  world_ = world;
  for (uint32_t i = 0; i < settings_.instances; ++i) {
    Host* host = nullptr;
    if (settings_.hosts.empty()) {
      host = world->hosts->AddUnlimited(settings_.name.name + "-" + std::to_string(i));
    } else {
      const Result<Host*> found = world->hosts->Find(settings_.hosts[i % settings_.hosts.size()]);
      if (!found.ok()) return found.status();
      host = *found;
    }
    instances_.push_back(std::make_unique<Instance>(settings_, i, host));
  }
  return Status::Ok();
}

void Service::Start() {
  for (const auto& instance : instances_) {
    instance->started = instance->exported = world_->start;
    EnterSender(instance.get());
  }
  in_flight_.Begin(world_->start);
  at_door_.Begin(world_->start);
  for (CallerTally& caller : callers_) caller.waiting.Begin(world_->start);
  outgoing_.Start();
}

std::optional<uint32_t> Service::FindOperation(std::string_view operation) const {
  for (uint32_t i = 0; i < settings_.operations.size(); ++i)
    if (settings_.operations[i].name == operation) return i;
  return std::nullopt;
}

uint32_t Service::Introduce(std::string_view caller) {
  callers_.push_back({caller, {}});
  return static_cast<uint32_t>(callers_.size() - 1);
}

Instance* Service::Choose(uint64_t key, uint32_t* index) {
  const auto size = static_cast<uint32_t>(instances_.size());
  *index = 0;
  if (size == 1) return instances_.front().get();
  const Nanos now = world_->events->now();
  // Drawn again while it is one that is known to be down, so that others' draws stay theirs.
  for (uint64_t round = 0; round < 50; ++round) {
    *index = static_cast<uint32_t>(world_->draws->For(kRoute, key, round).Below(size));
    const Instance& instance = *instances_[*index];
    if (instance.up || now - instance.down_since < kHealthCheck) break;
  }
  return instances_[*index].get();
}

void Service::Refuse(const Call& call, uint16_t status) {
  if (call.from != nullptr) call.from->Answered(call.token, Answer{status, true});
}

void Service::Receive(const Call& call) {
  if (call.depth > Call::kMaxDepth || requests_.size() >= kMaxRequests) return Refuse(call, 503);
  Request request;
  Instance* const instance = Choose(call.key, &request.instance);
  if (!instance->up) return Refuse(call, 0);
  request.call = call;
  const Handle handle = requests_.Add(request);
  switch (instance->door.Come(handle)) {
    case Door::Verdict::kIn:
      return Begin(handle);
    case Door::Verdict::kWaits:
      at_door_.Add(1, world_->events->now());
      callers_[call.caller].waiting.Add(1, world_->events->now());
      return;
    case Door::Verdict::kRefused:
      requests_.Remove(handle);
      return Refuse(call, 503);
  }
}

void Service::Begin(Handle handle) {
  Request* const request = requests_.Find(handle);
  request->began = world_->events->now();
  request->span = MixBits(request->call.key ^ kServerSpan) | 1;
  in_flight_.Add(1, request->began);
  const double errors = settings_.operations[request->call.operation].errors + errors_;
  if (errors > 0) request->fails = DrawFor(kErrors, *request).Uniform() < errors;
  Run(handle);
}

void Service::GoOn(Handle handle) {
  const Request* request = requests_.Find(handle);
  if (request == nullptr) return;
  const Nanos resumes = instances_[request->instance]->paused_until;
  if (resumes > world_->events->now()) {
    world_->events->At(resumes, this, 0, handle);
  } else {
    Run(handle);
  }
}

void Service::Run(Handle handle) {
  while (true) {
    Request* const request = requests_.Find(handle);
    const std::vector<Step>& steps = settings_.operations[request->call.operation].steps;
    const bool stops = request->answer.failed || (request->fails && request->step > 0);
    if (stops || request->step >= steps.size()) return Finish(handle);
    if (!Take(handle, steps[request->step++])) return;
  }
}

/// True: it is done, the next step may follow at once.
bool Service::Take(Handle handle, const Step& step) {
  Request* const request = requests_.Find(handle);
  switch (step.kind) {
    case Step::Kind::kWork: {
      Random random = DrawFor(kWork, *request);
      Instance& on = *instances_[request->instance];
      const double work_s = step.time.Draw(&random) * settings_.slowdown * slow_;
      on.host->Work(on.process, work_s, this, handle);
      return false;
    }
    case Step::Kind::kWait: {
      Random random = DrawFor(kWork, *request);
      world_->events->After(FromSeconds(step.time.Draw(&random) * slow_), this, 0, handle);
      return false;
    }
    case Step::Kind::kCalls:
    case Step::Kind::kPublish:
      return BeginCalls(handle, step);
    case Step::Kind::kCache:
    case Step::Kind::kMaybe: {
      const double hits = step.kind == Step::Kind::kCache ? hits_ : 1;
      if (DrawFor(kChance, *request).Uniform() < step.chance * hits) request->step = step.jump;
      return true;
    }
  }
  return true;
}

bool Service::BeginCalls(Handle handle, const Step& step) {
  Request* const request = requests_.Find(handle);
  const OperationSettings& operation = settings_.operations[request->call.operation];
  const OnBehalf behalf{handle, instances_[request->instance].get(), &request->call, request->span};
  Random chances = DrawFor(kChance, *request);
  request->pending = 1;  // so that calls that end at once do not yet go on
  for (uint32_t i = step.first_call; i < step.first_call + step.calls; ++i) {
    const CallSettings& call = operation.calls[i];
    if (chances.Uniform() >= call.chance) continue;
    if (step.kind == Step::Kind::kPublish) {
      outgoing_.Publish(behalf, call, i);
    } else {
      ++request->pending;
      outgoing_.Begin(behalf, call, i);
    }
  }
  return --request->pending == 0;
}

void Service::CallEnded(Handle handle, const CallSettings& call, const Answer& answer) {
  Request* const request = requests_.Find(handle);
  if (request == nullptr) return;
  if (answer.failed && !call.optional && !request->answer.failed) {
    const uint16_t status = answer.timed_out ? 504 : answer.http_status == 503 ? 503 : 502;
    request->answer = {status, true};
    request->failed_call = &call;
  }
  if (--request->pending == 0) GoOn(handle);
}

void Service::Finish(Handle handle) {
  const Request* found = requests_.Find(handle);
  Request request = *found;
  requests_.Remove(handle);
  if (request.fails && !request.answer.failed) request.answer = {500, true};
  const Nanos now = world_->events->now();
  Instance* const instance = instances_[request.instance].get();
  Account(request, instance);
  if (settings_.instrumented) Show(request, *instance);
  if (request.call.from != nullptr) request.call.from->Answered(request.call.token, request.answer);
  if (const Handle next = instance->door.Leave()) {
    at_door_.Add(-1, now);
    callers_[requests_.Find(next)->call.caller].waiting.Add(-1, now);
    Begin(next);
  }
  if (instance->memory.LeaveGarbage(instance->serving())) {
    instance->memory.Collect();
    Random random = world_->draws->For(kPause, NameKey(instance->name), instance->collections++);
    const double pause_s = settings_.memory.pause.Draw(&random);
    instance->pauses.Add(pause_s);
    instance->paused_until = std::max(instance->paused_until, now + FromSeconds(pause_s));
  }
}

void Service::Account(const Request& request, Instance* instance) {
  const Nanos now = world_->events->now();
  in_flight_.Add(-1, now);
  ++ended_;
  failed_ += request.answer.failed ? 1 : 0;
  const double time_s = ToSeconds(now - request.began);
  const uint32_t operation = request.call.operation;
  if (request.call.handed_over) {
    (request.answer.failed ? instance->failed_to_process : instance->processed).Add(time_s);
  } else {
    instance->durations[operation][Instance::StatusIndex(request.answer.http_status)].Add(time_s);
  }
}

void Service::Show(const Request& request, const Instance& instance) {
  const Call& call = request.call;
  SpanRecord span;
  span.sender = instance.sender;
  span.trace = call.trace;
  span.span = request.span;
  span.parent = call.parent;
  span.start = request.began;
  span.end = world_->events->now();
  span.kind = call.handed_over ? telemetry::SpanKind::kConsumer : telemetry::SpanKind::kServer;
  span.name = settings_.operations[call.operation].name;
  const bool http = !call.handed_over && settings_.db_system.empty();
  span.http_status = http ? request.answer.http_status : 0;
  span.failed = request.answer.failed;
  if (call.handed_over) span.more = MessagingLabels(name());
  if (call.visitor.session != 0 && call.parent == 0) span.more = LabelsOf(call.visitor);
  world_->audience->See(span);
  if (request.answer.failed) Log(request, instance);
}

void Service::Log(const Request& request, const Instance& instance) {
  LogRecord log;
  log.sender = instance.sender;
  log.time = world_->events->now();
  log.severity = telemetry::Severity::kError;
  log.body = settings_.operations[request.call.operation].name + " failed: ";
  log.body += request.failed_call == nullptr ? "internal error"
              : request.answer.http_status == 504
                  ? request.failed_call->to.name + " did not answer in time"
                  : request.failed_call->to.name + " failed";
  log.trace = request.call.trace;
  log.span = request.span;
  world_->audience->See(log);
}

void Service::Happen(uint32_t a, uint64_t b) {
  if (a == 0) return GoOn(b);
  const auto instance = static_cast<uint32_t>(b);
  if (instances_[instance]->epoch == b >> 32) Restart(instance);
}

}  // namespace tomograph::simulate
