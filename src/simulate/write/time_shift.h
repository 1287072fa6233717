// TimeShift: the same records and truth at another time, so that a run is live: all times that are
// said, starts of counters too, move by one amount. Before the writer; what is simulated knows
// nothing of it.
#pragma once

#include "base/nanotime.h"
#include "simulate/show/records.h"
#include "simulate/system/truth_log.h"

namespace tomograph::simulate {

class TimeShift : public Audience, public TruthLog {
 public:
  /// `truth` may be null: then nobody hears it. Both outlive this.
  TimeShift(Nanos by, Audience* next, TruthLog* truth) : by_(by), next_(next), truth_(truth) {}
  SenderId Enter(const Sender& sender) override;
  void See(const SpanRecord& span) override;
  void See(const SampleRecord& sample) override;
  void See(const LogRecord& log) override;
  void See(const ChangeRecord& change) override;
  void Say(const TruthRow& row) override;

 private:
  const Nanos by_;
  Audience* const next_;
  TruthLog* const truth_;
};

}  // namespace tomograph::simulate
