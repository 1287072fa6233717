// Queue: requests in service (in_flight, the mean over the window) and requests waiting
// (queue_depth), per entity and edge.
//
// Assumptions. A span's time is time in service. A gauge is read now and then: a noisy look at the
// mean.
//
// Formulas. All spans there: in_flight = sum of overlaps / window, observed. Sampled: the seen
// traces' time in the window, and that of the unseen ones, as many and as long as this window and
// the ones before say (trace_time.h; a gamma above what was seen). Metrics only: Little's law
// (Little 1961) on the durations of the calls that ended, sum d / window; what calls across the
// borders leave open has variance 2 lambda E[D^3] / 3. A gauge with k readings: variance N/k less
// what the length of calls correlates. Views are weighted by precision; two that go by the same
// count of calls share its error. Where a gauge and a reconstruction meet, the reconstruction's
// width learns (conformal_width.h).
//   queue_depth of an edge: time that calls spent between caller and callee beyond the normal
// network share (network_share.h) / window. Of an entity: its pending gauge if it has one; else the
// time in which its requests wait for a connection by the spans that take one, / window, sampled as
// above; else the sum over the edges into it.
//
// Wrong when. Calls last longer than the correlator's lateness (their time is cut); a caller's span
// covers work of its own around the call (that looks like waiting); the service was never seen idle
// (then its usual wait counts as network); taking a connection and making one are one span (then
// making it counts as waiting); clients time out and leave work behind that nobody's
// span shows.
#pragma once

#include <map>
#include <vector>

#include "reconstruct/conformal_width.h"
#include "reconstruct/count_scatter.h"
#include "reconstruct/network_share.h"
#include "reconstruct/posterior.h"
#include "reconstruct/span_evidence.h"
#include "reconstruct/state_model.h"
#include "reconstruct/trace_time.h"

namespace tomograph::reconstruct {

class QueueModel : public StateModel {
 public:
  std::string_view name() const override { return "queue"; }
  void Update(const telemetry::WindowSet& windows,
              std::vector<telemetry::Estimate>* estimates) override;

 private:
  struct Known {
    UsualSampling usual;
    CountScatter scatter;  // of the calls that metrics count
    TraceTime busy;        // in flight
    TraceTime taking;      // waiting for a connection
    NetworkShare network;
    Nanos last = 0;
  };
  /// The queue of one edge into `entity`, before what is below zero is cut off.
  struct Waiting {
    telemetry::EntityId entity;
    double mean, sd;
  };
  struct View;  // one witness' word: moments and where they come from

  View FromSpans(const telemetry::Window& w, const SpanEvidence& e, Known* known,
                 double length_s) const;
  telemetry::Estimate InFlight(const telemetry::Window& w, const telemetry::WindowSet& windows,
                               Known* known);
  telemetry::Estimate EdgeQueue(const telemetry::Window& w, const telemetry::WindowSet& windows,
                                Known* known, std::vector<Waiting>* waiting);
  telemetry::Estimate EntityQueue(const telemetry::Window& w, const telemetry::WindowSet& windows,
                                  const std::vector<Waiting>& waiting, Known* known);
  void Silent(const telemetry::WindowSet& windows, std::vector<telemetry::Estimate>* estimates);

  SamplingRate rates_;
  std::map<telemetry::WindowKey, Known> known_;
  ConformalWidth sampled_width_, little_width_;
};

}  // namespace tomograph::reconstruct
