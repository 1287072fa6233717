// Picture: everything that is shown, as one immutable value. The engine makes a new one at each
// watermark; publish/ serves it and reports print it. Bounded: estimates and windows reach back
// `history` only, older ones are read from the store.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/accuracy.h"
#include "telemetry/edge.h"
#include "telemetry/entity.h"
#include "telemetry/estimate.h"
#include "telemetry/host_clock.h"
#include "telemetry/hypothesis.h"
#include "telemetry/loss_ledger.h"
#include "telemetry/rebuilt_request.h"
#include "telemetry/window.h"

namespace tomograph::telemetry {

struct ChangeEvent {
  Nanos time = 0;
  std::string kind, id, source, service, version, environment, text;
  EntityId entity = kNoEntity;
};

/// A line on the time axis: one quantity of one entity (or edge), one value a window, NaN: missing.
struct TimeLine {
  EntityId entity = kNoEntity;
  EntityId caller = kNoEntity;
  std::string
      name;  // a QuantityName and, where known, its StatisticName: "call_rate", "latency_p90"
  std::string unit;
  std::vector<double> values;  // aligned with Picture::window_starts
};

/// Lines of entities: records of any kind that came from it (whoever has one now is not silent),
/// and connections that others' flow records show it to be an end of.
inline constexpr std::string_view kRecordRate = "record_rate";
inline constexpr std::string_view kConnectionRate = "connection_rate";

/// What became of asking one target for its metrics.
struct ScrapeState {
  std::string job, instance;
  std::string url;        // without credentials and query
  Nanos last = 0;         // when it was asked last; 0: not yet
  bool up = false;        // the last answer could be read
  std::string error;      // of the last time, for a person; empty: none
  double duration_s = 0;  // of the last time
  uint64_t scrapes = 0;   // so far
  uint64_t failures = 0;  // of these: no answer, not 200, not readable, or not stored
};

/// One quantity of one entity that came in several units, all brought to the quantity's own.
struct MixedUnits {
  EntityId entity = kNoEntity;
  std::string quantity;            // QuantityName
  std::vector<std::string> units;  // as they came, by their text; "": without one
};

struct Picture {
  Nanos now = 0;        // engine time
  Nanos watermark = 0;  // all before it is final
  Nanos window_length = 0;
  size_t windows_to_learn = 0;  // that tell of an entity, before its normal range is known
  Nanos broke_off = 0;          // newest record of a recording, whose last window may be incomplete
  bool live = false;
  bool replaying = false;  // live, and the stored history is not all in it yet
  std::string source;      // "live", or the path of the recording
  double read = 1;         // share of the recording that has been read; below 1 all else is empty
  /// Of a recording's files, what could not be read, for a person: "PATH: why".
  std::vector<std::string> broken_off_files, damaged_files;
  std::vector<Entity> entities;
  std::vector<Edge> edges;
  std::set<EntityId> owner_unknown;  // entities that stand for an address of nobody that was seen
  /// Calls that are in no edge, since it is not known for sure whose the address is that they went
  /// to: by address, the most first. Not all, where these are many.
  std::vector<std::pair<std::string, uint64_t>> unplaced_calls;
  std::vector<Nanos> window_starts;
  std::vector<TimeLine> lines;
  std::vector<Estimate> estimates;           // ordered by state, entity, caller, detail, start
  std::vector<Accuracy> accuracy;            // of each state, then of its entities
  std::vector<HostClock> clocks;             // by host
  std::vector<ClockFinding> clock_findings;  // newest first
  std::vector<HopClock> hop_clocks;          // a row a service, caller's and callee's host
  std::vector<std::shared_ptr<const RebuiltRequest>> requests;  // a few of each kind, newest first
  /// In the `requests` of a picture of the last minute and not in these: can be opened still.
  std::vector<std::shared_ptr<const RebuiltRequest>> requests_before;
  RebuildStats rebuilding;
  ParentStats parents;
  uint64_t orphan_spans = 0;  // of any kind: an id names their parent, and it never came
  /// By how much the times of each service may be off; absent: nothing bounds it.
  std::map<EntityId, Nanos> clock_bounds;
  std::vector<MixedUnits> mixed_units;  // by entity, then quantity
  std::vector<ChangeEvent> changes;
  std::vector<Incident> incidents;  // newest first
  std::vector<LossLedger::Row> loss;
  std::vector<ScrapeState> scrapes;  // in the order of the configuration
  double join_match_rate = 0;        // joined / (joined + orphans) over the history; NaN: no spans
  std::map<std::string, double> self;  // own figures: queue lengths, bytes, rates
};

}  // namespace tomograph::telemetry
