// Excess: seconds (or failures) per step beyond what is normal. The one currency of the ranking: it
// is conserved along calls, so a caller's excess is its callees' plus what arises in itself.
#pragma once

#include "diagnose/case_view.h"

namespace tomograph::diagnose {

struct Excess {
  double amount = 0;  // seconds or failures per step, during the incident; < 0: better than normal
  double scale = 0;   // robust deviation of the same in normal steps
  double z() const { return scale > 0 ? amount / scale : 0; }
  double positive() const { return amount > 0 ? amount : 0; }
};

/// The smaller in magnitude of (incident against normal) and (the same against the well steps just
/// before the incident); 0 where they differ in sign. The scale has a floor: 5 % of the normal
/// latency flow, or the square root of the expected failures.
Excess ExcessOf(const CaseView& view, const Flow& flow, Harm harm);

}  // namespace tomograph::diagnose
