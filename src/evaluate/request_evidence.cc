#include "evaluate/request_evidence.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "base/random.h"

namespace tomograph::evaluate {
namespace {

using correlate::linking::CallRecord;

constexpr int kWorkers = 8;
constexpr double kOtherWorker = .05;
constexpr uint64_t kConnections = 8;
constexpr double kPinned = .7;
constexpr double kFollows = .7, kSizeNoise = .5, kSizeSpread = 1;
constexpr double kTypicalIn = 800, kTypicalOut = 4'000;  // bytes
constexpr double kLeafFails = .02, kPassedOn = .7;

class Maker {
 public:
  Maker(uint64_t seed, const std::vector<uint64_t>& causes, std::vector<CallRecord>* records)
      : random_(seed), records_(*records), effects_(records->size() + 1) {
    for (const CallRecord& r : records_) {
      if (causes[r.id] != 0) effects_[causes[r.id]].push_back(r.id);
      if (causes[r.id] == 0 && !r.outgoing) roots_.push_back(r.id);
    }
  }

  void Workers() {
    std::map<telemetry::EntityId, std::vector<uint64_t>> arrivals;
    for (const CallRecord& r : records_) {
      if (!r.outgoing) arrivals[r.service].push_back(r.id);
    }
    for (auto& [service, requests] : arrivals) {
      std::stable_sort(requests.begin(), requests.end(),
                       [&](uint64_t a, uint64_t b) { return At(a).start < At(b).start; });
      std::array<std::vector<Nanos>, kWorkers> busy_until;
      std::array<Nanos, kWorkers> last_used{};
      for (const uint64_t id : requests) {
        const Nanos now = At(id).start;
        int best = 0;
        for (int w = 0; w < kWorkers; ++w) {
          std::erase_if(busy_until[w], [&](Nanos until) { return until <= now; });
          const auto load = [&](int x) { return std::pair(busy_until[x].size(), last_used[x]); };
          if (load(w) < load(best)) best = w;
        }
        busy_until[best].push_back(At(id).end);
        last_used[best] = now;
        At(id).worker = static_cast<uint64_t>(best) + 1;
        for (const uint64_t call : effects_[id]) {
          const bool other = random_.Uniform() < kOtherWorker;
          At(call).worker = other ? 1 + random_.Below(kWorkers) : At(id).worker;
        }
      }
    }
  }

  void Connections() {
    for (const uint64_t root : roots_) {
      At(root).connection = Connection(At(root), random_.Below(kConnections));
      Connections(root);
    }
  }

  void Sizes() {
    for (const uint64_t root : roots_) {
      At(root).bytes_in = Bytes(kTypicalIn, random_.Normal(0, kSizeSpread));
      Sizes(root);
    }
  }

  void Statuses() {
    for (const uint64_t root : roots_) Status(root);
  }

 private:
  CallRecord& At(uint64_t id) { return records_[id - 1]; }

  static uint64_t Connection(const CallRecord& of, uint64_t number) {
    const auto service = static_cast<uint64_t>(of.service), peer = static_cast<uint64_t>(of.peer);
    return MixBits(service ^ MixBits(peer ^ MixBits(number))) | 1;
  }

  void Connections(uint64_t request) {
    for (const uint64_t call : effects_[request]) {
      CallRecord& r = At(call);
      const uint64_t own = MixBits(At(request).connection ^ static_cast<uint64_t>(r.peer));
      const bool pinned = random_.Uniform() < kPinned;
      r.connection = Connection(r, (pinned ? own : random_.Next()) % kConnections);
      for (const uint64_t callee : effects_[call]) {
        At(callee).connection = r.connection;
        Connections(callee);
      }
    }
  }

  static uint64_t Bytes(double typical, double log) {
    return static_cast<uint64_t>(std::max(1.0, typical * std::exp(log)));
  }

  void Sizes(uint64_t request) {
    const double in = std::log(static_cast<double>(At(request).bytes_in) / kTypicalIn);
    double out = 0;
    for (const uint64_t call : effects_[request]) {
      At(call).bytes_out = Bytes(kTypicalIn, kFollows * in + random_.Normal(0, kSizeNoise));
      At(call).bytes_in = Bytes(kTypicalOut, random_.Normal(0, kSizeSpread));
      for (const uint64_t callee : effects_[call]) {
        At(callee).bytes_in = At(call).bytes_out;
        Sizes(callee);
        At(call).bytes_in = At(callee).bytes_out;
      }
      out += std::log(static_cast<double>(At(call).bytes_in) / kTypicalOut);
    }
    const auto calls = static_cast<double>(effects_[request].size());
    const double log = calls > 0 ? kFollows * out / std::sqrt(calls) + random_.Normal(0, kSizeNoise)
                                 : random_.Normal(0, kSizeSpread);
    At(request).bytes_out = Bytes(kTypicalOut, log);
  }

  bool Status(uint64_t request) {
    bool failed = effects_[request].empty() && random_.Uniform() < kLeafFails;
    for (const uint64_t call : effects_[request]) {
      for (const uint64_t callee : effects_[call]) At(call).failed |= Status(callee);
      if (effects_[call].empty()) At(call).failed = random_.Uniform() < kLeafFails;
      failed |= At(call).failed && random_.Uniform() < kPassedOn;
    }
    return At(request).failed = failed;
  }

  Random random_;
  std::vector<CallRecord>& records_;
  std::vector<std::vector<uint64_t>> effects_;
  std::vector<uint64_t> roots_;
};

}  // namespace

void EvidenceKinds::Add(std::string_view name) {
  connection |= name == "connection";
  worker |= name == "worker";
  size |= name == "size";
  status |= name == "status";
}

void MakeUpEvidence(const EvidenceKinds& kinds, uint64_t seed, const std::vector<uint64_t>& causes,
                    std::vector<CallRecord>* records) {
  // Each kind has its own chance, so that it is the same with others or without.
  if (kinds.connection) Maker(MixBits(seed ^ 11), causes, records).Connections();
  if (kinds.worker) Maker(MixBits(seed ^ 12), causes, records).Workers();
  if (kinds.size) Maker(MixBits(seed ^ 13), causes, records).Sizes();
  if (kinds.status) Maker(MixBits(seed ^ 14), causes, records).Statuses();
}

}  // namespace tomograph::evaluate
