// Figures: the few numbers that a map or a table shows of an entity or edge, read from the newest
// window: an estimate where a model gives one (with its interval), else the observed line, else
// missing. Exports come less often than windows close (a scrape each 15 s, say), so where the
// newest window says nothing of a line, its newest value speaks for as long as the line is used to
// pause.
#pragma once

#include <cmath>
#include <map>

#include "telemetry/picture.h"

namespace tomograph::publish {

struct Figure {
  double value = std::nan("");
  telemetry::Interval i90{std::nan(""), std::nan("")};
  telemetry::Basis basis = telemetry::Basis::kMissing;
  bool has_interval() const { return !std::isnan(i90.lower) && !std::isnan(i90.upper); }
};

struct Figures {
  Figure call_rate;    // 1/s
  Figure error_ratio;  // failed share, 0..1
  Figure latency_p50;  // s
  Figure latency_p99;  // s
  Figure in_flight;
  Figure queue_depth;
  Figure replica_lag;  // s; of replicas alone
  Figure record_rate;  // 1/s: spans, points and logs that it sent
  bool silent = true;  // nothing came of it, and nobody told of it, in the newest window
  // Sends nothing itself, as databases and third parties do; its callers tell of it, or of a queue
  // those that take from it (edges' figures).
  bool only_callers = false;
  // Tells calls, failures or latency, one of which is enough for a normal range.
  bool judged = false;
  // In how many windows of the history it told these.
  size_t windows_told = 0;
  // Enough of them: what is in its normal range may be said to be.
  bool normal_known = false;
  // At least half of its calls fail now, whatever is normal here.
  bool failing = false;
};

/// Is it a place of its own on a map and in a table? Instances, pods and hosts are parts of one:
/// their telemetry counts for the service, and alone they would only seem silent.
bool IsPlace(telemetry::EntityKind kind);

/// Is it expected to send telemetry of its own? A queue, database, cache, third party or client is
/// known by what those tell who call it or are called by it: its own silence says nothing.
bool SendsItself(telemetry::EntityKind kind);

/// Start of the newest window that is whole, which is what the figures are of: a recording may
/// break off in the middle of its last one. 0: there is none.
Nanos NewestWholeWindow(const telemetry::Picture& picture);

class FigureTable {
 public:
  explicit FigureTable(const telemetry::Picture& picture);
  /// Of the window that holds `at`, which the Picture's history must reach.
  FigureTable(const telemetry::Picture& picture, Nanos at);
  /// All missing for a key that the Picture says nothing of.
  const Figures& Of(telemetry::WindowKey key) const;

 private:
  void Fill(const telemetry::Picture& picture, size_t window);
  void CountTold(const telemetry::Picture& picture, size_t window);
  void MarkSeenByCallers(const telemetry::Picture& picture);
  void MarkSeenInFlows(const telemetry::Picture& picture, size_t window);

  std::map<telemetry::WindowKey, Figures> figures_;
  Figures none_;
};

/// The incident that a page or report is about: the newest open one; in a recording, else the
/// newest of all. Null when there is none.
const telemetry::Incident* FocusIncident(const telemetry::Picture& picture);

}  // namespace tomograph::publish
