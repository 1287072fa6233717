#include "simulate/system/requests/requests.h"

#include <map>

namespace tomograph::simulate {
namespace {

constexpr size_t kMaxServices = 1000;
constexpr size_t kMaxInstances = 20'000;
constexpr size_t kMaxCounters = 200'000;  // each some hundred bytes
constexpr double kMaxCalls = 100'000;

/// Walks the operations along their calls, each once.
class CallCounter {
 public:
  explicit CallCounter(const std::vector<std::unique_ptr<Service>>& services) {
    for (const auto& service : services) by_name_[service->name()] = service.get();
  }

  /// Calls that one request makes at most, itself included.
  Result<double> Count(const Service& service, uint32_t operation) {
    State& state = states_[{&service, operation}];
    if (state.done) return state.calls;
    const OperationSettings& settings = service.settings().operations[operation];
    state.open = true;
    double calls = 1;
    for (const CallSettings& call : settings.calls) {
      const auto callee = by_name_.find(call.to.name);
      double below = 1;
      if (callee != by_name_.end()) {
        if (states_[{callee->second, call.callee_operation}].open)
          return call.to.place.Wrong("'" + settings.name + "' calls itself by way of others");
        const Result<double> counted = Count(*callee->second, call.callee_operation);
        if (!counted.ok()) return counted.status();
        below = *counted;
      }
      calls += (1 + service.settings().links[call.link].retries) * below;
      if (calls > kMaxCalls)
        return call.to.place.Wrong("one request would make more than 100000 calls");
    }
    state = {true, false, calls};
    return calls;
  }

 private:
  struct State {
    bool done = false, open = false;
    double calls = 0;
  };
  std::map<std::string_view, const Service*> by_name_;
  std::map<std::pair<const Service*, uint32_t>, State> states_;
};

}  // namespace

Requests::Requests(Section* root, World*) {
  size_t instances = 0, counters = 0;
  for (Section& section : root->List("services", kMaxServices)) {
    ServiceSettings settings = ReadService(&section);
    instances += settings.instances;
    counters += settings.instances * (settings.links.size() + settings.operations.size());
    if (instances > kMaxInstances || counters > kMaxCounters) {
      section.Wrong(
          "too many instances in all: more than 20000, or than 200000 links and operations");
      return;
    }
    services_.push_back(std::make_unique<Service>(std::move(settings)));
  }
}

Status Requests::Enter(World* world) {
  for (const auto& service : services_) {
    TG_RETURN_IF_ERROR(world->directory.Enter(service->settings().name, service.get()));
    TG_RETURN_IF_ERROR(service->Place(world));
  }
  return Status::Ok();
}

Status Requests::Link(World*) {
  for (const auto& service : services_) TG_RETURN_IF_ERROR(service->Join());
  CallCounter counter(services_);
  for (const auto& service : services_) {
    for (uint32_t i = 0; i < service->settings().operations.size(); ++i) {
      const Result<double> calls = counter.Count(*service, i);
      if (!calls.ok()) return calls.status();
    }
  }
  return Status::Ok();
}

void Requests::Start() {
  for (const auto& service : services_) service->Start();
}

bool Requests::Takes(const Fault& fault) const {
  for (const auto& service : services_)
    if (service->Takes(fault)) return true;
  return false;
}

void Requests::Apply(const Fault& fault, bool begins) {
  for (const auto& service : services_)
    if (service->Takes(fault)) service->Apply(fault, begins);
}

void Requests::Second(Nanos end) {
  for (const auto& service : services_) service->Second(end);
}

}  // namespace tomograph::simulate
