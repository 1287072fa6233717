#include "correlate/entities/address_book.h"

namespace tomograph::correlate {
namespace {
constexpr double kKeepPerWindow = 0.98;
constexpr double kForgotten = 0.05;  // calls
constexpr double kMemory = 200;      // calls: more do not make an old owner harder to replace
constexpr double kClearMajority = 0.8;
constexpr double kOwnName = 0.9;  // an address that nobody answers for is an entity of its own
}  // namespace

void AddressBook::Observe(telemetry::EntityId address, telemetry::EntityId service, double times) {
  auto& owners = seen_[address];
  owners[service] += times;
  double total = 0;
  for (const auto& [owner, calls] : owners) total += calls;
  if (total <= kMemory) return;
  for (auto& [owner, calls] : owners) calls *= kMemory / total;
}

AddressBook::Answer AddressBook::Resolve(telemetry::EntityId address) const {
  const auto at = seen_.find(address);
  if (at == seen_.end()) return {address, kOwnName};
  double total = 0, most = 0;
  telemetry::EntityId best = address;
  for (const auto& [owner, calls] : at->second) {
    total += calls;
    if (calls > most) {
      most = calls;
      best = owner;
    }
  }
  // One call more on either side: a share out of few calls is not a sure one.
  const double share = (most + 1) / (total + 2);
  if (most < kClearMajority * total) return {address, 1 - share};
  return {best, share};
}

std::map<telemetry::EntityId, double> AddressBook::SharesOf(telemetry::EntityId address) const {
  const auto at = seen_.find(address);
  if (at == seen_.end()) return {};
  double total = 0;
  for (const auto& [owner, calls] : at->second) total += calls;
  std::map<telemetry::EntityId, double> shares;
  for (const auto& [owner, calls] : at->second) shares[owner] = calls / total;
  return shares;
}

void AddressBook::Age() {
  for (auto address = seen_.begin(); address != seen_.end();) {
    auto& owners = address->second;
    for (auto owner = owners.begin(); owner != owners.end();) {
      owner->second *= kKeepPerWindow;
      owner = owner->second < kForgotten ? owners.erase(owner) : std::next(owner);
    }
    address = owners.empty() ? seen_.erase(address) : std::next(address);
  }
}

}  // namespace tomograph::correlate
