// Example traces: the raw requests behind a series. Of the interval in which something was ill, the
// requests that failed or took longest, as evidence ids that open.
#pragma once

#include <string_view>

#include "base/nanotime.h"
#include "base/status.h"
#include "publish/json.h"
#include "store/store.h"

namespace tomograph::publish {

inline constexpr size_t kMostExamples = 5;
/// Spans that are looked at for them, from the start of the interval on: the slowest are those of
/// that many, and a busy service costs no more than that.
inline constexpr size_t kMostLookedAt = 20'000;

/// [{"evidence": "trace:…", "service_name", "name", "start_ms", "duration_ms", "failed"}], at most
/// one of a trace. Of `quantity` "client_…" they are its callers' calls, else requests that it
/// served, and its callers' calls only where it tells of none. Of shares of failures the failed
/// come first, else the slowest. Empty when no span of them is kept. Scans the store.
Result<Json> ExampleTraces(telemetry::EntityId entity, std::string_view quantity, TimeRange range,
                           const telemetry::Picture& picture, store::Store* store,
                           const telemetry::Identities& identities);

}  // namespace tomograph::publish
