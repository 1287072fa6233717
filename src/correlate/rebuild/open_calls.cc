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

void OpenCalls::CloseWindow(Nanos start, Nanos end) {
  now_.start = start;
  now_.end = end;
  for (const OpenCall& call : now_.calls) {
    if (!call.message) continue;
    if (messages_.calls.empty()) messages_.start = start;
    if (messages_.calls.size() < kMost) {
      messages_.calls.insert(call);
    } else {
      messages_.full = true;
    }
  }
  if (!now_.calls.empty()) windows_.push_back(std::exchange(now_, {}));
  const Nanos oldest = end - static_cast<Nanos>(kMemory) * (end - start);
  while (!windows_.empty() && windows_.front().end <= oldest) windows_.pop_front();
}

bool OpenCalls::MayBe(EntityId service, telemetry::SpanKind kind, Nanos start, Nanos end,
                      bool looked_for) const {
  if (kind == telemetry::SpanKind::kConsumer)
    return messages_.start <= end && MayReach(messages_, service, true, looked_for);
  return std::any_of(windows_.begin(), windows_.end(), [&](const Window& w) {
    const Nanos length = w.end - w.start;
    return w.start <= end + 2 * length && w.end >= start - length &&
           MayReach(w, service, false, looked_for);
  });
}

bool OpenCalls::MayReach(const Window& window, EntityId service, bool message,
                         bool looked_for) const {
  if (window.full) return true;
  return std::any_of(window.calls.begin(), window.calls.end(), [&](const OpenCall& call) {
    const bool of_service = call.callee == service && !looked_for;
    if (call.message != message || (call.callee != kNoEntity && !of_service)) return false;
    const bool told =
        call.nobodys && send_ids_.count(call.caller) > 0 && take_ids_.count(service) > 0;
    return !told && !std::binary_search(call.for_whom.begin(), call.for_whom.end(), service);
  });
}

}  // namespace tomograph::correlate
