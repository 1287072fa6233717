// Histogram points of OTLP -> the buckets of SampleBatch::Histograms: ascending inclusive upper
// bounds, the last of them +inf, with counts that add up to the point's count.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "ingest/otlp/record_tally.h"

namespace tomograph::ingest::otlp {

struct Buckets {
  std::vector<double> upper_bound;
  std::vector<uint64_t> count;
};

/// The explicit form. False when bounds do not ascend or do not fit the counts; a total that
/// disagrees is put right from the buckets.
bool ExplicitBuckets(std::vector<double>* bounds, std::vector<uint64_t>* counts, uint64_t* total,
                     Buckets* out, Repairs* repairs);

struct ExponentialSide {
  int32_t offset = 0;
  std::vector<uint64_t> counts;
};
struct ExponentialPoint {
  int32_t scale = 0;
  uint64_t zero_count = 0;
  double zero_threshold = 0;
  ExponentialSide positive, negative;
};

/// Bucket i of the positive side is (base^(offset+i), base^(offset+i+1)] with base = 2^(2^-scale);
/// the negative side mirrors it. Empty buckets are spelled out only as the lower edge of a full
/// one. False when the scale is outside of what the specification allows.
bool ExponentialBuckets(const ExponentialPoint& point, uint64_t* total, Buckets* out,
                        Repairs* repairs);

}  // namespace tomograph::ingest::otlp
