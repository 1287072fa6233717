// Contacts: the calls in which two clocks met, out of joined spans.
#pragma once

#include "correlate/clocks/clock_model.h"
#include "correlate/requests/link_book.h"
#include "correlate/requests/trace_assembler.h"

namespace tomograph::correlate {

/// `answer` is an incoming span, `call` its parent. A client's span around a server's bounds the
/// clocks from both sides. A message (producer, consumer) and a parent that is no call of its own
/// (the caller's client span is missing) only say what came first. `worked` as in Contact.
Contact ContactOf(const OpenSpan& call, const OpenSpan& answer,
                  const TraceAssembler::Work& work = {});

/// Feeds the calls that ended in [from, to), each once, to the open window of `clocks`.
void AddContacts(Nanos from, Nanos to, TraceAssembler* traces, ClockModel* clocks);

/// Likewise of spans that link to others. What a span links to began before it ended, which is all
/// that a link says: who waits for messages began to before they were sent.
void AddLinkContacts(Nanos from, Nanos to, const LinkBook& links, TraceAssembler* traces,
                     ClockModel* clocks);

}  // namespace tomograph::correlate
