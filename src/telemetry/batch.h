// Batch: the only thing that is handed between the write stages. Structs of arrays: every vector of
// a table has one entry a row. A Batch is built by one decoder, completed by normalize/, and
// immutable (shared_ptr<const Batch>) from then on.
//
// Times are nanoseconds since the epoch as the sender's clock said ("raw"). The corrected time and
// the hard bound of its error are columns beside them, never instead of them; until a clock model
// speaks, corrected = raw and the bound is kUnknownBound.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/attributes.h"
#include "telemetry/entity.h"
#include "telemetry/interner.h"
#include "telemetry/loss_ledger.h"
#include "telemetry/resource.h"
#include "telemetry/series.h"

namespace tomograph::telemetry {

inline constexpr Nanos kUnknownBound = -1;

struct TraceId {
  uint64_t hi = 0;
  uint64_t lo = 0;
  bool operator==(const TraceId&) const = default;
  bool operator<(const TraceId& o) const { return hi != o.hi ? hi < o.hi : lo < o.lo; }
  bool empty() const { return (hi | lo) == 0; }
};
std::string ToHex(TraceId id);         // 32 lower-case digits
std::string SpanIdToHex(uint64_t id);  // 16 lower-case digits
bool ParseTraceId(std::string_view hex, TraceId* id);
bool ParseSpanId(std::string_view hex, uint64_t* id);

enum class SpanKind : uint8_t { kUnspecified, kInternal, kServer, kClient, kProducer, kConsumer };
enum class SpanStatus : uint8_t { kUnset, kOk, kError };
enum class Severity : uint8_t {
  kUnknown = 0,
  kTrace = 1,
  kDebug = 5,
  kInfo = 9,
  kWarn = 13,
  kError = 17,
  kFatal = 21
};

/// The operation of a span that takes a connection, from a pool or a new one, and asks nothing of
/// who is at its other end: the time in which a request waits until one is free.
inline constexpr std::string_view kTakeConnection = "(take connection)";

struct SpanBatch {
  // Filled by the decoder.
  std::vector<TraceId> trace_id;
  std::vector<uint64_t> span_id;
  std::vector<uint64_t> parent_span_id;  // 0: a root
  std::vector<Nanos> start_ns;
  std::vector<Nanos> end_ns;  // >= start_ns (a decoder repairs the rest)
  std::vector<SpanKind> kind;
  std::vector<SpanStatus> status;
  std::vector<ResourceId> resource;
  std::vector<StringId> name;
  std::vector<StringId> trace_state;  // W3C tracestate, usually empty
  AttributeTable attributes;

  // Filled by normalize/.
  std::vector<Nanos> corrected_start_ns;
  std::vector<Nanos> clock_bound_ns;
  std::vector<StringId> operation;  // low-cardinality: route, rpc method, db operation, else the
                                    // name; kTakeConnection
  std::vector<EntityId> service;    // whose span it is
  std::vector<EntityId> peer;  // callee as the caller names it, or the queue of a consumer span
  std::vector<StringId> peer_address;    // "host:port" that a client or producer span called, else
                                         // empty: joined spans teach who answers there
  std::vector<EntityId> own_address;     // server spans: the AddressKey that they were called at,
                                         // else kNoEntity
  std::vector<EntityId> caller_address;  // likewise: the HomeKey of who called
  // Evidence for joins without ids; 0: not known.
  std::vector<uint32_t> connection;  // the caller's port, which both sides see
  std::vector<uint32_t> worker;      // the process and thread that did it
  std::vector<float> bytes_in;       // of the request's body
  std::vector<float> bytes_out;      // of the answer's body
  std::vector<uint8_t> failed;  // 1: counts as an error of the service (5xx, rpc error, status)
  std::vector<float> weight;    // 1 / sampling probability; 1 when nothing is known of sampling
  std::vector<uint8_t> weight_known;  // 1: the sender said how it samples (tracestate ot=th)

  // Span events (exceptions, mostly) and links, each with the row of its span.
  struct Events {
    std::vector<uint32_t> span;
    std::vector<Nanos> time_ns;
    std::vector<StringId> name;
    AttributeTable attributes;
  } events;
  struct Links {
    std::vector<uint32_t> span;
    std::vector<TraceId> trace_id;
    std::vector<uint64_t> span_id;
  } links;

