// Prometheus remote write v1: snappy-compressed protobuf WriteRequest -> samples. Labels of a
// series are parsed once in a process's life (fingerprint of their bytes). Stateless, thread-safe.
//
// Kind and unit come from metadata of the same request. Prometheus sends metadata in requests of
// its own, minutes apart and often after the first samples, when a series is already completed and
// immutable; so kind is otherwise what the suffix says (_total, _bucket, _sum, _count), which needs
// no memory and gives the same series in every run. `_bucket` series stay plain samples: a sender
// shards by series, so the buckets of one histogram need not come in one request. Native histograms
// are not read (kUnsupported).
//
// A request holds at most a million samples (Prometheus sends a few thousand), so that none keeps a
// thread or memory for long: 11 MB of snappy can hold 13 million. Metadata beyond a hundred
// thousand families are not looked at.
#pragma once

#include "ingest/decoder.h"
#include "net/body_budget.h"

namespace tomograph::ingest::prometheus {

/// `share` is what `body` takes of the budget, and grows to cover its plain bytes, too. In each of
/// these cases nothing is appended and one kMessage is lost: kInvalidArgument when it can't be
/// uncompressed or parsed; kResourceExhausted when its plain bytes or samples are above the limit;
/// kUnavailable when the budget has no room for them now. kInvalidArgument also, sample by sample
/// in the ledger, when nothing of it can be kept for a fault of the sender's: sending it again
/// would change nothing. (NaN of a summary without observations is legal and no fault.)
Status DecodeRemoteWrite(ByteView body, const DecodeContext& context, net::BodyShare* share,
                         telemetry::Batch* batch);

}  // namespace tomograph::ingest::prometheus
