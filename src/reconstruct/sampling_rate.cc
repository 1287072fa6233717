#include "reconstruct/sampling_rate.h"

#include <algorithm>
#include <cmath>

namespace tomograph::reconstruct {
namespace {
constexpr double kKeep = 0.97;       // a window: half is forgotten after 23
constexpr double kGone = 0.5;        // calls
constexpr double kSilent = 0.01;     // spans that are remembered: it sends none any more
constexpr double kPriorWindows = 5;  // that scatter like single coins
constexpr double kOutlier =
    9;  // one window in which half of the spans got lost is no design effect
constexpr double kBorrowedEffect = 1.3;  // how often traces call a neighbour twice nobody has told
constexpr double kLikelyDiffer = 0.005;  // variance of log p between entities, before any is known
}  // namespace

void SamplingRate::Learn(telemetry::EntityId entity, double seen, double total,
                         double total_variance) {
  if (!(total > 0)) return;
  if (!(seen > 0) && !counts_.contains(entity)) return;
  seen = std::min(seen, total);
  Counts& c = counts_[entity];
  if (c.enough()) {
    const double p = (c.seen + 0.5) / (c.total + 1);
    const double expected = total * p * (1 - p) + p * p * total_variance;
    if (expected > 0.5) {
      c.scatter += std::min(kOutlier, (seen - total * p) * (seen - total * p) / expected);
      c.windows += 1;
    }
  }
  c.seen += seen;
  c.total += total;
}

void SamplingRate::EndWindow() {
  for (auto at = counts_.begin(); at != counts_.end();) {
    Counts& c = at->second;
    c.seen *= kKeep;
    c.total *= kKeep;
    c.scatter *= kKeep;
    c.windows *= kKeep;
    at = c.total < kGone || c.seen < kSilent ? counts_.erase(at) : std::next(at);
  }
}

SamplingRate::Rate SamplingRate::FromCounts(const Counts& c, double between) {
  // Beta(seen + 1/2, total - seen + 1/2), its scatter widened as the seen windows scattered.
  Rate rate;
  const double a = c.seen + 0.5, b = c.total - c.seen + 0.5;
  rate.p = a / (a + b);
  rate.design_effect = std::max(1.0, (c.scatter + kPriorWindows) / (c.windows + kPriorWindows));
  rate.log_variance = rate.design_effect * b / (a * (a + b + 1)) + between;
  rate.known = true;
  return rate;
}

SamplingRate::Rate SamplingRate::Of(telemetry::EntityId entity, telemetry::EntityId caller) const {
  for (const telemetry::EntityId who : {caller, entity}) {
    if (who == telemetry::kNoEntity) continue;
    const auto at = counts_.find(who);
    if (at == counts_.end() || !at->second.enough()) continue;
    Rate rate = FromCounts(at->second, 0);
    if (caller != telemetry::kNoEntity)
      rate.design_effect = std::max(rate.design_effect, kBorrowedEffect);
    return rate;
  }
  Counts all;
  for (const auto& [id, c] : counts_) {
    all.seen += c.seen;
    all.total += c.total;
    all.scatter += c.scatter;
    all.windows += c.windows;
  }
  if (!all.enough()) return {};
  double differ = 0, weights = 0;
  const double common = std::log((all.seen + 0.5) / (all.total + 1));
  for (const auto& [id, c] : counts_) {
    const double off = std::log((c.seen + 0.5) / (c.total + 1)) - common;
    differ += c.total * std::max(0.0, off * off - 1 / (c.seen + 0.5));
    weights += c.total;
  }
  const double n = static_cast<double>(counts_.size());
  Rate rate = FromCounts(all, (n * differ / weights + kLikelyDiffer) / (n + 1));
  rate.design_effect = std::max(rate.design_effect, kBorrowedEffect);
  return rate;
}

}  // namespace tomograph::reconstruct
