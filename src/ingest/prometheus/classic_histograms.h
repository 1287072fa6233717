// Puts the lines x_bucket{le="..."}, x_sum and x_count of one metric family together again. The
// lines of one histogram may come in any order within the family.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "ingest/tally.h"
#include "telemetry/batch.h"

namespace tomograph::ingest::prometheus {

class ClassicHistograms {
 public:
  enum class Part { kBucket, kSum, kCount, kCreated };

  /// `upper_bound` matters for kBucket alone; a kCreated value is in seconds since the epoch. The
  /// histogram is counted as received with its first part. A value that cannot be such a part (a
  /// negative or fractional count) is a lost record by itself.
  void Add(telemetry::SeriesId series, Nanos time, Part part, double upper_bound, double value,
           Tally* tally);

  /// Appends one row each, in the order of their first lines, counts them and forgets them. Buckets
  /// that fall or disagree with the count are put right (kBucketsRepaired); parts without any
  /// bucket or count are kMalformed.
  void Flush(telemetry::SampleBatch::Histograms* out, Tally* tally);

  size_t size() const { return pending_.size(); }

 private:
  struct Pending {
    telemetry::SeriesId series;
    Nanos time;
    Nanos start = 0;
    double sum;                                      // NaN: not given
    double count = -1;                               // -1: not given
    std::vector<std::pair<double, double>> buckets;  // upper bound, cumulative count
  };
  static void FlushOne(Pending* p, telemetry::SampleBatch::Histograms* out, Tally* tally);

  std::vector<Pending> pending_;
  std::map<std::pair<telemetry::SeriesId, Nanos>, size_t> index_;
};

}  // namespace tomograph::ingest::prometheus
