#include "telemetry/interner.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>

#include "telemetry/stable_table.h"

namespace tomograph::telemetry {

struct Interner::Impl {
  Impl(size_t max_strings, size_t bytes_limit)
      : table(max_strings, std::string_view()), max_bytes(bytes_limit) {}

  std::string_view Keep(std::string_view text) {  // under the table's lock
    if (text.size() > block_left) {
      const size_t size = text.size() > kBlock / 4 ? text.size() : kBlock;
      blocks.emplace_back(new char[size]);
      next = blocks.back().get();
      block_left = size;
    }
    std::memcpy(next, text.data(), text.size());
    const std::string_view kept(next, text.size());
    next += text.size();
    block_left -= text.size();
    bytes.fetch_add(text.size(), std::memory_order_relaxed);
    return kept;
  }

  bool HasRoom(Share sender, size_t text_bytes) const {
    const size_t used = bytes.load(std::memory_order_relaxed);
    return strings_held.Allows(sender, 1, table.free()) &&
           bytes_held.Allows(sender, text_bytes, max_bytes - std::min(max_bytes, used));
  }

  static constexpr size_t kBlock = 256u << 10;
  StableTable<std::string_view> table;
  const size_t max_bytes;
  std::deque<std::unique_ptr<char[]>> blocks;
  char* next = nullptr;
  size_t block_left = 0;
  std::atomic<size_t> bytes{0};
  FairShare strings_held, bytes_held;
  std::atomic<uint64_t> overflows{0};
};

Interner::Interner(size_t max_strings, size_t max_bytes) : impl_(new Impl(max_strings, max_bytes)) {
  TG_CHECK(Intern("(too many distinct values)") == kOverflow);
}
Interner::~Interner() = default;

StringId Interner::Intern(std::string_view text, Share sender) {
  if (text.empty()) return kEmptyString;
  const Fingerprint f = FingerprintOf(text);
  const auto same = [&](std::string_view other) { return other == text; };
  uint32_t id = impl_->table.Find(f, same);
  if (id == 0 && impl_->HasRoom(sender, text.size())) {
    const auto keep = [&] {
      impl_->strings_held.Take(sender, 1);
      impl_->bytes_held.Take(sender, text.size());
      return impl_->Keep(text);
    };
    id = impl_->table.FindOrAdd(f, same, keep, [](std::string_view) { return true; });
  }
  if (id != 0) return StringId{id};
  impl_->overflows.fetch_add(1, std::memory_order_relaxed);
  return kOverflow;
}

StringId Interner::Find(std::string_view text) const {
  if (text.empty()) return kEmptyString;
  return StringId{impl_->table.Find(FingerprintOf(text),
                                    [&](std::string_view other) { return other == text; })};
}

std::string_view Interner::Get(StringId id) const {
  return impl_->table.Get(static_cast<uint32_t>(id)).value;
}
size_t Interner::size() const { return impl_->table.size(); }
size_t Interner::bytes() const { return impl_->bytes.load(std::memory_order_relaxed); }
uint64_t Interner::overflows() const { return impl_->overflows.load(std::memory_order_relaxed); }

}  // namespace tomograph::telemetry
