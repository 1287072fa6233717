#include "correlate/requests/answer_shares.h"

namespace tomograph::correlate {
namespace {
constexpr double kKeepPerWindow = 0.98;
constexpr double kForgotten = 0.05;  // calls
constexpr double kMemory = 200;      // calls: more do not make an old answer harder to replace
}  // namespace

void AnswerShares::Observe(telemetry::EntityId kind, telemetry::EntityId service, double times) {
  auto& owners = seen_[kind];
  owners[service] += times;
  double total = 0;
  for (const auto& [owner, calls] : owners) total += calls;
  if (total <= kMemory) return;
  for (auto& [owner, calls] : owners) calls *= kMemory / total;
}

std::map<telemetry::EntityId, double> AnswerShares::Of(telemetry::EntityId kind) const {
  const auto at = seen_.find(kind);
  if (at == seen_.end()) return {};
  double total = 0;
  for (const auto& [owner, calls] : at->second) total += calls;
  std::map<telemetry::EntityId, double> shares;
  for (const auto& [owner, calls] : at->second) shares[owner] = calls / total;
  return shares;
}

void AnswerShares::Age() {
  for (auto kind = seen_.begin(); kind != seen_.end();) {
    auto& owners = kind->second;
    for (auto owner = owners.begin(); owner != owners.end();) {
      owner->second *= kKeepPerWindow;
      owner = owner->second < kForgotten ? owners.erase(owner) : std::next(owner);
    }
    kind = owners.empty() ? seen_.erase(kind) : std::next(kind);
  }
}

}  // namespace tomograph::correlate
