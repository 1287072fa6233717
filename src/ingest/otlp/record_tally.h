// RecordTally: what became of the records of one message. It reaches the ledger only when the whole
// message was readable, so that a message counts either as its records or as one lost message.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ingest/tally.h"

namespace tomograph::ingest::otlp {

/// The repairs of one record; the first names it.
class Repairs {
 public:
  void Note(telemetry::Reason reason) {
    if (!first_) first_ = reason;
  }
  std::optional<telemetry::Reason> first() const { return first_; }

 private:
  std::optional<telemetry::Reason> first_;
};

class RecordTally {
 public:
  /// `n` records were found. Each must be counted once more by Keep or Drop.
  void Received(uint64_t n = 1) { received_ += n; }
  void Keep(const Repairs& repairs, uint64_t n = 1) {
    if (repairs.first()) {
      lost_[static_cast<size_t>(*repairs.first())] += n;
    } else {
      accepted_ += n;
    }
  }
  void Drop(telemetry::Reason reason, uint64_t n = 1) { lost_[static_cast<size_t>(reason)] += n; }

  uint64_t dropped() const { return DroppedOf(lost_); }
  std::string Explain() const { return ExplainDrops(lost_); }
  void Commit(telemetry::Format format, telemetry::Signal signal,
              telemetry::LossLedger* ledger) const;

 private:
  uint64_t received_ = 0;
  uint64_t accepted_ = 0;
  Losses lost_{};
};

}  // namespace tomograph::ingest::otlp
