// Tally: what became of the records of one message, counted locally and put into the ledger in one
// go. So a message that turns out to be broken can be counted as one lost message and nothing else,
// and hot loops touch no shared counter. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>

#include "telemetry/loss_ledger.h"

namespace tomograph::ingest {

class Tally {
 public:
  Tally(telemetry::LossLedger* ledger, telemetry::Format format, telemetry::Signal signal)
      : ledger_(ledger), format_(format), signal_(signal) {}

  void Keep(uint64_t n = 1) { kept_ += n; }
  /// A drop, or a repair of a record that is kept. Never beside Keep for the same record.
  void Lose(telemetry::Reason reason, uint64_t n = 1) { lost_[static_cast<size_t>(reason)] += n; }
  void Discard() {
    kept_ = 0;
    lost_.fill(0);
  }
  /// Moves the counts to the ledger.
  void Commit() {
    uint64_t received = kept_;
    for (size_t r = 0; r < lost_.size(); ++r) {
      if (lost_[r] == 0) continue;
      received += lost_[r];
      ledger_->Lost(format_, signal_, static_cast<telemetry::Reason>(r), lost_[r]);
    }
    if (received > 0) ledger_->Received(format_, signal_, received);
    if (kept_ > 0) ledger_->Accepted(format_, signal_, kept_);
    Discard();
  }

 private:
  telemetry::LossLedger* ledger_;
  telemetry::Format format_;
  telemetry::Signal signal_;
  uint64_t kept_ = 0;
  std::array<uint64_t, telemetry::kReasonCount> lost_{};
};

/// A whole request, line or document that could not be read.
inline void CountLostMessage(telemetry::LossLedger* ledger, telemetry::Format format,
                             telemetry::Reason reason) {
  ledger->Received(format, telemetry::Signal::kMessage);
  ledger->Lost(format, telemetry::Signal::kMessage, reason);
}

}  // namespace tomograph::ingest
