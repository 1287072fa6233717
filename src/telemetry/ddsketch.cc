#include "telemetry/ddsketch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace tomograph::telemetry {
namespace {
// 50 buckets of equal width an octave: the widest relative to its values is the octave's first,
// [1, 1.02), whose middle is 1 % from its lower end.
constexpr int kPerOctave = 50;
constexpr double kSmallest = 1e-9;
}  // namespace

int DDSketch::Index(double value) {
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  const int exponent = static_cast<int>(bits >> 52 & 0x7ff) - 1023;
  const double mantissa =
      std::bit_cast<double>((bits & 0xfffffffffffffULL) | 0x3ff0000000000000ULL);
  return exponent * kPerOctave + static_cast<int>((mantissa - 1) * kPerOctave);
}

double DDSketch::ValueOf(int index) {
  const int octave = index >= 0 ? index / kPerOctave : -((-index + kPerOctave - 1) / kPerOctave);
  const int step = index - octave * kPerOctave;
  return std::ldexp(1 + (step + 0.5) / kPerOctave, octave);
}

void DDSketch::Reserve(int index) {
  if (buckets_.empty()) {
    first_ = index;
    buckets_.push_back(0);
    return;
  }
  const int last = first_ + static_cast<int>(buckets_.size()) - 1;
  if (index >= first_ && index <= last) return;
  if (index > last) {
    buckets_.resize(static_cast<size_t>(index - first_) + 1, 0);
    const int excess = static_cast<int>(buckets_.size()) - kMaxBuckets;
    if (excess > 0) {  // the lowest collapse into one: high quantiles are what people ask for
      double collapsed = 0;
      for (int i = 0; i <= excess; ++i) collapsed += buckets_[static_cast<size_t>(i)];
      buckets_.erase(buckets_.begin(), buckets_.begin() + excess);
      buckets_[0] = collapsed;
      first_ += excess;
    }
    return;
  }
  const int lowest = std::max(index, last - kMaxBuckets + 1);
  if (lowest < first_) {
    buckets_.insert(buckets_.begin(), static_cast<size_t>(first_ - lowest), 0);
    first_ = lowest;
  }
}

void DDSketch::Add(double value, double weight) {
  if (!(value >= 0) || !std::isfinite(value) || !(weight > 0)) return;
  count_ += weight;
  sum_ += value * weight;
  if (value < kSmallest) {
    zero_ += weight;
    return;
  }
  const int index = Index(value);
  Reserve(index);
  buckets_[static_cast<size_t>(std::max(index, first_) - first_)] += weight;
}

void DDSketch::Merge(const DDSketch& other) {
  count_ += other.count_;
  sum_ += other.sum_;
  zero_ += other.zero_;
  if (other.buckets_.empty()) return;
  Reserve(other.first_ + static_cast<int>(other.buckets_.size()) - 1);
  Reserve(other.first_);
  for (size_t i = 0; i < other.buckets_.size(); ++i) {
    if (other.buckets_[i] == 0) continue;
    const int index = std::max(other.first_ + static_cast<int>(i), first_);
    buckets_[static_cast<size_t>(index - first_)] += other.buckets_[i];
  }
}

double DDSketch::Quantile(double q) const {
  if (count_ <= 0) return std::numeric_limits<double>::quiet_NaN();
  const double rank = std::clamp(q, 0.0, 1.0) * count_;
  double below = zero_;
  if (zero_ > 0 && rank <= below) return 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    below += buckets_[i];
    if (below >= rank && buckets_[i] > 0) return ValueOf(first_ + static_cast<int>(i));
  }
  // Rounding left the rank a hair above the total: the highest value.
  for (size_t i = buckets_.size(); i > 0; --i)
    if (buckets_[i - 1] > 0) return ValueOf(first_ + static_cast<int>(i) - 1);
  return 0;
}

double DDSketch::RankOf(double value) const {
  if (count_ <= 0) return std::numeric_limits<double>::quiet_NaN();
  if (!(value >= 0)) return 0;
  double below = zero_;
  const int index = value < kSmallest ? INT32_MIN : std::isfinite(value) ? Index(value) : INT32_MAX;
  for (size_t i = 0; i < buckets_.size() && first_ + static_cast<int>(i) <= index; ++i)
    below += buckets_[i];
  return below / count_;
}

void DDSketch::Scale(double factor) {
  for (double& weight : buckets_) weight *= factor;
  zero_ *= factor;
  count_ *= factor;
  sum_ *= factor;
}

void DDSketch::Clear() { *this = DDSketch(); }

}  // namespace tomograph::telemetry
