// Loss: what happens to telemetry between the one who shows it and the one who reads it. An
// Audience before another one. Seeded; common random numbers as everywhere: what becomes of a
// record depends on the record and the seed, not on what was lost before. (Two records that are
// equal in sender, ids, time and text have one fate.)
//
// In this order: senders that show nothing, gaps, sampling of traces, withheld points, single
// losses; what is left gets the time of its host's clock, loses what is redacted, and is then
// handed on once or twice, each of them at once or late. Changes come from whoever makes them and
// not from a service: they pass untouched.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/nanotime.h"
#include "simulate/show/records.h"

namespace tomograph::simulate {

struct LossSettings {
  // Whole traces kept with this probability, by trace id as OpenTelemetry's consistent sampling
  // does it (kept if its low 56 bits are at least the rejection threshold, so they must be random);
  // `tell`: the spans say so (tracestate ot=th). Logs are not sampled.
  double keep_traces = 1;
  bool tell_sampling = true;
  // Of what is left, single records: lost, sent twice, sent late by up to `late_by` (uniform).
  double lose_spans = 0, lose_samples = 0, lose_logs = 0;
  double duplicate = 0;
  double late = 0;
  Nanos late_by = 0;
  /// Metrics by name or prefix ending in '*' (the longest that fits wins) of which only this share
  /// of the points is shown: withheld measurements. {"postgresql.wal.lag": 0.05}
  std::map<std::string, double> keep_metric;
  /// Services that send no spans / no metrics / nothing.
  std::set<std::string> without_spans, without_metrics, silent;
  /// Per host, what its clock is off by: offset, drift since `start`, a step at a true time. As
  /// SDKs do it, a span's length is measured by a clock that does not step.
  struct Skew {
    Nanos offset = 0;
    double drift_ppm = 0;
    Nanos step = 0, step_at = 0;
  };
  std::map<std::string, Skew> clocks;
  /// Stretches of true time [from, until) in which nothing arrives from a service ("*": from all).
  struct Gap {
    std::string service;
    Nanos from = 0, until = 0;
  };
  std::vector<Gap> gaps;
  /// Attributes that were removed on the way, from senders, spans, samples and logs, by their names
  /// ("host.name", "user_agent.original"; "server.address" takes a span's whole peer). "trace_id":
  /// each span gets a trace id of its own and no parent, since OTLP has no span without; logs lose
  /// both ids.
  std::set<std::string> redact;
};

/// Each record that was shown is at most one of sampled_out, lost, withheld; `shown` minus these
/// plus `duplicated` was handed on, or is still late. `lost` counts gaps too, `withheld` senders
/// that show nothing.
struct LossCount {
  uint64_t shown = 0, sampled_out = 0, lost = 0, duplicated = 0, delayed = 0, withheld = 0;
};

class Loss : public Audience {
 public:
  /// `next` gets what is left, late records when they are due (Pass); the tracestate in them lives
  /// as long as this. `start`: when the clocks' drift begins.
  Loss(const LossSettings& settings, uint64_t seed, Nanos start, Audience* next);
  ~Loss() override;
  SenderId Enter(const Sender& sender) override;
  void See(const SpanRecord& span) override;
  void See(const SampleRecord& sample) override;
  void See(const LogRecord& log) override;
  void See(const ChangeRecord& change) override;
  /// Hands on what was late and is due by now, in the order in which it is due.
  void Pass(Nanos now);
  const LossCount& count() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::simulate
