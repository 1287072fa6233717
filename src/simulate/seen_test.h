// For tests: who finds what was shown, and keeps all truth.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "simulate/show/kept_records_test.h"
#include "simulate/simulation.h"

namespace tomograph::simulate {

class Seen : public KeptRecords {
 public:
  const Sender& Of(SenderId id) const { return senders[static_cast<size_t>(id)]; }
  std::vector<SpanRecord> SpansOf(std::string_view service, telemetry::SpanKind kind) const {
    std::vector<SpanRecord> found;
    for (const SpanRecord& span : spans)
      if (span.kind == kind && Of(span.sender).service == service) found.push_back(span);
    return found;
  }
  std::vector<SampleRecord> Metric(std::string_view service, std::string_view metric) const {
    std::vector<SampleRecord> found;
    for (const SampleRecord& sample : samples)
      if (sample.metric == metric && Of(sample.sender).service == service) found.push_back(sample);
    return found;
  }
};

/// Keeps nothing: for long runs.
class Unseen : public Audience {
 public:
  SenderId Enter(const Sender&) override { return {}; }
  void See(const SpanRecord&) override {}
  void See(const SampleRecord&) override {}
  void See(const LogRecord&) override {}
  void See(const ChangeRecord&) override {}
};

class TruthBook : public TruthLog {
 public:
  void Say(const TruthRow& row) override {
    values_[{std::string(row.state), std::string(row.entity), std::string(row.caller),
             std::string(row.detail)}]
        .push_back(row.value);
  }
  /// One value a second. Fails the test when there is none.
  const std::vector<double>& Of(const std::string& state, const std::string& entity,
                                const std::string& caller = "", const std::string& detail = "") {
    const auto& found = values_[{state, entity, caller, detail}];
    EXPECT_FALSE(found.empty()) << state << " " << entity << " " << caller << " " << detail;
    return found;
  }
  /// Over the seconds from..until.
  double Mean(const std::string& state, const std::string& entity, size_t from = 0,
              size_t until = SIZE_MAX, const std::string& caller = "",
              const std::string& detail = "") {
    const std::vector<double>& values = Of(state, entity, caller, detail);
    double sum = 0;
    size_t n = 0;
    for (size_t i = from; i < std::min(until, values.size()); ++i, ++n) sum += values[i];
    return sum / static_cast<double>(std::max<size_t>(n, 1));
  }

 private:
  std::map<std::tuple<std::string, std::string, std::string, std::string>, std::vector<double>>
      values_;
};

inline Scenario MustRead(const std::string& yaml) {
  Result<Scenario> scenario = ReadScenario(yaml);
  EXPECT_TRUE(scenario.ok()) << scenario.status().message();
  return scenario.ok() ? *scenario : Scenario{};
}

inline std::unique_ptr<Simulation> Play(const Scenario& scenario, Audience* audience,
                                        TruthLog* truth) {
  auto simulation = Simulation::Make(scenario, audience, truth);
  EXPECT_TRUE(simulation.ok()) << simulation.status().message();
  if (!simulation.ok()) return nullptr;
  while ((*simulation)->RunSecond()) {
  }
  return std::move(*simulation);
}

/// A scenario, run to its end. Keeps the simulation, whose strings the records refer to.
struct Played {
  Seen seen;
  TruthBook truth;
  std::unique_ptr<Simulation> simulation;
  explicit Played(const Scenario& scenario) : simulation(Play(scenario, &seen, &truth)) {}
  explicit Played(const std::string& yaml) : Played(MustRead(yaml)) {}
};

}  // namespace tomograph::simulate
