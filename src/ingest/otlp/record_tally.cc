#include "ingest/otlp/record_tally.h"

namespace tomograph::ingest::otlp {

using telemetry::Reason;

uint64_t RecordTally::dropped() const {
  uint64_t n = 0;
  for (size_t r = 0; r < lost_.size(); ++r) {
    if (!IsRepair(static_cast<Reason>(r))) n += lost_[r];
  }
  return n;
}

std::string RecordTally::Explain() const {
  std::string out;
  for (size_t r = 0; r < lost_.size(); ++r) {
    const Reason reason = static_cast<Reason>(r);
    if (lost_[r] == 0 || IsRepair(reason)) continue;
    if (!out.empty()) out += ", ";
    out += std::to_string(lost_[r]) + " " + std::string(ReasonName(reason)) + " (" +
           std::string(ReasonSentence(reason)) + ")";
  }
  return out;
}

void RecordTally::Commit(telemetry::Format format, telemetry::Signal signal,
                         telemetry::LossLedger* ledger) const {
  uint64_t received = accepted_;
  for (const uint64_t n : lost_) received += n;
  if (received == 0) return;
  ledger->Received(format, signal, received);
  if (accepted_ > 0) ledger->Accepted(format, signal, accepted_);
  for (size_t r = 0; r < lost_.size(); ++r) {
    if (lost_[r] > 0) ledger->Lost(format, signal, static_cast<Reason>(r), lost_[r]);
  }
}

}  // namespace tomograph::ingest::otlp
