#include "simulate/twin.h"

#include <map>
#include <set>
#include <string>
#include <utility>

namespace tomograph::simulate {
namespace {

constexpr Nanos kAftermath = kMinute;

class Nobody : public Audience {
 public:
  SenderId Enter(const Sender&) override { return {}; }
  void See(const SpanRecord&) override {}
  void See(const SampleRecord&) override {}
  void See(const LogRecord&) override {}
  void See(const ChangeRecord&) override {}
};

/// How one service or group of users fared in one second, or in a stretch of time.
struct Fared {
  double answered = 0, failed = 0, time_s = 0;
  double called = 0, calls_failed = 0;  // as its callers saw it

  void Add(const Fared& other) {
    answered += other.answered;
    failed += other.failed;
    time_s += other.time_s;
    called += other.called;
    calls_failed += other.calls_failed;
  }
};

double Share(double part, double whole) { return whole > 0 ? part / whole : 0; }

bool Felt(const Fared& with, const Fared& without) {
  const auto rose = [](double share, double normal) { return share - normal >= 0.01; };
  if (rose(Share(with.failed, with.answered), Share(without.failed, without.answered))) return true;
  if (rose(Share(with.calls_failed, with.called), Share(without.calls_failed, without.called)))
    return true;
  const double time_s = Share(with.time_s, with.answered);
  const double normal_s = Share(without.time_s, without.answered);
  return time_s >= 1.1 * normal_s && time_s - normal_s >= 0.001;
}

class FaredBook : public TruthLog {
 public:
  void Say(const TruthRow& row) override {
    if (!row.detail.empty() && row.detail != "door") return;
    Fared& fared = of_[std::string(row.entity)][row.time];
    if (row.caller.empty()) {
      SayOfOne(row, &fared);
    } else if (row.state == "call_volume") {
      fared.called += row.value;
    } else if (row.state == "failed_calls") {
      fared.calls_failed += row.value;
    }
  }

  std::map<std::string, Fared> In(Nanos from, Nanos until) const {
    std::map<std::string, Fared> sums;
    for (const auto& [entity, seconds] : of_) {
      Fared& sum = sums[entity];
      for (auto at = seconds.upper_bound(from); at != seconds.end() && at->first <= until; ++at)
        sum.Add(at->second);
    }
    return sums;
  }

 private:
  static void SayOfOne(const TruthRow& row, Fared* fared) {
    if (row.state == "call_volume" || row.state == "user_requests") {
      fared->answered += row.value;
    } else if (row.state == "failed_calls" || row.state == "user_failed") {
      fared->failed += row.value;
    } else if (row.state == "in_flight" || row.detail == "door") {
      fared->time_s += row.value;
    } else if (row.state == "user_time") {
      fared->time_s += row.value * fared->answered;
    }
  }

  std::map<std::string, std::map<Nanos, Fared>> of_;
};

/// Felt while it lasted, or in its aftermath.
std::vector<std::string> FeltBy(const FaredBook& with, const FaredBook& without, Nanos from,
                                Nanos until) {
  std::set<std::string> felt;
  for (const auto& [begin, end] : {std::pair(from, until), std::pair(until, until + kAftermath)}) {
    const auto normal = without.In(begin, end);
    for (const auto& [entity, fared] : with.In(begin, end)) {
      const auto twin = normal.find(entity);
      if (twin != normal.end() && Felt(fared, twin->second)) felt.insert(entity);
    }
  }
  return {felt.begin(), felt.end()};
}

Status RunInto(const Scenario& scenario, FaredBook* book) {
  Nobody nobody;
  auto simulation = Simulation::Make(scenario, &nobody, book);
  if (!simulation.ok()) return simulation.status();
  while ((*simulation)->RunSecond()) {
  }
  return Status::Ok();
}

}  // namespace

Result<std::vector<TruthFault>> FeelFaults(const Scenario& scenario) {
  std::vector<TruthFault> felt;
  if (scenario.faults.empty()) return felt;
  FaredBook with;
  TG_RETURN_IF_ERROR(RunInto(scenario, &with));
  for (size_t i = 0; i < scenario.faults.size(); ++i) {
    const Fault& fault = scenario.faults[i];
    Scenario twin = scenario;
    twin.faults.erase(twin.faults.begin() + static_cast<std::ptrdiff_t>(i));
    FaredBook without;
    TG_RETURN_IF_ERROR(RunInto(twin, &without));
    TruthFault truth;
    truth.kind = fault.kind;
    truth.target = fault.target;
    truth.from = scenario.start + fault.from;
    truth.until = scenario.start + fault.until;
    truth.by = fault.by;
    truth.felt_by = FeltBy(with, without, truth.from, truth.until);
    felt.push_back(std::move(truth));
  }
  return felt;
}

}  // namespace tomograph::simulate
