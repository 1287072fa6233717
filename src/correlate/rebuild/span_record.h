// Spans as the request linker's records. A span may play two parts: within its service (a received
// request causes calls), and on the hop between two services, where the caller's span is what the
// callee's span must lie within. A hop is a place of its own to the linker, one per callee.
#pragma once

#include "correlate/linking/call_record.h"
#include "correlate/requests/trace_assembler.h"

namespace tomograph::correlate {

enum class SpanPart : uint8_t {
  kReceived,  // within the service: the request
  kCall,      // within the service: its call
  kSent,      // on the hop: the caller's side
  kArrived,   // on the hop: the callee's side
};

/// Never 0. The same span in the same part always has the same.
uint64_t RecordId(telemetry::TraceId trace, uint64_t span, SpanPart part);

/// The place that stands for the hop into `callee`.
telemetry::EntityId HopInto(telemetry::EntityId callee);

/// What the times of a span may be off by against those of another host's, as far as that is known.
Nanos SlackOf(float clock_bound_s);

/// For kSent, `service` of the record is the hop; all else is the span's own.
linking::CallRecord RecordOf(telemetry::TraceId trace, const OpenSpan& span, SpanPart part,
                             telemetry::EntityId callee = telemetry::kNoEntity);

}  // namespace tomograph::correlate
