// BodyBudget: how many bytes of requests may be in memory at once, over all connections and
// listeners that share it. A share is taken as the bytes arrive and before they are inflated, and
// given back when the request is done with. Thread-safe, lock-free.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace tomograph::net {

class BodyBudget {
 public:
  explicit BodyBudget(size_t limit) : limit_(limit) {}
  BodyBudget(const BodyBudget&) = delete;

  size_t limit() const { return limit_; }
  size_t in_use() const { return in_use_.load(std::memory_order_relaxed); }
  /// How often there was not enough left.
  uint64_t refusals() const { return refusals_.load(std::memory_order_relaxed); }

 private:
  friend class BodyShare;
  bool HasRoomFor(size_t bytes) {
    if (bytes <= limit_ - in_use()) return true;
    refusals_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  bool Take(size_t bytes) {
    size_t now = in_use_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ - now) {
        refusals_.fetch_add(1, std::memory_order_relaxed);
        return false;
      }
    } while (!in_use_.compare_exchange_weak(now, now + bytes, std::memory_order_relaxed));
    return true;
  }
  void Give(size_t bytes) { in_use_.fetch_sub(bytes, std::memory_order_relaxed); }

  const size_t limit_;
  std::atomic<size_t> in_use_{0};
  std::atomic<uint64_t> refusals_{0};
};

/// What one request holds of a budget; of none (null), as much as it likes. Not thread-safe.
class BodyShare {
 public:
  BodyShare() = default;
  explicit BodyShare(std::shared_ptr<BodyBudget> budget) : budget_(std::move(budget)) {}
  BodyShare(BodyShare&& other) noexcept
      : budget_(std::move(other.budget_)), bytes_(std::exchange(other.bytes_, 0)) {}
  BodyShare& operator=(BodyShare&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~BodyShare() { ShrinkTo(0); }

  size_t bytes() const { return bytes_; }
  /// Could it grow so far right now? Takes nothing, so a sender that only says how much will come
  /// keeps nobody out.
  bool HasRoomFor(size_t bytes) const { return budget_ == nullptr || budget_->HasRoomFor(bytes); }
  /// False, and nothing changes, when the budget does not have that much left.
  [[nodiscard]] bool GrowTo(size_t bytes) {
    if (bytes <= bytes_) return true;
    if (budget_ != nullptr && !budget_->Take(bytes - bytes_)) return false;
    bytes_ = bytes;
    return true;
  }
  void ShrinkTo(size_t bytes) {
    if (bytes >= bytes_) return;
    if (budget_ != nullptr) budget_->Give(bytes_ - bytes);
    bytes_ = bytes;
  }

 private:
  std::shared_ptr<BodyBudget> budget_;
  size_t bytes_ = 0;
};

}  // namespace tomograph::net
