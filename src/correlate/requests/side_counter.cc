#include "correlate/requests/side_counter.h"

#include "base/random.h"

namespace tomograph::correlate {
namespace {

using telemetry::EntityId;
using telemetry::kNoEntity;
using telemetry::WindowKey;

constexpr double kSureShare = 0.999;

}  // namespace

size_t SideCounter::HashOfKind::operator()(const Kind& kind) const {
  return MixBits(static_cast<uint64_t>(kind.caller) + 3 * static_cast<uint64_t>(kind.called) +
                 (static_cast<uint64_t>(kind.operation) << 1 | (kind.failed ? 1 : 0)));
}

EntityId SideCounter::OperationOf(const Kind& kind) {
  return EntityId{
      MixBits(MixBits(static_cast<uint64_t>(kind.caller)) ^ static_cast<uint64_t>(kind.operation))};
}

void SideCounter::Count(Nanos until, TraceAssembler* traces, const AddressBook& addresses,
                        const std::unordered_set<EntityId>& senders, telemetry::WindowSet* set) {
  Counts joined, unanswered;
  traces->SettleCalls(
      until,
      [&](const OpenSpan& call, const OpenSpan& answer) {
        ++joined[Kind{call.service, answer.service, call.operation, false, false}];
      },
      [&](const OpenSpan& alone) {
        if (alone.incoming()) {
          ++set->sides[WindowKey{alone.service, kNoEntity}].parent_lost;
        } else {
          const bool named = alone.peer != kNoEntity && !alone.peer_is_address;
          ++unanswered[Kind{alone.service, alone.peer, alone.operation, alone.failed, named}];
        }
      });
  // Only now is it known who answers, whatever the order of the traces. Sums of whole numbers are
  // the same in any order; what is remembered is not, so that it is put in order.
  std::map<std::pair<EntityId, EntityId>, uint64_t> answers;
  for (const auto& [kind, calls] : joined) {
    set->sides[WindowKey{kind.called, kind.caller}].joined += calls;
    answers[{OperationOf(kind), kind.called}] += calls;
  }
  by_operation_.Age();
  for (const auto& [pair, times] : answers)
    by_operation_.Observe(pair.first, pair.second, static_cast<double>(times));
  CountUnanswered(unanswered, addresses, senders, set);
  set->sides_until = until;
}

void SideCounter::CountUnanswered(const Counts& unanswered, const AddressBook& addresses,
                                  const std::unordered_set<EntityId>& senders,
                                  telemetry::WindowSet* set) const {
  // Fractions are added up below: in an order that is always the same.
  const std::map<Kind, uint64_t> in_order(unanswered.begin(), unanswered.end());
  for (const auto& [kind, calls] : in_order) {
    std::map<EntityId, double> callees;
    if (kind.called != kNoEntity) callees[addresses.OwnerOrSelf(kind.called, set->start)] = 1;
    const bool unclear = callees.empty() || senders.count(callees.begin()->first) == 0;
    // A peer that has a name and never sends spans is a database.
    if (unclear && !kind.named) callees = by_operation_.Of(OperationOf(kind));
    for (const auto& [callee, share] : callees) {
      if (senders.count(callee) == 0) continue;
      telemetry::CallSides& edge = set->sides[WindowKey{callee, kind.caller}];
      if (share > kSureShare) {
        (kind.failed ? edge.failed_unanswered : edge.unanswered) += calls;
      } else if (!kind.failed) {
        edge.unanswered_share += share * static_cast<double>(calls);
        edge.unanswered_variance += share * (1 - share) * static_cast<double>(calls);
      }
    }
  }
}

}  // namespace tomograph::correlate
