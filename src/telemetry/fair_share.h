// FairShare: keeps one sender with endless names from taking all room of a table that everybody
// shares.
//
// Rule: a sender may add while it holds less than three times what is still free (the dynamic
// thresholds of shared-memory switches: Choudhury and Hahne, 1998). One greedy sender alone ends at
// three quarters; k of them end at 3/(1+3k) each and leave 1/(1+3k) free, so that whoever comes
// later still finds room, and nobody is held back while there is plenty. No limit per sender needs
// to be chosen, and none is known beforehand.
//
// Senders are services by name, hashed into 4095 shares: bounded memory, and two services share one
// share with a chance of 1 in 4095. When it is wrong: a sender that also invents service names pays
// from many shares and can use up the room; that needs a limit per tenant, of which nothing is
// known here. Thread-safe; concurrent adders may overshoot by one each.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tomograph::telemetry {

enum class Share : uint16_t {};
inline constexpr Share kOurselves{0};  // not limited but by the table

/// The share of the service of that name.
Share ShareOf(std::string_view service);

class FairShare {
 public:
  bool Allows(Share share, size_t wanted, size_t free) const {
    if (wanted > free) return false;
    if (share == kOurselves) return true;
    return held_[static_cast<size_t>(share)].load(std::memory_order_relaxed) + wanted <= 3 * free;
  }
  void Take(Share share, size_t n) {
    held_[static_cast<size_t>(share)].fetch_add(n, std::memory_order_relaxed);
  }

 private:
  static constexpr size_t kShares = 4096;
  friend Share ShareOf(std::string_view service);
  std::array<std::atomic<size_t>, kShares> held_{};
};

}  // namespace tomograph::telemetry
