// Step: how long the hidden stretches inside a service's requests take, between the calls that they
// are seen to make, and how many requests go on from each of them. Per operation and step, with
// Estimate::detail naming it (telemetry/step_name.h). R13: a process that is not instrumented
// inside.
//
//   step_duration_p50, step_duration_p95  of the step, s
//   step_completion   of the requests for which the call `after` has returned (or that have begun),
//                     the share that goes on: makes another call or, where it is usual to end
//                     there, ends without failing. What fails later is charged to where it stopped,
//                     so that the product along the way is the share that succeeds.
//
// Durations. N passed here, of which n were seen and U = N - n not, 1/p - 1 for each that windows
// like this and those before leave (call_history.h). The unseen are draws of the same distribution,
// known from the pool of n and, when these are few, of the windows before (together at most
// kEnough, a twentieth forgotten a window, and none of it when the median of the last windows would
// be an outlier there). So the rank of the q-quantile of all N in
// (n seen + U x pool) / N scatters by
//     Var = s q (1-q) U (1 + U / pool) / N^2
// where s >= 1 is how much more the medians of windows stray among the past than those of
// independent draws. With s = 1 and without a past it is q (1-q) (1 - n/N) / n, the
// finite-population variance. The interval is that between the order statistics at Wilson's bounds
// (1927) for n' = q (1-q) / Var draws: no form of the distribution is assumed. Where the upper one
// lies beyond what was seen, a quantile is missing.
//
// Completion. Usual is an end that at least a twentieth of the requests had there, over half an
// hour or more. Stops among the unseen: beta-binomial in one of two regimes (failure_history.h), as
// failures of calls; what N is not known by, sqrt(U / p) / N of the share that stops, is added.
//
// Assumes that calls are told by their client's spans, that a request waits for the calls it makes,
// and that traces are kept whatever their steps. Wrong when spans get lost on top (a step then
// spans the lost call, and the request seems to have stopped: `confidence` falls by the share of
// orphans); when a request makes a call again and again in a loop its passes are not independent,
// and intervals are too narrow; when a tail sampler prefers slow requests without saying so. A new
// early return counts as a stop until it is usual, minutes or half an hour later.
#pragma once

#include <algorithm>
#include <map>
#include <string>

#include "reconstruct/call_history.h"
#include "reconstruct/failure_history.h"
#include "reconstruct/span_evidence.h"
#include "reconstruct/state_model.h"
#include "telemetry/ddsketch.h"

namespace tomograph::reconstruct {

class StepModel : public StateModel {
 public:
  /// Of an entity, those passed most: what is shown. All are known, up to kMostPoints.
  static constexpr size_t kShownSteps = 16;
  static constexpr size_t kMostPoints = 128;  // beyond, the rarest is forgotten

  std::string_view name() const override { return "step"; }
  void Update(const telemetry::WindowSet& windows,
              std::vector<telemetry::Estimate>* estimates) override;

 private:
  struct Next {
    telemetry::DDSketch past, fresh;  // durations, a piece of news each; of the last few windows
    CallHistory news;                 // requests that a sampler left of a window
    double usual = 0;                 // requests that went on with it, slowly forgotten
    double recent = 0;
    const telemetry::StepStats* now = nullptr;
  };
  struct Point {
    std::map<std::string, Next> nexts;
    FailureHistory stops;
    double usual = 0;   // of all nexts
    double recent = 0;  // requests seen here, quickly forgotten: what is shown
    // Of the window at hand:
    double seen = 0, stopped = 0;
    double ill = 0;  // probability that it belongs to an outbreak of stops
  };
  using PointKey = std::pair<std::string, std::string>;  // operation, after
  /// How much more the median of a window strays among the durations before than that of
  /// independent draws would: requests of one window share a machine and its moods.
  struct Scatter {
    double squares = 0, windows = 0;
    void Learn(const telemetry::StepStats& now, const telemetry::DDSketch& past);
    double index() const { return std::clamp((squares + 20) / (windows + 20), 1.0, 4.0); }
  };
  struct Known {
    Scatter scatter;
    std::map<PointKey, Point> points;
    Nanos last = 0;
  };
  struct Scale;

  static void TakeWindow(const telemetry::Window& window, Known* known);
  static void Trim(Known* known);
  void Emit(telemetry::EntityId entity, const Scale& scale, const telemetry::WindowSet& windows,
            Known* known, std::vector<telemetry::Estimate>* estimates) const;
  static void EmitDurations(const telemetry::Estimate& shape, const Scale& scale, const Next& next,
                            std::vector<telemetry::Estimate>* estimates);
  static telemetry::Estimate Completion(telemetry::Estimate shape, const Scale& scale,
                                        Point* point);
  static void Learn(Known* known);

  SamplingRate rates_;
  double all_stopped_ = 0, all_seen_ = 0;  // outside outbreaks, with forgetting
  std::map<telemetry::EntityId, Known> known_;
};

}  // namespace tomograph::reconstruct
