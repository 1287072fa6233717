#include "correlate/linking/waiting_records.h"

#include <algorithm>

namespace tomograph::correlate::linking {
namespace {

constexpr Nanos kEndOfTime = Nanos{1} << 62;

/// Requests come before the calls that start with them.
bool Before(const CallRecord& a, const CallRecord& b) {
  if (a.start != b.start) return a.start < b.start;
  if (a.end != b.end) return a.end > b.end;
  if (a.outgoing != b.outgoing) return b.outgoing;
  return a.id < b.id;
}

}  // namespace

int64_t WaitingRecords::BucketOf(Nanos t) const {
  return t >= 0 ? t / bucket_width_ : -((-t + bucket_width_ - 1) / bucket_width_);
}

void WaitingRecords::Add(const CallRecord& record) {
  waiting_[BucketOf(record.start)].push_back(record);
  ++waiting_records_;
}

void WaitingRecords::CompleteUntil(Nanos frontier) {
  while (!waiting_.empty()) {
    const auto first = waiting_.begin();
    if (frontier != INT64_MAX && (first->first + 1) * bucket_width_ > frontier) break;
    Complete(first);
  }
  const Nanos whole = frontier == INT64_MAX ? kEndOfTime : BucketOf(frontier) * bucket_width_;
  complete_until_ = std::max(complete_until_, whole);
}

void WaitingRecords::Complete(Buckets::iterator bucket) {
  std::vector<CallRecord>& records = bucket->second;
  std::sort(records.begin(), records.end(), Before);
  ready_.insert(ready_.end(), records.begin(), records.end());
  waiting_records_ -= records.size();
  waiting_.erase(bucket);
}

void WaitingRecords::CompletePart(size_t n) {
  std::vector<CallRecord>& records = waiting_.begin()->second;
  std::sort(records.begin(), records.end(), Before);
  const auto end = records.begin() + static_cast<ptrdiff_t>(n);
  ready_.insert(ready_.end(), records.begin(), end);
  records.erase(records.begin(), end);
  waiting_records_ -= n;
  complete_until_ = std::max(complete_until_, ready_.back().start);
}

size_t WaitingRecords::MakeRoom(size_t most) {
  const size_t before = ready_.size();
  while (waiting_records_ > most && waiting_.size() > 1) {
    const Nanos end = (waiting_.begin()->first + 1) * bucket_width_;
    Complete(waiting_.begin());
    complete_until_ = std::max(complete_until_, end);
  }
  if (waiting_records_ > most) CompletePart(waiting_records_ - most);
  return ready_.size() - before;
}

size_t WaitingRecords::bytes() const {
  size_t total = ready_.size() * sizeof(CallRecord);
  for (const auto& [bucket, records] : waiting_) total += records.capacity() * sizeof(CallRecord);
  return total;
}

}  // namespace tomograph::correlate::linking
