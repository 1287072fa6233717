#include "correlate/rebuild/span_record.h"

#include "base/random.h"

namespace tomograph::correlate {
namespace {

// What two clocks may differ by when nothing is known of them. Hosts whose calls were never joined
// have no clock model, and hosts without time synchronisation are rare.
constexpr Nanos kUnknownClocks = 2 * kMillisecond;

}  // namespace

uint64_t RecordId(telemetry::TraceId trace, uint64_t span, SpanPart part) {
  const uint64_t id =
      MixBits(trace.hi ^ MixBits(trace.lo ^ MixBits(span ^ MixBits(static_cast<uint64_t>(part)))));
  return id == 0 ? 1 : id;
}

telemetry::EntityId HopInto(telemetry::EntityId callee) {
  return telemetry::EntityId{MixBits(static_cast<uint64_t>(callee) ^ 0x686f70ull)};
}

Nanos SlackOf(float clock_bound_s) {
  return clock_bound_s < 0 ? kUnknownClocks / 2 : FromSeconds(clock_bound_s);
}

linking::CallRecord RecordOf(telemetry::TraceId trace, const OpenSpan& span, SpanPart part,
                             telemetry::EntityId callee) {
  linking::CallRecord r;
  r.id = RecordId(trace, span.id, part);
  r.operation = span.operation;
  r.failed = span.failed;
  r.start = span.start;
  r.end = span.end;
  r.outgoing = part == SpanPart::kCall || part == SpanPart::kArrived;
  r.connection = span.connection;
  r.bytes_in = static_cast<uint64_t>(span.bytes_in);
  r.bytes_out = static_cast<uint64_t>(span.bytes_out);
  switch (part) {
    case SpanPart::kReceived:
    case SpanPart::kCall:
      r.service = span.service;
      r.peer = part == SpanPart::kCall ? span.peer : telemetry::kNoEntity;
      r.worker = span.worker;
      break;
    case SpanPart::kSent:
    case SpanPart::kArrived:
      r.service = HopInto(part == SpanPart::kSent ? callee : span.service);
      r.peer = part == SpanPart::kSent ? span.service : telemetry::kNoEntity;
      r.slack = SlackOf(span.clock_bound_s);
      break;
  }
  return r;
}

}  // namespace tomograph::correlate
