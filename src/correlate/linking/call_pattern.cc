#include "correlate/linking/call_pattern.h"

#include <bit>

namespace tomograph::correlate::linking {
namespace {

// Weight of what is not seen, in requests: as if calls were independent, and a trifle for each
// pattern where there are few, so that a lost call does not make a request impossible.
constexpr double kIndependent = 0.25;
constexpr double kEach = 0.02;

}  // namespace

float CallPattern::LogUnseen(uint64_t used) const {
  double total = log_unseen_weight_;
  for (size_t k = 0; k < log_with_.size(); ++k) {
    total += used >> k & 1 ? log_with_[k] : log_without_[k];
  }
  return static_cast<float>(total);
}

void CallPattern::Learn(const std::vector<uint64_t>& used, int slots) {
  table_.clear();
  common_.clear();
  log_with_.assign(slots, 0);
  log_without_.assign(slots, 0);
  most_common_ = 0;
  const auto n = static_cast<double>(used.size());
  const double each = slots <= kTableSlots ? kEach : 0;
  const double total = n + kIndependent + each * std::exp2(std::min(slots, kTableSlots));
  log_unseen_weight_ = std::log(kIndependent / total);
  std::unordered_map<uint64_t, double> counts;
  std::vector<double> with(slots, 0.0);
  for (const uint64_t mask : used) {
    ++counts[mask];
    for (uint64_t rest = mask; rest != 0; rest &= rest - 1) ++with[std::countr_zero(rest)];
  }
  for (int k = 0; k < slots; ++k) {
    log_with_[k] = static_cast<float>(std::log((with[k] + .5) / (n + 1)));
    log_without_[k] = static_cast<float>(std::log((n - with[k] + .5) / (n + 1)));
  }
  double most = 0;
  for (const auto& [mask, count] : counts) {
    if (count > most || (count == most && mask < most_common_)) most = count, most_common_ = mask;
  }
  if (slots <= kTableSlots) {
    table_.resize(size_t{1} << slots);
    for (uint64_t mask = 0; mask < table_.size(); ++mask) {
      const auto it = counts.find(mask);
      const double count = it == counts.end() ? 0 : it->second;
      table_[mask] = static_cast<float>(
          std::log(count / total + each / total + std::exp(static_cast<double>(LogUnseen(mask)))));
    }
    return;
  }
  for (const auto& [mask, count] : counts) {
    common_[mask] = static_cast<float>(
        std::log(count / total + std::exp(static_cast<double>(LogUnseen(mask)))));
  }
}

}  // namespace tomograph::correlate::linking
