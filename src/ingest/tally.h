// Tally: what became of the records of one message, counted locally and put into the ledger in one
// go. So a message that turns out to be broken can be counted as one lost message and nothing else,
// and hot loops touch no shared counter. Not thread-safe.
//
// A record is counted as received where it is found, and as kept or lost where that is decided: the
// ledger's sums are a check of the decoder, and fail when it forgets one.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "telemetry/loss_ledger.h"

namespace tomograph::ingest {

/// By reason.
using Losses = std::array<uint64_t, telemetry::kReasonCount>;
/// Without the repairs.
uint64_t DroppedOf(const Losses& losses);
/// "2 missing_id (a span without ...), 1 bad_time (...)"; empty when nothing was dropped.
std::string ExplainDrops(const Losses& losses);

class Tally {
 public:
  Tally(telemetry::LossLedger* ledger, telemetry::Format format, telemetry::Signal signal)
      : ledger_(ledger), format_(format), signal_(signal) {}

  /// `n` records were found. Each must be counted once more by Keep or Lose.
  void Received(uint64_t n = 1) { received_ += n; }
  void Keep(uint64_t n = 1) { kept_ += n; }
  /// A drop, or a repair of a record that is kept. Never beside Keep for the same record.
  void Lose(telemetry::Reason reason, uint64_t n = 1) { lost_[static_cast<size_t>(reason)] += n; }

  uint64_t received() const { return received_; }
  /// Since the last Commit.
  const Losses& lost() const { return lost_; }
  /// Moves the counts to the ledger.
  void Commit() {
    for (size_t r = 0; r < lost_.size(); ++r) {
      if (lost_[r] == 0) continue;
      ledger_->Lost(format_, signal_, static_cast<telemetry::Reason>(r), lost_[r]);
    }
    if (received_ > 0) ledger_->Received(format_, signal_, received_);
    if (kept_ > 0) ledger_->Accepted(format_, signal_, kept_);
    received_ = kept_ = 0;
    lost_.fill(0);
  }

 private:
  telemetry::LossLedger* ledger_;
  telemetry::Format format_;
  telemetry::Signal signal_;
  uint64_t received_ = 0;
  uint64_t kept_ = 0;
  Losses lost_{};
};

/// A whole request, line or document that could not be read.
inline void CountLostMessage(telemetry::LossLedger* ledger, telemetry::Format format,
                             telemetry::Reason reason) {
  ledger->Received(format, telemetry::Signal::kMessage);
  ledger->Lost(format, telemetry::Signal::kMessage, reason);
}

}  // namespace tomograph::ingest
