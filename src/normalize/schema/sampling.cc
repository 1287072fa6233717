#include "normalize/schema/sampling.h"

#include <charconv>
#include <cstdint>

namespace tomograph::normalize {
namespace {

constexpr size_t kDigits = 14;

/// Cuts the text up to `separator` off `rest`.
std::string_view Next(std::string_view* rest, char separator) {
  const size_t end = rest->find(separator);
  const std::string_view part = rest->substr(0, end);
  rest->remove_prefix(end == std::string_view::npos ? rest->size() : end + 1);
  return part;
}

std::optional<double> ProbabilityOf(std::string_view threshold) {
  if (threshold.empty() || threshold.size() > kDigits) return std::nullopt;
  uint64_t value = 0;
  const char* end = threshold.data() + threshold.size();
  const auto [stopped, error] = std::from_chars(threshold.data(), end, value, 16);
  if (error != std::errc() || stopped != end) return std::nullopt;
  value <<= 4 * (kDigits - threshold.size());
  // Subtracted as integers: 1 - T / 2^56 in doubles is 0 for the largest thresholds.
  return static_cast<double>((uint64_t{1} << 56) - value) * 0x1p-56;
}

}  // namespace

std::optional<double> SamplingProbability(std::string_view trace_state) {
  while (!trace_state.empty()) {
    std::string_view member = Next(&trace_state, ',');
    while (!member.empty() && (member.front() == ' ' || member.front() == '\t'))
      member.remove_prefix(1);
    if (!member.starts_with("ot=")) continue;
    member.remove_prefix(3);
    while (!member.empty()) {
      std::string_view field = Next(&member, ';');
      while (!field.empty() && (field.back() == ' ' || field.back() == '\t'))
        field.remove_suffix(1);
      if (field.starts_with("th:")) return ProbabilityOf(field.substr(3));
    }
  }
  return std::nullopt;
}

}  // namespace tomograph::normalize
