// Volume: how many calls there were, and how many failed, per entity and edge, whatever share of
// the traces was kept.
//
// Assumptions. A trace is kept or dropped as a whole, with a probability p that does not depend on
// what happens in it. Metrics count all calls.
//
// Formulas. All spans there: counted. Weights w = 1/p known: what is seen and w - 1 for each trace
// that such a window leaves; how many those are is gamma distributed given the seen ones and the
// windows before (call_history.h), so that the unseen part is negative binomial. Without a past it
// is the Horvitz-Thompson total (1952) under a Jeffreys prior, which stays right for few sampled
// calls. The calls that a trace makes together come from its design variance. Metrics there: their
// total, with the variance of splitting exports between windows, n f (1-f) for single calls, as
// much more or less as this count scatters between windows (count_scatter.h); never below what was
// seen. Failures that metrics do not tell are the seen ones plus a beta-binomial share of the
// unseen rest, in one of two regimes: well, as usual here, or ill, as in this outbreak so far
// (failure_history.h), each as likely as the windows so far and the seen ones make it. Neither
// weights nor metrics of its own: p learned from neighbours that have both (sampling_rate.h), its
// doubt included.
//
// Wrong when. Tail samplers keep errors or slow traces preferentially without saying so in
// tracestate; spans are lost in transit on top of sampling (then p is smaller than told: metrics
// show it, weights do not); nobody says that a sampler exists and no metrics give it away (the note
// says so).
#pragma once

#include <map>

#include "reconstruct/call_history.h"
#include "reconstruct/count_scatter.h"
#include "reconstruct/failure_history.h"
#include "reconstruct/span_evidence.h"
#include "reconstruct/state_model.h"

namespace tomograph::reconstruct {

class VolumeModel : public StateModel {
 public:
  std::string_view name() const override { return "volume"; }
  void Update(const telemetry::WindowSet& windows,
              std::vector<telemetry::Estimate>* estimates) override;

 private:
  struct Known {
    UsualSampling usual;
    double failed_cluster = 1;  // usual failures of one trace that has any
    CallHistory calls;
    FailureHistory failures;
    CountScatter calls_scatter, failed_scatter;  // of what metrics count
    Nanos last = 0;                              // end of the last window with evidence
  };
  struct Answer;
  static double UsualCluster(const SpanEvidence& e, const Known& known);
  Answer Calls(const telemetry::Window& w, const SpanEvidence& e, Known* known,
               uint64_t seed) const;
  Answer Failed(const telemetry::Window& w, const SpanEvidence& e, const Answer& calls,
                Known* known, uint64_t seed);

  SamplingRate rates_;
  double all_calls_ = 0, all_failed_ = 0;  // seen outside outbreaks, with forgetting
  std::map<telemetry::WindowKey, Known> known_;
};

}  // namespace tomograph::reconstruct
