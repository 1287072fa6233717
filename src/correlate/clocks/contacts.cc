#include "correlate/clocks/contacts.h"

#include <algorithm>

namespace tomograph::correlate {

using telemetry::SpanKind;

Contact ContactOf(const OpenSpan& call, const OpenSpan& answer, const TraceAssembler::Work& work) {
  Contact c;
  c.client = call.host;
  c.server = answer.host;
  c.client_start = call.raw_start;
  c.client_end = call.raw_end();
  c.server_start = answer.raw_start;
  c.server_end = answer.raw_end();
  c.worked = work.began;
  c.worked_until = work.ended;
  c.started = std::max(call.start, answer.start);
  c.ended = std::max(call.end, answer.end);
  c.awaited = call.kind == SpanKind::kClient && answer.kind == SpanKind::kServer;
  return c;
}

void AddContacts(Nanos from, Nanos to, TraceAssembler* traces, ClockModel* clocks) {
  const auto add = [&](const OpenSpan& call, const OpenSpan& answer,
                       const TraceAssembler::Work& work) {
    if (call.host == telemetry::kNoEntity || answer.host == telemetry::kNoEntity) return;
    const Nanos ended = std::max(call.end, answer.end);
    if (ended >= from && ended < to) clocks->Add(ContactOf(call, answer, work));
  };
  traces->ForEachAnswer(from, to, clocks->needs_work(), add);
}

void AddLinkContacts(Nanos from, Nanos to, const LinkBook& links, TraceAssembler* traces,
                     ClockModel* clocks) {
  links.ForEach(from, to, [&](const LinkBook::Entry& entry) {
    const OpenSpan* found = traces->Find(entry.span);
    if (found == nullptr || found->host == telemetry::kNoEntity) return;
    const OpenSpan linking = *found;  // finding another may move it
    for (const SpanRef& target : entry.targets) {
      const OpenSpan* sent = traces->Find(target);
      if (sent == nullptr || sent->host == telemetry::kNoEntity) continue;
      if (!LinkBook::IsSender(linking, LinkBook::Seen(target, *sent))) continue;
      Contact c = ContactOf(*sent, linking);
      c.server_start = c.server_end;
      c.awaited = false;
      clocks->Add(c);
    }
  });
}

}  // namespace tomograph::correlate
