#include "ingest/otlp/record_tally.h"

namespace tomograph::ingest::otlp {

void RecordTally::Commit(telemetry::Format format, telemetry::Signal signal,
                         telemetry::LossLedger* ledger) const {
  if (received_ > 0) ledger->Received(format, signal, received_);
  if (accepted_ > 0) ledger->Accepted(format, signal, accepted_);
  for (size_t r = 0; r < lost_.size(); ++r) {
    if (lost_[r] > 0) ledger->Lost(format, signal, static_cast<telemetry::Reason>(r), lost_[r]);
  }
}

}  // namespace tomograph::ingest::otlp
