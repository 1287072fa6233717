// CommitQueue: what waits for the next group commit. Bounded in batches and in bytes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/nanotime.h"
#include "store/store.h"

namespace tomograph::store {

struct PendingBatch {
  std::shared_ptr<const telemetry::Batch> batch;
  Store::Durable durable;
  size_t bytes = 0;
};

/// Many producers, one consumer.
class CommitQueue {
 public:
  CommitQueue(size_t max_batches, size_t max_bytes)
      : max_batches_(max_batches), max_bytes_(max_bytes) {}

  /// kUnavailable when full, kFailedPrecondition when closed.
  Status Push(PendingBatch pending);
  /// Waits for a first batch, then for more until `interval` has passed or a group is large enough
  /// to be worth its own commit. With `patience` it waits that long for a first batch and then
  /// comes back with none. False once closed and drained.
  bool TakeGroup(Nanos interval, std::optional<Nanos> patience, std::vector<PendingBatch>* group);
  void Close();
  size_t size() const;

 private:
  const size_t max_batches_;
  const size_t max_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<PendingBatch> items_;
  std::chrono::steady_clock::time_point oldest_;  // when the first of items_ came
  size_t bytes_ = 0;
  bool closed_ = false;
};

}  // namespace tomograph::store
