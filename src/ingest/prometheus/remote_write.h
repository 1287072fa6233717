// Prometheus remote write v1: snappy-compressed protobuf WriteRequest -> samples. Labels of a
// series are parsed once in a process's life (fingerprint of their bytes). Stateless, thread-safe.
//
// Kind and unit come from metadata of the same request. Prometheus sends metadata in requests of
// its own, minutes apart and often after the first samples, when a series is already completed and
// immutable; so kind is otherwise what the suffix says (_total, _bucket, _sum, _count), which needs
// no memory and gives the same series in every run. `_bucket` series stay plain samples: a sender
// shards by series, so the buckets of one histogram need not come in one request. Native histograms
// are not read (kUnsupported).
#pragma once

#include "ingest/decoder.h"

namespace tomograph::ingest::prometheus {

/// kInvalidArgument when it can't be uncompressed or parsed, kResourceExhausted when it says that
/// it is larger than 256 MiB; in both cases nothing is appended and one kMessage is lost.
Status DecodeRemoteWrite(ByteView body, const DecodeContext& context, telemetry::Batch* batch);

}  // namespace tomograph::ingest::prometheus
