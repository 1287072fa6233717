// MissingSpans: how many spans and traces are missing per edge, by capture and recapture over the
// two sides of its calls.
//
//   missing_client_spans, missing_server_spans  of the calls caller -> callee, whose spans were
//   lost
//                   or never made though their traces are kept
//   missing_traces  traces with calls here of which nothing came: sampled out (spans' weights), or
//                   counted by metrics and not by spans
//
// Two-sided: of a call the client's span (captured by the caller's exporter) and the server's below
// it (by the callee's). Lincoln & Petersen: when the sides are lost independently, N = n_c n_s / m
// for n_c client spans, n_s server spans, m calls with both. The same, as a posterior: u calls came
// with the client's span alone and l with the server's alone, so u server spans and l client spans
// are missing for sure, and both sides of b more:
//     b ~ negative binomial, k = m + u + l, q/(1-q) = r_c r_s / (1 - r_c r_s)
// with the loss rates r_s = u/(m+u), r_c = l/(m+l), Beta (Jeffreys) from this window and a tenth
// less of each before. Its mean is Chapman's (N+1 = (n_c+1)(n_s+1)/(m+1)) up to 1/m. That a server
// span's parent is lost says not which caller's: l is shared out among the callee's callers as
// their joined calls are, with binomial doubt.
//
// Speaks of calls that ended about one lateness before the window (WindowSet::sides_until), since
// what is late or still running is not lost. The length of the time that it speaks of is the
// window's.
//
// Assumes independent losses, and the same loss rate of all callers of a callee. Wrong when both
// sides go together: an exporter of both, a gateway that drops, whole traces. Then b is too small,
// and what went as a whole is seen by missing_traces alone, and by that only if there are weights
// or metrics. Callers whose client library makes no spans but passes on ids look lost. A callee
// that sends no spans (a database), and an edge of which no call was joined, is `missing`: nothing
// can be said. Client spans that failed unanswered may have reached nobody and count for nothing.
#pragma once

#include <map>

#include "reconstruct/call_history.h"
#include "reconstruct/span_evidence.h"
#include "reconstruct/state_model.h"

namespace tomograph::reconstruct {

class MissingSpansModel : public StateModel {
 public:
  std::string_view name() const override { return "missing_spans"; }
  void Update(const telemetry::WindowSet& windows,
              std::vector<telemetry::Estimate>* estimates) override;

 private:
  /// Lost of so many, with forgetting.
  struct Losses {
    double lost = 0, came = 0;
    double rate() const { return (lost + 0.5) / (lost + came + 1); }
    double variance() const { return rate() * (1 - rate()) / (lost + came + 2); }
    void Learn(double more_lost, double more_came);
  };
  struct Edge {
    Losses servers;
    double joined = 0;  // calls, with forgetting
    Nanos last = 0;     // end of the last window with evidence
  };
  struct Callee {
    Losses clients;
    double joined = 0;
  };
  struct Trace {
    UsualSampling usual;
    CallHistory news;
    Nanos last = 0;
  };
  void LearnSides(const telemetry::WindowSet& windows);
  void EmitSides(const telemetry::WindowSet& windows, telemetry::WindowKey key, const Edge& edge,
                 std::vector<telemetry::Estimate>* estimates) const;
  void EmitTraces(const telemetry::WindowSet& windows, const telemetry::Window& window,
                  std::vector<telemetry::Estimate>* estimates);

  SamplingRate rates_;
  std::map<telemetry::WindowKey, Edge> edges_;
  std::map<telemetry::EntityId, Callee> callees_;
  std::map<telemetry::WindowKey, Trace> traces_;
};

}  // namespace tomograph::reconstruct
