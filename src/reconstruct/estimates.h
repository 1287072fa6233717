// The shape that all models' estimates share.
#pragma once

#include <limits>
#include <string>

#include "reconstruct/posterior.h"
#include "telemetry/batch.h"
#include "telemetry/window.h"

namespace tomograph::reconstruct {

inline constexpr Nanos kForgetSilent = kHour;  // after that, what is silent is no longer spoken of

inline telemetry::Estimate EstimateOf(std::string_view state, telemetry::WindowKey key,
                                      const telemetry::WindowSet& windows, std::string_view unit) {
  telemetry::Estimate e;
  e.state = state;
  e.entity = key.entity;
  e.caller = key.caller;
  e.start = windows.start;
  e.length = windows.length;
  e.unit = unit;
  e.value = std::numeric_limits<double>::quiet_NaN();
  e.i50 = e.i90 = {e.value, e.value};
  e.basis = telemetry::Basis::kMissing;
  return e;
}

inline telemetry::EvidenceId WindowEvidence(telemetry::WindowKey key, Nanos start) {
  return "window:" + telemetry::SpanIdToHex(static_cast<uint64_t>(key.entity)) + ":" +
         std::to_string(start);
}

inline void Fill(const Spread& spread, telemetry::Basis basis, double confidence,
                 std::string_view method, telemetry::Estimate* e) {
  e->value = spread.value;
  e->i50 = spread.i50;
  e->i90 = spread.i90;
  e->basis = basis;
  e->confidence = confidence;
  e->method = method;
}

}  // namespace tomograph::reconstruct
