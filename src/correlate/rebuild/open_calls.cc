#include "correlate/rebuild/open_calls.h"

#include <algorithm>
#include <utility>

namespace tomograph::correlate {

using telemetry::EntityId;
using telemetry::kNoEntity;

void OpenCalls::Add(OpenCall call) {
  if (now_.calls.size() < kMost) {
    now_.calls.insert(std::move(call));
  } else {
    now_.full = now_.full || now_.calls.count(call) == 0;
  }
}

void OpenCalls::KeepMessages() {
  for (const OpenCall& call : now_.calls) {
    if (!call.message) continue;
    const auto known = messages_.find(call);
    if (known != messages_.end()) {
      known->second.last = now_.start;
    } else if (messages_.size() < kMost) {
      messages_.emplace(call, Sent{now_.start, now_.start});
    } else {
      now_.full = true;
    }
  }
  if (now_.full) untold_messages_ = {std::min(untold_messages_.first, now_.start), now_.start};
  const Nanos oldest = now_.end - kPatience;
  std::erase_if(messages_, [&](const auto& kind) { return kind.second.last < oldest; });
  if (untold_messages_.last < oldest) untold_messages_ = {INT64_MAX, INT64_MIN};
}

void OpenCalls::CloseWindow(Nanos start, Nanos end) {
  now_.start = start;
  now_.end = end;
  KeepMessages();
  for (auto* ids : {&send_ids_, &take_ids_}) {
    for (auto& [service, windows] : *ids) --windows;
    std::erase_if(*ids, [](const auto& service) { return service.second == 0; });
  }
  if (!now_.calls.empty() || now_.full) windows_.push_back(std::move(now_));
  now_ = {};
  const Nanos oldest = end - static_cast<Nanos>(kMemory) * (end - start);
  while (!windows_.empty() && windows_.front().end <= oldest) windows_.pop_front();
}

bool OpenCalls::MayBe(EntityId service, telemetry::SpanKind kind, Nanos start, Nanos end,
                      bool looked_for) const {
  if (kind == telemetry::SpanKind::kConsumer) {
    if (untold_messages_.first <= end) return true;
    return std::any_of(messages_.begin(), messages_.end(), [&](const auto& sent) {
      return sent.second.first <= end && MayReach(sent.first, service, true, looked_for);
    });
  }
  return std::any_of(windows_.begin(), windows_.end(), [&](const Window& w) {
    const Nanos length = w.end - w.start;
    if (w.start > end + 2 * length || w.end < start - length) return false;
    return w.full || std::any_of(w.calls.begin(), w.calls.end(), [&](const OpenCall& call) {
             return MayReach(call, service, false, looked_for);
           });
  });
}

bool OpenCalls::MayReach(const OpenCall& call, EntityId service, bool message,
                         bool looked_for) const {
  if (looked_for && call.by_times) return false;
  const bool of_service = call.callee == service && !looked_for;
  if (call.message != message || (call.callee != kNoEntity && !of_service)) return false;
  const bool told =
      call.nobodys && send_ids_.count(call.caller) > 0 && take_ids_.count(service) > 0;
  return !told && !std::binary_search(call.for_whom.begin(), call.for_whom.end(), service);
}

}  // namespace tomograph::correlate
