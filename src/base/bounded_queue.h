// BoundedQueue<T>: the only way from one thread to another. A full queue refuses (TryPush), which
// the listeners turn into a retryable answer; recorded input waits instead (Push). Many producers,
// many consumers. After Close() pushes are refused, and Pop hands out what is left before it says
// "end".
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace tomograph {

template <typename T>
class BoundedQueue {
 public:
  using Weigh = size_t (*)(const T&);

  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}
  /// Also full while what is in it weighs `max_weight` or more: one item always finds room.
  BoundedQueue(size_t capacity, size_t max_weight, Weigh weigh)
      : capacity_(capacity), max_weight_(max_weight), weigh_(weigh) {}

  /// False when full or closed; `item` is then untouched.
  bool TryPush(T&& item) {
    {
      std::lock_guard lock(mutex_);
      if (closed_ || FullLocked()) return false;
      PutLocked(std::move(item));
    }
    not_empty_.notify_one();
    return true;
  }

  /// Waits for room. False when closed.
  bool Push(T&& item) {
    {
      std::unique_lock lock(mutex_);
      not_full_.wait(lock, [&] { return closed_ || !FullLocked(); });
      if (closed_) return false;
      PutLocked(std::move(item));
    }
    not_empty_.notify_one();
    return true;
  }

  /// Waits for an item; empty when closed and drained.
  std::optional<T> Pop() {
    std::unique_lock lock(mutex_);
    not_empty_.wait(lock, [&] { return closed_ || !items_.empty(); });
    return TakeLocked();
  }

  /// Waits until `deadline` at most; empty when nothing came or the queue is closed and drained.
  template <typename TimePoint>
  std::optional<T> PopUntil(TimePoint deadline) {
    std::unique_lock lock(mutex_);
    not_empty_.wait_until(lock, deadline, [&] { return closed_ || !items_.empty(); });
    return TakeLocked();
  }

  void Close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    not_empty_.notify_all();
    not_full_.notify_all();
  }

  size_t size() const {
    std::lock_guard lock(mutex_);
    return items_.size();
  }
  size_t capacity() const { return capacity_; }
  bool closed() const {
    std::lock_guard lock(mutex_);
    return closed_;
  }
  /// Closed, and nothing is left to pop.
  bool finished() const {
    std::lock_guard lock(mutex_);
    return closed_ && items_.empty();
  }

 private:
  bool FullLocked() const { return items_.size() >= capacity_ || weight_ >= max_weight_; }
  void PutLocked(T&& item) {
    if (weigh_ != nullptr) weight_ += weigh_(item);
    items_.push_back(std::move(item));
  }
  std::optional<T> TakeLocked() {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    if (weigh_ != nullptr) weight_ -= weigh_(*item);
    not_full_.notify_one();
    return item;
  }

  const size_t capacity_;
  const size_t max_weight_ = SIZE_MAX;
  const Weigh weigh_ = nullptr;
  size_t weight_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable not_empty_;
  std::condition_variable not_full_;
  std::deque<T> items_;
  bool closed_ = false;
};

}  // namespace tomograph
