#include "ingest/otlp/histogram.h"

#include <algorithm>
#include <cmath>

namespace tomograph::ingest::otlp {

using telemetry::Reason;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int32_t kMinScale = -11;  // one bucket is then all of a double's range
constexpr int32_t kMaxScale = 20;

/// Senders read their counters one after the other, so the total may be off: the buckets decide.
bool SettleTotal(const std::vector<uint64_t>& counts, uint64_t* total, Repairs* repairs) {
  uint64_t sum = 0;
  for (const uint64_t n : counts) {
    if (__builtin_add_overflow(sum, n, &sum)) return false;
  }
  if (sum != *total) {
    repairs->Note(Reason::kBucketsRepaired);
    *total = sum;
  }
  return true;
}

/// Appends in ascending order; what rounds to nothing joins its lower neighbour.
class AscendingBuckets {
 public:
  explicit AscendingBuckets(Buckets* out) : out_(*out) {}
  void Add(double lower, double upper, uint64_t count) {
    if (count == 0) return;
    upper = std::max(upper, std::numeric_limits<double>::lowest());  // edges may round to infinity
    if (lower > last_) Push(lower, 0);
    if (upper > last_) {
      Push(upper, count);
    } else {
      out_.count.back() += count;
    }
  }
  void Close() {
    if (last_ < kInfinity) Push(kInfinity, 0);
  }

 private:
  void Push(double upper, uint64_t count) {
    out_.upper_bound.push_back(upper);
    out_.count.push_back(count);
    last_ = upper;
  }
  Buckets& out_;
  double last_ = -kInfinity;
};

}  // namespace

bool ExplicitBuckets(std::vector<double>* bounds, std::vector<uint64_t>* counts, uint64_t* total,
                     Buckets* out, Repairs* repairs) {
  if (counts->empty() && bounds->empty()) counts->push_back(*total);  // count and sum only
  if (counts->size() != bounds->size() + 1) return false;
  double last = -kInfinity;
  for (const double bound : *bounds) {
    if (!(bound > last)) return false;  // NaN, too
    last = bound;
  }
  if (!bounds->empty() && last == kInfinity) {  // a bound that says what is said by the last bucket
    (*counts)[counts->size() - 2] += counts->back();
    counts->pop_back();
    bounds->pop_back();
    repairs->Note(Reason::kBucketsRepaired);
  }
  if (!SettleTotal(*counts, total, repairs)) return false;
  out->upper_bound = *bounds;
  out->upper_bound.push_back(kInfinity);
  out->count = *counts;
  return true;
}

bool ExponentialBuckets(const ExponentialPoint& point, uint64_t* total, Buckets* out,
                        Repairs* repairs) {
  if (point.scale < kMinScale || point.scale > kMaxScale) return false;
  if (!(point.zero_threshold >= 0) || point.zero_threshold == kInfinity) return false;
  const auto edge = [&](int32_t offset, size_t i) {
    return std::exp2(
        std::ldexp(static_cast<double>(offset) + static_cast<double>(i), -point.scale));
  };
  out->upper_bound.clear();
  out->count.clear();
  AscendingBuckets buckets(out);
  const ExponentialSide& below = point.negative;
  for (size_t i = below.counts.size(); i-- > 0;) {
    buckets.Add(-edge(below.offset, i + 1), -edge(below.offset, i), below.counts[i]);
  }
  buckets.Add(point.zero_threshold > 0 ? -point.zero_threshold : -kInfinity, point.zero_threshold,
              point.zero_count);
  const ExponentialSide& above = point.positive;
  for (size_t i = 0; i < above.counts.size(); ++i) {
    buckets.Add(edge(above.offset, i), edge(above.offset, i + 1), above.counts[i]);
  }
  buckets.Close();
  return SettleTotal(out->count, total, repairs);
}

}  // namespace tomograph::ingest::otlp
