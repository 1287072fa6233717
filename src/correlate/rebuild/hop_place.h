// What HopClocks keeps of one service that is called, and what it tells.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "correlate/linking/call_record.h"
#include "correlate/rebuild/followed_offset.h"

namespace tomograph::correlate {

struct HopSinks {
  /// A caller's side, moved.
  std::function<void(const linking::CallRecord&)> sent;
  /// A callee's side, moved. `all_sent`: whoever may have sent it is told of.
  std::function<void(const linking::CallRecord&, bool all_sent)> placed;
  /// A callee's side of which nothing can be told.
  std::function<void(uint64_t id)> unknown;
};

/// How far a clock is ahead of the time that all are put on.
struct ClockPosition {
  bool known = false;
  Nanos at = 0;
  double offset = 0, drift = 0;
  void MoveTo(Nanos to);
};

/// A host of callers.
struct HopCaller {
  int band = 0;
  // By callee's host, log odds that it does not belong to its band (Page's statistic).
  std::map<telemetry::EntityId, double> doubts;
  Nanos seen = 0;
};

/// Hosts of callers whose clocks agree.
struct CallerBand {
  ClockPosition position;
  bool apart = false;                                     // its clock was found to differ
  std::map<telemetry::EntityId, FollowedOffset> offsets;  // by callee's host
};

/// Both sides' records of one slot.
struct SlotRecords {
  std::map<telemetry::EntityId, std::vector<linking::CallRecord>> sent, received;  // by host
};

/// One service that is called.
struct HopPlace {
  static constexpr Nanos kFarthest = 2 * FollowedOffset::kReach;  // that a record is moved

  struct SentCall {
    Nanos start, end;
    telemetry::EntityId host;
  };
  telemetry::EntityId service = telemetry::kNoEntity;  // that is called; records name the hop
  std::vector<SentCall> sent;                          // the last ones
  std::map<telemetry::EntityId, HopCaller> callers;
  std::map<int, CallerBand> bands;
  std::map<Nanos, SlotRecords> slots;
};

}  // namespace tomograph::correlate
