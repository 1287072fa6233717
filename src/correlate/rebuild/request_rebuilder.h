// RequestRebuilder: requests as trees, whatever of their joins ids tell and whatever has to be
// inferred (docs/models/requests.md). Fed with traces as they leave the assembler, when all of them
// that will come has come.
//
//   leaving traces -> records, where joins are missing -> RequestLinker -> joins -> trees ->
//   gallery
//
// Two linkers: the hops between services, and what is within them. A request whose hop is to be
// inferred reaches the second when the first has told who sent it: requests that meet at a service
// are known by that. All joins within services wait for the latest of these.
//
// Ids are facts: a span that names a parent is never joined to another one. A span without one that
// links to others hangs below the first of them that is here (a batch comes of several, and is
// shown once); if none is, it is a request of its own whose cause is not in it. If that parent
// never came, a lost span stands in for it (lost_spans.h). Only spans that name no parent are
// joined by inference, and only where joins are missing (missing_joins.h); "nobody" is one of the
// answers.
// Elsewhere such a span is a root, unless a call that nobody knows the callee of may have been it
// (open_calls.h).
//
// The same traces give the same answer, however they are chunked. Memory is bounded by the options;
// what they refuse is counted. With complete ids it costs one pass over each trace. Not
// thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

#include "correlate/linking/request_linker.h"
#include "correlate/rebuild/missing_joins.h"
#include "correlate/rebuild/open_calls.h"
#include "correlate/rebuild/request_gallery.h"
#include "correlate/requests/link_book.h"
#include "correlate/requests/trace_assembler.h"
#include "correlate/topology/call_placer.h"
#include "telemetry/host_clock.h"
#include "telemetry/interner.h"
#include "telemetry/rebuilt_request.h"

namespace tomograph::correlate {

struct RebuilderOptions {
  linking::LinkerOptions linker;
  size_t max_waiting_spans = 400'000;
  size_t max_waiting_links = 400'000;
  size_t max_kept = 200;  // requests to look at
  RebuilderOptions();
};

/// Calls between two services that were joined by inference.
struct InferredEdge {
  telemetry::EntityId caller = telemetry::kNoEntity;
  telemetry::EntityId callee = telemetry::kNoEntity;
  telemetry::EntityId address = telemetry::kNoEntity;  // that the caller named, if it was one
  Nanos time = 0;
  double posterior = 0;
};

/// A received request without ids, of which inference tells neither who sent it nor that nobody
/// did: not asked, or not answered.
struct UntoldRequest {
  telemetry::EntityId service = telemetry::kNoEntity;
  Nanos time = 0;
};

class RequestRebuilder {
 public:
  using JoinSink = std::function<void(const telemetry::InferredJoin&)>;

  /// `strings` outlives it.
  RequestRebuilder(const RebuilderOptions& options, const telemetry::Interner* strings);
  ~RequestRebuilder();

  /// Every inferred join, as it is decided.
  void OnJoin(JoinSink sink);
  using Servers = std::unordered_set<telemetry::EntityId>;

  /// One of the traces that leave with a window. `servers`: who has ever sent spans of servers.
  /// That and `placer` outlive it.
  void Take(const LeavingTrace& trace, const MissingJoins& missing, const OpenCalls& open,
            const CallPlacer& placer, const LinkBook& links, const Servers& servers);
  /// All spans that ended before `until` have been taken.
  void Advance(Nanos until);
  /// No more traces will come.
  void Finish();

  /// Those decided since the last call.
  std::vector<InferredEdge> TakeEdges();
  std::vector<UntoldRequest> TakeUntold();
  /// Newest first.
  std::vector<RequestGallery::Kept> Recent() const;
  telemetry::RebuildStats stats() const;
  /// Of all received requests that were taken.
  telemetry::ParentStats parents() const;
  /// What is held of clocks between which no id joins calls (HopClocks::Told).
  std::vector<telemetry::HopClock> HopClocksTold() const;
  size_t bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::correlate
