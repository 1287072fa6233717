// Interner: strings that come again and again (names, keys, hosts) become 32-bit ids, so that
// batches hold numbers and comparing is one instruction. Ids mean something in this process only:
// whatever is stored or shown is the string.
//
// Thread-safe; Get takes no lock. Strings live as long as the Interner. Bounded: once `max_strings`
// or `max_bytes` is reached every new string gets kOverflow and is counted, so that a source with
// an id in its span names costs accuracy and not the machine's memory. Its own accuracy: a new
// string counts against the share (fair_share.h) of the sender that it was interned for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "telemetry/fair_share.h"

namespace tomograph::telemetry {

enum class StringId : uint32_t {};
inline constexpr StringId kEmptyString{0};
inline constexpr StringId kOverflow{1};  // reads as "(too many distinct values)"

class Interner {
 public:
  explicit Interner(size_t max_strings = 4'000'000, size_t max_bytes = 512u << 20);
  ~Interner();
  Interner(const Interner&) = delete;
  Interner& operator=(const Interner&) = delete;

  StringId Intern(std::string_view text, Share sender = kOurselves);
  /// The id of a string that is there already; kEmptyString when it is not.
  StringId Find(std::string_view text) const;
  std::string_view Get(StringId id) const;

  size_t size() const;
  size_t bytes() const;
  uint64_t overflows() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::telemetry
