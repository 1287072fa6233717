#include "simulate/write/impact.h"

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/random.h"
#include "simulate/kernel/draws.h"

namespace tomograph::simulate {
namespace {

struct Request {
  Nanos start = 0, length = 0;
  bool failed = false;
};

/// 1: worse than in the twin, -1: better.
int Compare(const Request& faulty, const Request& twin) {
  if (faulty.failed != twin.failed) return faulty.failed ? 1 : -1;
  const auto longer = [](Nanos a, Nanos b) {
    return static_cast<double>(a) > Impact::kLonger * static_cast<double>(b);
  };
  if (longer(faulty.length, twin.length)) return 1;
  return longer(twin.length, faulty.length) ? -1 : 0;
}

struct Harm {
  int64_t requests = 0, worse = 0;  // worse: minus better
};

}  // namespace

struct Impact::Impl {
  /// One of the two runs.
  class Side : public Audience {
   public:
    Side(Impl* impl, bool is_twin) : impl_(impl), is_twin_(is_twin) {}
    void set_next(Audience* next) { next_ = next; }

    SenderId Enter(const Sender& sender) override {
      const SenderId id =
          next_ != nullptr ? next_->Enter(sender) : static_cast<SenderId>(services_.size());
      if (services_.size() <= static_cast<size_t>(id))
        services_.resize(static_cast<size_t>(id) + 1);
      services_[static_cast<size_t>(id)] = sender.service;
      return id;
    }
    void See(const SpanRecord& span) override {
      if (span.kind == telemetry::SpanKind::kServer)
        impl_->Hear(span, services_[static_cast<size_t>(span.sender)], is_twin_);
      if (next_ != nullptr) next_->See(span);
    }
    void See(const SampleRecord& sample) override {
      if (next_ != nullptr) next_->See(sample);
    }
    void See(const LogRecord& log) override {
      if (next_ != nullptr) next_->See(log);
    }
    void See(const ChangeRecord& change) override {
      if (next_ != nullptr) next_->See(change);
    }

   private:
    Impl* const impl_;
    const bool is_twin_;
    Audience* next_ = nullptr;
    std::vector<std::string> services_;  // by sender
  };

  /// Those of one side that wait for the other's; of a key mostly one.
  using Waiting = std::unordered_map<uint64_t, std::vector<Request>>;

  explicit Impl(std::vector<TruthFault> f) : faults(std::move(f)), harm(faults.size()) {
    for (const TruthFault& fault : faults) {
      first = std::min(first, fault.from);
      last = std::max(last, fault.until);
    }
  }

  void Hear(const SpanRecord& span, const std::string& service, bool is_twin) {
    if (span.end < first || span.start >= last + (is_twin ? 0 : kPatience)) return;
    const uint64_t key = MixBits(MixBits(MixBits(span.trace.hi) ^ span.trace.lo) ^
                                 NameKey(service) ^ MixBits(NameKey(span.name)));
    const Request request{span.start, span.end - span.start, span.failed};
    Forget(span.end);
    Waiting& others = waiting[is_twin ? 0 : 1];
    const auto other = others.find(key);
    if (other == others.end()) {
      waiting[is_twin ? 1 : 0][key].push_back(request);
      arrivals.push_back({span.end, key, is_twin});
      return;
    }
    const Request match = other->second.front();
    other->second.erase(other->second.begin());
    if (other->second.empty()) others.erase(other);
    Judge(service, is_twin ? match : request, is_twin ? request : match);
  }

  void Judge(const std::string& service, const Request& faulty, const Request& without) {
    for (size_t i = 0; i < faults.size(); ++i) {
      if (without.start < faults[i].from || without.start >= faults[i].until) continue;
      Harm& h = harm[i][service];
      ++h.requests;
      h.worse += Compare(faulty, without);
    }
  }

  void Forget(Nanos now) {
    while (!arrivals.empty() && arrivals.front().end < now - kPatience) {
      const Arrival old = arrivals.front();
      arrivals.pop_front();
      Waiting& side = waiting[old.is_twin ? 1 : 0];
      const auto it = side.find(old.key);
      if (it == side.end() || it->second.front().start + it->second.front().length > old.end)
        continue;  // it found its twin
      it->second.erase(it->second.begin());
      if (it->second.empty()) side.erase(it);
    }
  }

  struct Arrival {
    Nanos end;
    uint64_t key;
    bool is_twin;
  };
  const std::vector<TruthFault> faults;
  Nanos first = INT64_MAX, last = 0;  // what lies outside of all faults is of no interest
  std::vector<std::map<std::string, Harm>> harm;  // by fault
  Waiting waiting[2];                             // with faults, twin
  std::deque<Arrival> arrivals;
  Side with_faults{this, false}, twin{this, true};
};

Impact::Impact(std::vector<TruthFault> faults) : impl_(std::make_unique<Impl>(std::move(faults))) {}
Impact::~Impact() = default;

Audience* Impact::WithFaults(Audience* next) {
  impl_->with_faults.set_next(next);
  return &impl_->with_faults;
}
Audience* Impact::Twin() { return &impl_->twin; }

std::vector<TruthFault> Impact::Felt() const {
  std::vector<TruthFault> faults = impl_->faults;
  for (size_t i = 0; i < faults.size(); ++i) {
    faults[i].felt_by.clear();
    for (const auto& [service, harm] : impl_->harm[i]) {
      if (static_cast<double>(harm.worse) > kFelt * static_cast<double>(harm.requests))
        faults[i].felt_by.push_back(service);
    }
  }
  return faults;
}

}  // namespace tomograph::simulate
