// Slots: things that come and go in great number (requests, calls), each known by a handle that is
// never given twice: what happens to one that has gone meanwhile is noticed (Find says nullptr) and
// not done to its successor in the same place.
//
// O(1), no allocation once it has been as full as it gets. Addresses are stable. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace tomograph::simulate {

using Handle = uint64_t;  // 0: nobody

template <typename T>
class Slots {
 public:
  Handle Add(const T& value) {
    if (free_.empty()) Grow();
    const uint32_t index = free_.back();
    free_.pop_back();
    Slot& slot = At(index);
    slot.value = value;
    ++slot.generation;  // odd: taken
    ++size_;
    return static_cast<uint64_t>(slot.generation) << 32 | index;
  }
  T* Find(Handle handle) {
    const auto index = static_cast<uint32_t>(handle);
    if (handle == 0 || index >= chunks_.size() * kChunk) return nullptr;
    Slot& slot = At(index);
    return slot.generation == handle >> 32 ? &slot.value : nullptr;
  }
  void Remove(Handle handle) {
    if (Find(handle) == nullptr) return;
    const auto index = static_cast<uint32_t>(handle);
    ++At(index).generation;
    free_.push_back(index);
    --size_;
  }
  size_t size() const { return size_; }
  /// All there are now, by place.
  std::vector<Handle> All() {
    std::vector<Handle> handles;
    for (uint32_t index = 0; index < chunks_.size() * kChunk; ++index) {
      const uint32_t generation = At(index).generation;
      if (generation % 2 == 1) handles.push_back(static_cast<uint64_t>(generation) << 32 | index);
    }
    return handles;
  }

 private:
  static constexpr uint32_t kChunk = 256;
  struct Slot {
    uint32_t generation = 0;
    T value{};
  };
  Slot& At(uint32_t index) { return (*chunks_[index / kChunk])[index % kChunk]; }
  void Grow() {
    const auto first = static_cast<uint32_t>(chunks_.size() * kChunk);
    chunks_.push_back(std::make_unique<std::array<Slot, kChunk>>());
    for (uint32_t i = kChunk; i > 0; --i) free_.push_back(first + i - 1);
  }

  std::vector<std::unique_ptr<std::array<Slot, kChunk>>> chunks_;
  std::vector<uint32_t> free_;
  size_t size_ = 0;
};

}  // namespace tomograph::simulate
