// WaitingRecords: what came and cannot be decided yet, and, in order, what is complete.
//
// Records wait in buckets of event time. A bucket is complete when nothing that starts in it can
// come any more. Memory is bounded by its user: see MakeRoom.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "correlate/linking/call_record.h"

namespace tomograph::correlate::linking {

class WaitingRecords {
 public:
  explicit WaitingRecords(Nanos bucket_width) : bucket_width_(bucket_width) {}

  void Add(const CallRecord& record);
  /// No more records will come that start before `frontier`; INT64_MAX: none at all.
  void CompleteUntil(Nanos frontier);
  /// Completes the oldest until at most `most` wait; returns how many those were.
  size_t MakeRoom(size_t most);

  /// A record that starts before comes too late.
  Nanos complete_until() const { return complete_until_; }
  /// Complete, in order: requests before the calls that start with them.
  const std::deque<CallRecord>& ready() const { return ready_; }
  void DropReady(size_t n) {
    ready_.erase(ready_.begin(), ready_.begin() + static_cast<ptrdiff_t>(n));
  }
  size_t size() const { return waiting_records_ + ready_.size(); }
  size_t bytes() const;

 private:
  using Buckets = std::map<int64_t, std::vector<CallRecord>>;

  int64_t BucketOf(Nanos t) const;
  void Complete(Buckets::iterator bucket);
  /// The first n of the oldest bucket.
  void CompletePart(size_t n);

  Nanos bucket_width_;
  Buckets waiting_;  // by start
  size_t waiting_records_ = 0;
  Nanos complete_until_ = INT64_MIN;
  std::deque<CallRecord> ready_;
};

}  // namespace tomograph::correlate::linking
