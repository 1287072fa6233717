// Evidence: from an EvidenceId (telemetry/estimate.h) back to what it points at. Traces and logs
// are raw records of the store; windows and series are numbers of the Picture, a series with a few
// raw requests behind it (example_traces.h); changes are in either.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "publish/json.h"
#include "store/store.h"
#include "telemetry/identities.h"

namespace tomograph::publish {

/// Raw records in one answer; more are cut off, and the answer says so.
inline constexpr size_t kMaxEvidenceRecords = 500;

inline constexpr std::string_view kNoStore =
    "raw records are not kept here: this picture was made without a store";
/// Why raw records may be lacking that were kept; empty: they are all there.
std::string WhatIsUnreadable(const store::Store* store);

/// {"id", "kind", "text", and "spans" | "logs" | "change" | "lines" and "estimates" or
/// "traces"}. "missing": why raw records that belong to the answer are not in it.
/// kInvalidArgument: not an evidence id; kNotFound: nothing is there (any more), with the reason.
/// `store` and `identities` may be null. May scan the store: not for I/O threads when it does.
Result<Json> ResolveEvidence(std::string_view id, const telemetry::Picture& picture,
                             store::Store* store, const telemetry::Identities* identities);

}  // namespace tomograph::publish