  size_t rows() const { return span_id.size(); }
};

/// Number samples; a summary's quantiles arrive here too, as series with a `quantile` label.
struct SampleBatch {
  std::vector<SeriesId> series;
  std::vector<Nanos> time_ns;
  std::vector<Nanos> start_ns;  // of a cumulative or delta value; 0 when not given
  std::vector<double> value;    // as sent; Series::scale brings it to base units. NaN: stale marker

  // Histogram points, exponential ones already spelled out as explicit bounds.
  struct Histograms {
    std::vector<SeriesId> series;
    std::vector<Nanos> time_ns;
    std::vector<Nanos> start_ns;
    std::vector<uint64_t> count;
    std::vector<double> sum;       // NaN when not given
    std::vector<double> min, max;  // NaN when not given
    std::vector<uint32_t>
        bucket_end;  // row i owns the buckets between bucket_end[i-1] and bucket_end[i]
    std::vector<double> upper_bound;  // inclusive; the last of a row is +inf
    std::vector<uint64_t> bucket_count;
    size_t rows() const { return series.size(); }
  } histograms;

  size_t rows() const { return series.size(); }
};

struct LogBatch {
  std::vector<Nanos> time_ns;  // 0 never: falls back to the observed time
  std::vector<Nanos> observed_ns;
  std::vector<Nanos> corrected_ns;    // by normalize/
  std::vector<Nanos> clock_bound_ns;  // by normalize/
  std::vector<Severity> severity;
  std::vector<ResourceId> resource;
  std::vector<TraceId> trace_id;
  std::vector<uint64_t> span_id;
  std::vector<StringId> event_name;
  std::vector<uint64_t> body_end;  // row i owns the bytes between body_end[i-1] and body_end[i]
  std::string bodies;
  AttributeTable attributes;

  size_t rows() const { return time_ns.size(); }
  std::string_view body(size_t row) const {
    const uint64_t from = row == 0 ? 0 : body_end[row - 1];
    return std::string_view(bodies).substr(from, body_end[row] - from);
  }
};

struct FlowBatch {
  std::vector<Nanos> start_ns;
  std::vector<Nanos> end_ns;
  std::vector<ResourceId> resource;  // the exporter
  std::vector<StringId> source_address;
  std::vector<StringId> destination_address;
  std::vector<uint16_t> source_port;
  std::vector<uint16_t> destination_port;
  std::vector<uint8_t> protocol;  // IANA number
  std::vector<uint64_t> bytes;
  std::vector<uint64_t> packets;
  std::vector<float> weight;  // 1 / sampling probability
  size_t rows() const { return start_ns.size(); }
};

enum class ChangeKind : uint8_t {
  kDeploy,
  kRollback,
  kRemove,
  kConfig,
  kFlag,
  kPipeline,
  kScale,
  kOther
};
std::string_view ChangeKindName(ChangeKind kind);

/// Things that people or machines did to the system: deploys, flags, configuration.
struct EventBatch {
  std::vector<Nanos> time_ns;
  std::vector<ChangeKind> kind;
  std::vector<StringId> id;  // the sender's id; with `source` it makes a repeat recognisable
  std::vector<StringId> source;
  std::vector<StringId> service;  // what was changed, as the sender names it; may be empty
  std::vector<StringId> environment;
  std::vector<StringId> version;  // artifact or version after the change
  std::vector<EntityId> entity;   // by normalize/: kNoEntity when it names nothing known
  AttributeTable attributes;      // the rest; "text" holds a sentence where there is one
  size_t rows() const { return time_ns.size(); }
};

/// Where a batch came from.
struct Origin {
  Format format = Format::kOtlpHttp;
  StringId peer = kEmptyString;  // address or file
  Nanos received_ns = 0;         // engine time
};

struct Batch {
  Origin origin;
  SpanBatch spans;
  SampleBatch samples;
  LogBatch logs;
  FlowBatch flows;
  EventBatch events;

  size_t rows() const {
    return spans.rows() + samples.rows() + samples.histograms.rows() + logs.rows() + flows.rows() +
           events.rows();
  }
};

/// About what the batch takes in memory, in bytes: for the limits of queues.
size_t SizeOf(const Batch& batch);

}  // namespace tomograph::telemetry
