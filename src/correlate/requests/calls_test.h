// CallsTest: spans in, windows out, for the tests of what is counted of calls.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "correlate/correlator.h"

namespace tomograph::correlate {

class CallsTest : public ::testing::Test {
 protected:
  struct Row {
    uint64_t trace = 1, id = 0, parent = 0;
    double start_s = 0, end_s = 0;
    telemetry::SpanKind kind = telemetry::SpanKind::kServer;
    telemetry::EntityId service = telemetry::kNoEntity;
    const char* operation = "";
    bool failed = false;
    telemetry::EntityId peer = telemetry::kNoEntity;
  };
  telemetry::EntityId Service(const char* name) {
    return ids_.entities.FindOrAdd(telemetry::EntityKind::kService, "", name);
  }
  void Append(const Row& r, telemetry::Batch* batch) {
    telemetry::SpanBatch& s = batch->spans;
    s.trace_id.push_back({7, r.trace});
    s.span_id.push_back(r.id);
    s.parent_span_id.push_back(r.parent);
    s.start_ns.push_back(kT0 + FromSeconds(r.start_s));
    s.end_ns.push_back(kT0 + FromSeconds(r.end_s));
    s.corrected_start_ns.push_back(s.start_ns.back());
    s.kind.push_back(r.kind);
    s.service.push_back(r.service);
    s.peer.push_back(r.peer);
    s.operation.push_back(ids_.strings.Intern(r.operation));
    s.failed.push_back(r.failed);
    s.weight.push_back(2);
    s.weight_known.push_back(1);
  }
  std::vector<telemetry::WindowSet> Run(std::vector<Row> rows) {
    Correlator c({}, &ids_);
    telemetry::Batch batch;
    for (const Row& r : rows) Append(r, &batch);
    c.Add(batch);
    std::vector<telemetry::WindowSet> sets;
    c.Finish([&](telemetry::WindowSet&& s) { sets.push_back(std::move(s)); });
    return sets;
  }
  /// "after -> before: ms", of the window that a request of `service` ended in.
  std::vector<std::string> Steps(const std::vector<telemetry::WindowSet>& sets,
                                 telemetry::EntityId service) {
    std::vector<std::string> steps;
    for (const telemetry::WindowSet& set : sets) {
      const telemetry::Window* w = set.Find({service, telemetry::kNoEntity});
      if (w == nullptr) continue;
      for (const telemetry::StepStats& s : w->steps)
        steps.push_back(s.after + " -> " + s.before + ": " +
                        std::to_string(std::lround(s.duration.mean() * 1e3)));
    }
    return steps;
  }
  telemetry::CallSides Sides(const std::vector<telemetry::WindowSet>& sets,
                             telemetry::WindowKey key) {
    telemetry::CallSides all;
    for (const telemetry::WindowSet& set : sets)
      if (const auto at = set.sides.find(key); at != set.sides.end()) all.Merge(at->second);
    return all;
  }

  static constexpr Nanos kT0 = 1'700'000'000 * kSecond;
  telemetry::Identities ids_;
  telemetry::EntityId web_ = Service("web"), pay_ = Service("pay"), cart_ = Service("cart");
  static constexpr telemetry::SpanKind kClient = telemetry::SpanKind::kClient;
};

}  // namespace tomograph::correlate
