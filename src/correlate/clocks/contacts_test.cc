#include "correlate/clocks/contacts.h"

#include <gtest/gtest.h>

#include <vector>

namespace tomograph::correlate {
namespace {

using telemetry::EntityId;
using telemetry::SpanKind;

constexpr telemetry::TraceId kTrace{1, 2};
constexpr EntityId kCaller{1}, kCallee{2};

OpenSpan Span(uint64_t id, uint64_t parent, SpanKind kind, EntityId host, Nanos start, Nanos end) {
  OpenSpan span;
  span.id = id;
  span.parent = parent;
  span.kind = kind;
  span.host = host;
  span.start = span.raw_start = start;
  span.end = end;
  return span;
}

/// What the callee of a call from 0 to 100 had done last; its span is from 10 to 90.
Nanos WorkedAt(const std::vector<OpenSpan>& below, Nanos* until = nullptr) {
  TraceAssembler traces;
  traces.Add(kTrace, Span(1, 0, SpanKind::kClient, kCaller, 0, 100));
  traces.Add(kTrace, Span(2, 1, SpanKind::kServer, kCallee, 10, 90));
  for (const OpenSpan& span : below) traces.Add(kTrace, span);
  Nanos worked = 0;
  int answers = 0;
  traces.ForEachAnswer(
      0, 1000, true,
      [&](const OpenSpan& call, const OpenSpan& answer, const TraceAssembler::Work& work) {
        ++answers;
        const Contact contact = ContactOf(call, answer, work);
        worked = contact.worked;
        if (until != nullptr) *until = contact.worked_until;
      });
  EXPECT_EQ(answers, 1);
  return worked;
}

TEST(Contacts, TheStartOfTheLastCallOfTheCalleeThatEndedWithinItsSpanIsItsWork) {
  Nanos until = 0;
  EXPECT_EQ(WorkedAt({}), TraceAssembler::kNoWork);
  EXPECT_EQ(WorkedAt({Span(3, 2, SpanKind::kClient, kCallee, 20, 30),
                      Span(4, 2, SpanKind::kClient, kCallee, 40, 50)},
                     &until),
            40);
  EXPECT_EQ(until, 50);
  // One that goes on after the answer was not waited for.
  EXPECT_EQ(WorkedAt({Span(3, 2, SpanKind::kClient, kCallee, 20, 30),
                      Span(4, 2, SpanKind::kClient, kCallee, 40, 95)}),
            20);
  // Not calls: what libraries do, which ends with the span; messages; another clock.
  EXPECT_EQ(WorkedAt({Span(3, 2, SpanKind::kInternal, kCallee, 20, 80),
                      Span(4, 2, SpanKind::kProducer, kCallee, 20, 80),
                      Span(5, 2, SpanKind::kClient, kCaller, 20, 80)}),
            TraceAssembler::kNoWork);
  EXPECT_EQ(WorkedAt({Span(3, 2, SpanKind::kInternal, kCallee, 20, 80),
                      Span(4, 3, SpanKind::kClient, kCallee, 30, 60)}),
            30);
}

TEST(Contacts, SpansThatAreTheirOwnAncestorsEnd) {
  EXPECT_EQ(WorkedAt({Span(3, 4, SpanKind::kInternal, kCallee, 20, 80),
                      Span(4, 3, SpanKind::kInternal, kCallee, 20, 80),
                      Span(5, 3, SpanKind::kClient, kCallee, 30, 60)}),
            TraceAssembler::kNoWork);
}

}  // namespace
}  // namespace tomograph::correlate
