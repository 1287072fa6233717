#include "ingest/prometheus/classic_histograms.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tomograph::ingest::prometheus {
namespace {

using telemetry::Reason;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kMaxCount = 9007199254740992.0;  // 2^53: beyond it a double does not count

bool IsCount(double x) { return x >= 0 && x <= kMaxCount && x == std::floor(x); }

}  // namespace

void ClassicHistograms::Add(telemetry::SeriesId series, Nanos time, Part part, double upper_bound,
                            double value, Tally* tally) {
  const bool counts = part == Part::kBucket || part == Part::kCount;
  const bool valid = (counts ? IsCount(value) : std::isfinite(value)) &&
                     !(part == Part::kBucket && std::isnan(upper_bound));
  if (!valid) {
    tally->Received();
    return tally->Lose(Reason::kMalformed);
  }

  const auto [it, is_new] = index_.try_emplace({series, time}, pending_.size());
  if (is_new) {
    tally->Received();
    pending_.emplace_back();
    pending_.back().series = series;
    pending_.back().time = time;
    pending_.back().sum = kNan;
  }
  Pending& p = pending_[it->second];
  switch (part) {
    case Part::kBucket:
      p.buckets.emplace_back(upper_bound, value);
      break;
    case Part::kSum:
      p.sum = value;
      break;
    case Part::kCount:
      p.count = value;
      break;
    case Part::kCreated:
      p.start = FromSeconds(value);
      break;
  }
}

void ClassicHistograms::Flush(telemetry::SampleBatch::Histograms* out, Tally* tally) {
  for (Pending& p : pending_) FlushOne(&p, out, tally);
  pending_.clear();
  index_.clear();
}

void ClassicHistograms::FlushOne(Pending* p, telemetry::SampleBatch::Histograms* out,
                                 Tally* tally) {
  auto& buckets = p->buckets;
  if (buckets.empty() && p->count < 0) return tally->Lose(Reason::kMalformed);

  std::stable_sort(buckets.begin(), buckets.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  bool repaired = false;
  if (buckets.empty() || buckets.back().first != kInfinity) {
    repaired = !buckets.empty();  // a histogram without buckets is a count and a sum, and whole
    buckets.emplace_back(kInfinity, p->count);
  }
  double so_far = 0;
  double last_bound = kNan;
  for (const auto& [bound, cumulative] : buckets) {
    if (bound == last_bound) {
      repaired = true;
      continue;
    }
    last_bound = bound;
    if (cumulative < so_far) repaired = true;
    const double here = std::max(cumulative - so_far, 0.0);
    so_far += here;
    out->upper_bound.push_back(bound);
    out->bucket_count.push_back(static_cast<uint64_t>(here));
  }
  if (p->count >= 0 && p->count != so_far) repaired = true;

  out->series.push_back(p->series);
  out->time_ns.push_back(p->time);
  out->start_ns.push_back(p->start);
  out->count.push_back(static_cast<uint64_t>(so_far));
  out->sum.push_back(p->sum);
  out->min.push_back(kNan);
  out->max.push_back(kNan);
  out->bucket_end.push_back(static_cast<uint32_t>(out->upper_bound.size()));
  if (repaired) {
    tally->Lose(Reason::kBucketsRepaired);
  } else {
    tally->Keep();
  }
}

}  // namespace tomograph::ingest::prometheus
