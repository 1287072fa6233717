// PairClock: the difference of two hosts' clocks over time, from one OffsetBand a window.
//
// State (offset, drift) in a Kalman filter. Measurement of a window: the middle of its band at the
// known drift; its variance comes from how far the fastest calls lie apart (the k-th fastest minus
// the fastest, over k: the spacing of the smallest of a sample). A side of lax points (late_ends.h)
// has no tightest that means anything: then the median of what its calls make likely, which the
// few late ones among them do not move far, within the band. Process noise: drift wanders by
// kDriftWander a square root of a second. What a window may say beyond noise, tried in this order:
//
//   consistent     a line fits the band, and agrees with the state
//   rate change    of a drift that is known, or by more than kMaxSlope: one line fits before some
//                  instant and another after it that begins on it (rate_change.h), and this
//                  explains far more than a step or outliers do: the clock is slewed, and its
//                  drift is anew what is seen of it
//   outliers       a line does once the few tightest points are left out (bad spans)
//   step           one line fits before some instant and another after it; the drift stays
//   contradiction  nothing of this: the window is not used, and bounds nothing
//
// A jump is a step before it is drift: of a drift that nothing is known of, kUsualDrift is
// expected, as of two quartz oscillators. A second step in a row to the same side may be drift
// after all.
//
// The bounds hang on none of this: they hold whether or not a step was seen (one_step.h), and where
// one was seen, for every instant at which it may have been. Lines are as steep as NTP slews and as
// the drift that is known; where none of these fits, and after a change of rate, as kMaxSlew.
//
// Wrong when: delays differ by direction (the estimate is off by half the difference, the bound
// still holds); a step is smaller than the noise of a window (then the estimate takes it up over
// some windows); the fastest calls of one window are few.
#pragma once

#include <array>
#include <optional>

#include "base/nanotime.h"
#include "correlate/clocks/offset_band.h"
#include "correlate/clocks/one_step.h"

namespace tomograph::correlate {

/// What is known of a pair in one stretch of a window. Values are ns above `base`, at the window's
/// middle; `bounds` at its start, middle and end.
struct PairLevel {
  double offset = 0, variance = 0;
  double drift = 0, drift_variance = 0;  // ns a second
  std::array<OffsetInterval, 3> bounds;  // infinite where nothing bounds
};

struct PairWindow {
  enum class Verdict { kConsistent, kOutliers, kStep, kRateChange, kContradiction };
  Verdict verdict = Verdict::kConsistent;
  bool turned() const { return verdict == Verdict::kStep || verdict == Verdict::kRateChange; }
  bool measured = false;  // offset and drift are known (from this window or before)
  Nanos base = 0;
  PairLevel before, after;            // the same without a step
  double step_from = 0, step_to = 0;  // seconds from the window's middle
  double step_at = 0;                 // most likely
  double may_from = 0, may_to = 0;    // no calls contradict a step in here; the bounds allow for it
  bool at_start = false;  // the step was over before the window: `before` is `after`, and step_from
                          // may reach back before it
  double vouched_to = 0;  // until here calls in both directions say that there was no other step
  double covered_to = 0;  // until here the bounds allow for one that nobody saw
  double size = 0;        // of the step, or of the contradiction; ns
  size_t left_out = 0;    // points
  double spread = 0;      // of a step: of the points about its two levels, ns in all
  bool well_seen = false;  // a step with enough calls on both sides of it
};

class PairClock {
 public:
  /// Windows in order, with at least one call each. `slack`: how coarsely the clocks are read.
  /// `anew`: the band was come by in another way than the last one, so that its middle is another
  /// one too; the drift is not.
  PairWindow Close(const OffsetBand& band, Nanos start, Nanos length, Nanos slack, bool anew);
  /// One of the two may have stepped after the last calls of the newest window. Calls in both
  /// directions in the next one tell; without them nothing is known of the offset any more.
  void Distrust() { distrusted_ = true; }
  bool distrusted() const { return distrusted_; }
  /// What is known in the middle of a window without calls; nothing after telemetry::kClockMemory.
  std::optional<PairWindow> Predict(Nanos start, Nanos length) const;
  Nanos last_contact() const { return last_contact_; }

 private:
  struct Reading {
    double middle = 0, variance = 0, gap = 0;
  };
  Reading Read(const BandPoints& points) const;
  double NoiseOf(const BandPoints& points) const;
  bool TakeStep(const BandPoints& before, const BandPoints& after, double half, PairWindow* out);
  void Advance(double seconds);
  void Update(const Reading& reading);
  bool Agrees(const Reading& reading) const;
  bool TryOutliers(BandPoints* points, PairWindow* out) const;
  bool TryStep(const BandPoints& points, double half, PairWindow* out);
  bool Split(const BandPoints& points, double half, bool by_start, PairWindow* out);
  double BesideKnown(const BandPoints& before, const BandPoints& after) const;
  bool TryRateChange(const BandPoints& points, double half, PairWindow* out);
  bool StepsRather(const BandPoints& points, double half, bool consistent, PairWindow* out);
  void Start(const Reading& reading);
  void ForgetOffset();
  PairLevel Level(const BandPoints& points, double half) const;
  void CarryOver(const BandPoints& points, double half, PairLevel* level);
  void BoundUnstepped(const BandPoints& points, double half, PairWindow* out);
  void BoundStepped(const BandPoints& points, const PairClock& after, double half,
                    PairWindow* out) const;
  OffsetInterval Carried(double seconds) const;
  Covered CoveredIn(const BandPoints& points, OffsetInterval carried, double half) const;
  void Doubt();
  bool DriftKnown() const;
  DriftRange PossibleDrift() const;
  DriftRange DriftNearby() const;
  DriftRange AllowedDrift() const;
  BandFit Fit(const BandPoints& points) const;
  void Learn(const BandPoints& points);

  bool known_ = false;
  bool distrusted_ = false;
  double coarse_ = 0;  // ns: how exactly a band can be read at all
  Nanos base_ = 0;
  Nanos at_ = 0;                        // of the state: a window's middle
  double offset_ = 0, drift_ = 0;       // ns above base_, ns a second
  double p00_ = 0, p01_ = 0, p11_ = 0;  // covariance
  double scale_squared_ = 0;            // of a window's middle, smoothed; 0: none yet
  double usual_gap_ = 0;                // of a window's calls, ns, smoothed; 0: none yet
  double suspicion_ = 0;                // the last disagreement in standard deviations, signed
  bool unexplained_ = false;            // the last window was a contradiction
  double last_step_ = 0;                // ns, of the last window; 0: it had none
  Nanos last_contact_ = 0;
  std::array<OffsetInterval, 3> bounds_;  // of the newest window with calls
  OffsetInterval carried_;  // what that one says of its end, if it had no step that was not seen
};

}  // namespace tomograph::correlate
