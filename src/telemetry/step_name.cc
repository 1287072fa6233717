#include "telemetry/step_name.h"

namespace tomograph::telemetry {
namespace {

constexpr std::string_view kColon = ": ";
constexpr std::string_view kArrow = " -> ";

/// A name that holds a separator loses the blanks around it.
std::string Plain(std::string text) {
  for (const std::string_view separator : {kColon, kArrow}) {
    for (size_t at; (at = text.find(separator)) != std::string::npos;) {
      const size_t first = separator.front() == ' ' ? 1 : 0;
      text.replace(at, separator.size(), separator.substr(first, separator.size() - first - 1));
    }
  }
  return text;
}

}  // namespace

std::string ToDetail(const StepName& name) {
  std::string detail = Plain(name.operation);
  detail.append(kColon).append(Plain(name.after));
  if (!name.before.empty()) detail.append(kArrow).append(Plain(name.before));
  return detail;
}

StepName ParseStep(std::string_view detail) {
  StepName name;
  const size_t colon = detail.find(kColon);
  if (colon == std::string_view::npos) return name;
  name.operation = detail.substr(0, colon);
  detail.remove_prefix(colon + kColon.size());
  const size_t arrow = detail.find(kArrow);
  name.after = detail.substr(0, arrow);
  if (arrow != std::string_view::npos) name.before = detail.substr(arrow + kArrow.size());
  return name;
}

}  // namespace tomograph::telemetry
