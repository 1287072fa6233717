#include "diagnose/baseline/baseline.h"

#include <algorithm>
#include <cmath>

#include "diagnose/baseline/robust.h"

namespace tomograph::diagnose {
namespace {

constexpr double kClip = 4;  // deviations from which on a value is learned as if it were there
constexpr double kCentral80 = 2.563;  // 10th to 90th percentile of a standard normal
constexpr uint16_t kDaysToTrust = 2;
constexpr float kSlotGain = 0.05F;
constexpr size_t kSummariseEvery = 16;
constexpr Nanos kDay = 24 * kHour;

int64_t DayOf(Nanos time) { return time / kDay; }

}  // namespace

size_t Baseline::SlotOf(Nanos time) {
  return static_cast<size_t>((time % kDay + kDay) % kDay / kHour);
}

double Baseline::Deviation(Nanos time, double value) const {
  if (!ready() || !std::isfinite(value)) return 0;
  const double recent = (value - level_) / scale_;
  if (slots_.empty()) return recent;
  const Slot& slot = slots_[SlotOf(time)];
  if (slot.days < kDaysToTrust) return recent;
  const double seasonal = (value - slot.level) / std::max<double>(scale_, slot.spread);
  if (recent * seasonal <= 0) return 0;
  return std::copysign(std::min(std::abs(recent), std::abs(seasonal)), recent);
}

void Baseline::Learn(Nanos time, double value) {
  if (!std::isfinite(value)) return;
  if (ready()) value = std::clamp(value, level_ - kClip * scale_, level_ + kClip * scale_);
  LearnSlot(time, value);
  if (recent_.size() < kRemembered) {
    recent_.push_back(static_cast<float>(value));
  } else {
    recent_[next_] = static_cast<float>(value);
    next_ = (next_ + 1) % kRemembered;
  }
  // A full ring hardly changes from one value to the next.
  if (recent_.size() < kRemembered || next_ % kSummariseEvery == 0) Summarise();
}

void Baseline::Summarise() {
  const std::vector<double> values(recent_.begin(), recent_.end());
  const std::vector<double> sorted = SortedFinite(values);
  level_ = QuantileOfSorted(sorted, 0.5);
  // The shortest half alone would call the tail of a short history abnormal.
  const double tails = (QuantileOfSorted(sorted, 0.9) - QuantileOfSorted(sorted, 0.1)) / kCentral80;
  const double floor = std::max(floors_.relative * std::abs(level_), floors_.absolute);
  scale_ = std::max(RobustScale(sorted, floor), tails);
}

void Baseline::LearnSlot(Nanos time, double value) {
  const int64_t day = DayOf(time);
  if (first_day_ < 0) first_day_ = day;
  if (slots_.empty()) {
    if (day == first_day_) return;
    slots_.resize(24);
  }
  Slot& slot = slots_[SlotOf(time)];
  const float v = static_cast<float>(value);
  if (slot.days == 0) slot.level = v;
  const float off = v - slot.level;
  slot.level += kSlotGain * off;
  slot.spread += kSlotGain * (1.4826F * std::abs(off) - slot.spread);
  if (slot.last_day != static_cast<int32_t>(day)) {
    slot.last_day = static_cast<int32_t>(day);
    if (slot.days < UINT16_MAX) ++slot.days;
  }
}

}  // namespace tomograph::diagnose
