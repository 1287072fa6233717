// StepName: a step of an operation as one text, Estimate::detail, and back:
//   "POST /checkout: payment POST -> catalog GET"   a hidden stretch
//   "POST /checkout: payment POST"                  where requests are when that call has returned
#pragma once

#include <string>
#include <string_view>

namespace tomograph::telemetry {

struct StepName {
  std::string operation, after, before;  // before: empty when it speaks of a point
  bool operator==(const StepName&) const = default;
};

std::string ToDetail(const StepName& name);
/// Inverse of ToDetail where no part holds ": " or " -> "; ToDetail sees to that.
StepName ParseStep(std::string_view detail);

}  // namespace tomograph::telemetry
