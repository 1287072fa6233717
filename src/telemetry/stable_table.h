// StableTable<T>: numbers things by fingerprint, for tables that are read millions of times a
// second and written rarely. Find takes no lock; entries never move and never go away. Private to
// this folder.
//
// Invariants: a slot holds 0 or (tag << 32 | id) with id > 0 and is written once, after its entry
// is complete (release), so a reader that sees it (acquire) sees the entry. Slots are at least
// twice the entries, so probing ends.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "telemetry/resource.h"

namespace tomograph::telemetry {

template <typename T>
class StableTable {
 public:
  struct Entry {
    Fingerprint fingerprint;
    T value{};
  };

  /// `first` becomes entry 0, which nothing finds.
  StableTable(size_t max_entries, T first)
      : max_entries_(max_entries + 1),
        mask_(std::bit_ceil(2 * max_entries_) - 1),
        slots_(MapSlots()),
        chunks_(new std::atomic<Entry*>[max_entries_ / kChunk + 1]()) {
    Append({}, std::move(first));
  }
  ~StableTable() {
    for (size_t i = 0; i <= max_entries_ / kChunk; ++i) delete[] chunks_[i].load();
    munmap(slots_, slot_bytes());
  }
  StableTable(const StableTable&) = delete;
  StableTable& operator=(const StableTable&) = delete;

  /// 0 when it is not there. `same(value)` decides between equal fingerprints.
  template <typename Same>
  uint32_t Find(const Fingerprint& f, const Same& same) const {
    for (uint64_t at = f.lo & mask_;; at = (at + 1) & mask_) {
      const uint64_t slot = slots_[at].load(std::memory_order_acquire);
      if (slot == 0) return 0;
      if (static_cast<uint32_t>(slot >> 32) != Tag(f)) continue;
      const uint32_t id = static_cast<uint32_t>(slot);
      const Entry& e = Get(id);
      if (e.fingerprint == f && same(e.value)) return id;
    }
  }

  /// 0 when the table is full, or when `admit(value)` says no to what `make` made. Both run under
  /// the table's lock: they must not add to this table.
  template <typename Same, typename Make, typename Admit>
  uint32_t FindOrAdd(const Fingerprint& f, const Same& same, const Make& make, const Admit& admit) {
    if (const uint32_t id = Find(f, same)) return id;
    std::lock_guard lock(mutex_);
    if (const uint32_t id = Find(f, same)) return id;
    if (size_.load(std::memory_order_relaxed) >= max_entries_) return 0;
    T value = make();
    if (!admit(value)) return 0;
    const uint32_t id = Append(f, std::move(value));
    uint64_t at = f.lo & mask_;
    while (slots_[at].load(std::memory_order_relaxed) != 0) at = (at + 1) & mask_;
    slots_[at].store(static_cast<uint64_t>(Tag(f)) << 32 | id, std::memory_order_release);
    return id;
  }

  const Entry& Get(uint32_t id) const {
    return chunks_[id / kChunk].load(std::memory_order_acquire)[id % kChunk];
  }
  size_t free() const { return max_entries_ - size_.load(std::memory_order_relaxed); }
  bool Has(uint32_t id) const { return id < size_.load(std::memory_order_acquire); }
  size_t size() const { return size_.load(std::memory_order_acquire) - 1; }

 private:
  static constexpr size_t kChunk = 1024;
  static uint32_t Tag(const Fingerprint& f) { return static_cast<uint32_t>(f.hi); }

  size_t slot_bytes() const { return (mask_ + 1) * sizeof(std::atomic<uint64_t>); }
  /// Zeroes, straight from the kernel: untouched pages of a large table cost nothing, nor does a
  /// sanitizer's allocator mark all of them.
  std::atomic<uint64_t>* MapSlots() const {
    void* const slots =
        mmap(nullptr, slot_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TG_CHECK(slots != MAP_FAILED);
    return static_cast<std::atomic<uint64_t>*>(slots);
  }

  uint32_t Append(const Fingerprint& f, T value) {
    const size_t id = size_.load(std::memory_order_relaxed);
    std::atomic<Entry*>& chunk = chunks_[id / kChunk];
    if (id % kChunk == 0) chunk.store(new Entry[kChunk](), std::memory_order_release);
    Entry& e = chunk.load(std::memory_order_relaxed)[id % kChunk];
    e.fingerprint = f;
    e.value = std::move(value);
    size_.store(id + 1, std::memory_order_release);
    return static_cast<uint32_t>(id);
  }

  const size_t max_entries_;
  const uint64_t mask_;
  std::atomic<uint64_t>* const slots_;
  std::unique_ptr<std::atomic<Entry*>[]> chunks_;
  std::atomic<size_t> size_{0};
  std::mutex mutex_;
};

}  // namespace tomograph::telemetry
