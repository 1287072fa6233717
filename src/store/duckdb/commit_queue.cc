#include "store/duckdb/commit_queue.h"

#include <iterator>

namespace tomograph::store {
namespace {

// A group of this size does not wait for the rest of the interval. A backlog is committed in one:
// DuckDB writes whole row groups (122,880 spans) straight into its file, past the log, and a later
// checkpoint rewrites the half-filled ones, so the fewer and larger the groups, the less is written
// twice.
constexpr size_t kGroupBytes = 128u << 20;

}  // namespace

Status CommitQueue::Push(PendingBatch pending) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return Status::FailedPrecondition("the store is closed");
    // A batch larger than the whole queue is let in alone: it could never be taken otherwise.
    if (items_.size() >= max_batches_ || (!items_.empty() && bytes_ + pending.bytes > max_bytes_)) {
      return Status::Unavailable("the store's queue is full: " + std::to_string(items_.size()) +
                                 " batches, " + std::to_string(bytes_) +
                                 " bytes wait for a commit");
    }
    if (items_.empty()) oldest_ = std::chrono::steady_clock::now();
    bytes_ += pending.bytes;
    items_.push_back(std::move(pending));
  }
  changed_.notify_one();
  return Status::Ok();
}

bool CommitQueue::TakeGroup(Nanos interval, std::optional<Nanos> patience,
                            std::vector<PendingBatch>* group) {
  group->clear();
  std::unique_lock lock(mutex_);
  const auto due = [&] { return closed_ || !items_.empty(); };
  if (!patience) {
    changed_.wait(lock, due);
  } else if (!changed_.wait_for(lock, std::chrono::nanoseconds(*patience), due)) {
    return true;
  }
  changed_.wait_until(lock, oldest_ + std::chrono::nanoseconds(interval),
                      [&] { return closed_ || bytes_ >= kGroupBytes; });
  group->assign(std::make_move_iterator(items_.begin()), std::make_move_iterator(items_.end()));
  items_.clear();
  bytes_ = 0;
  return !group->empty();
}

void CommitQueue::Close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

size_t CommitQueue::size() const {
  std::lock_guard lock(mutex_);
  return items_.size();
}

}  // namespace tomograph::store
