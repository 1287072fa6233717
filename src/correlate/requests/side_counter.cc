#include "correlate/requests/side_counter.h"

#include "base/random.h"

namespace tomograph::correlate {
namespace {

using telemetry::EntityId;
using telemetry::kNoEntity;
using telemetry::SpanKind;
using telemetry::WindowKey;

EntityId OperationOf(const OpenSpan& call) {
  const uint64_t id = MixBits(static_cast<uint64_t>(call.service)) ^
                      static_cast<uint64_t>(call.operation);
  return EntityId{MixBits(id)};
}

}  // namespace

void SideCounter::Count(Nanos until, TraceAssembler* traces, const AddressBook& addresses,
                        const std::unordered_set<EntityId>& senders, telemetry::WindowSet* set) {
  std::map<std::pair<EntityId, EntityId>, uint64_t> answers;
  unanswered_.clear();
  traces->SettleCalls(
      until,
      [&](const OpenSpan& call, const OpenSpan& answer) {
        ++set->sides[WindowKey{answer.service, call.service}].joined;
        ++answers[{OperationOf(call), answer.service}];
      },
      [&](const OpenSpan& alone) {
        if (alone.incoming()) {
          ++set->sides[WindowKey{alone.service, kNoEntity}].parent_lost;
        } else {
          unanswered_.push_back(alone);
        }
      });
  // Only now is it known who answers, whatever the order of the traces.
  by_operation_.Age();
  for (const auto& [pair, times] : answers)
    by_operation_.Observe(pair.first, pair.second, static_cast<double>(times));
  CountUnanswered(addresses, senders, &set->sides);
  set->sides_until = until;
}

void SideCounter::CountUnanswered(const AddressBook& addresses,
                                  const std::unordered_set<EntityId>& senders,
                                  Sides* sides) const {
  for (const OpenSpan& call : unanswered_) {
    EntityId callee = kNoEntity;
    if (call.peer != kNoEntity) callee = addresses.Resolve(call.peer).entity;
    if (senders.count(callee) == 0) callee = by_operation_.Resolve(OperationOf(call)).entity;
    if (senders.count(callee) == 0) continue;
    telemetry::CallSides& edge = (*sides)[WindowKey{callee, call.service}];
    ++(call.failed ? edge.failed_unanswered : edge.unanswered);
  }
}

}  // namespace tomograph::correlate
