// Loss: what happens to telemetry between the one who shows it and the one who reads it. An Audience
// before another one. Seeded; common random numbers as everywhere: what is lost of a record depends
// on the record and the seed, not on what was lost before.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/nanotime.h"
#include "simulate/show/records.h"

namespace tomograph::simulate {

struct LossSettings {
  // Whole traces kept with this probability, by trace id; `tell`: they say so (tracestate ot=th).
  double keep_traces = 1;
  bool tell_sampling = true;
  // Of what is left, single records: lost, sent twice, sent late by up to `late_by`.
  double lose_spans = 0, lose_samples = 0, lose_logs = 0;
  double duplicate = 0;
  double late = 0;
  Nanos late_by = 0;
  /// Metrics by name or prefix ending in '*' of which only this share of the points is shown:
  /// withheld measurements. {"postgresql.wal.lag": 0.05}
  std::map<std::string, double> keep_metric;
  /// Services that send no spans / no metrics / nothing.
  std::set<std::string> without_spans, without_metrics, silent;
  /// Per host, what its clock is off by: offset, drift, a step.
  struct Skew {
    Nanos offset = 0;
    double drift_ppm = 0;
    Nanos step = 0, step_at = 0;
  };
  std::map<std::string, Skew> clocks;
  /// Stretches of time in which nothing arrives from a service ("*": from all).
  struct Gap {
    std::string service;
    Nanos from = 0, until = 0;
  };
  std::vector<Gap> gaps;
  /// Attributes that were removed on the way: "trace_id" (then parents too), "user_agent.original".
  std::set<std::string> redact;
};

struct LossCount {
  uint64_t shown = 0, sampled_out = 0, lost = 0, duplicated = 0, delayed = 0, withheld = 0;
};

class Loss : public Audience {
 public:
  /// `next` gets what is left, late records when they are due (Pass). `start`: when the clocks'
  /// drift begins.
  Loss(const LossSettings& settings, uint64_t seed, Nanos start, Audience* next);
  ~Loss() override;
  SenderId Enter(const Sender& sender) override;
  void See(const SpanRecord& span) override;
  void See(const SampleRecord& sample) override;
  void See(const LogRecord& log) override;
  void See(const ChangeRecord& change) override;
  /// Hands on what was late and is due by now.
  void Pass(Nanos now);
  const LossCount& count() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::simulate
