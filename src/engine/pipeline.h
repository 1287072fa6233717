// Pipeline: the write side of the engine, and the hand-over to the read side. A decoded batch is
// normalised on the caller's thread, appended to the store, and given to the analysis once it is
// durable.
//
//   decode (I/O threads) -> Normalize -> store (its thread, group commit) -> queue -> analysis (one
//   thread)
//
// Back-pressure: a full analysis queue holds up the store's thread, whose queue then fills,
// whereupon Accept refuses and senders are told to retry.
#pragma once

#include <functional>
#include <memory>

#include "base/bounded_queue.h"
#include "ingest/decoder.h"
#include "ingest/receiver.h"
#include "normalize/normalizer.h"
#include "store/store.h"
#include "telemetry/batch.h"
#include "telemetry/identities.h"
#include "telemetry/loss_ledger.h"

namespace tomograph::engine {

class Pipeline {
 public:
  using Queue = BoundedQueue<std::shared_ptr<const telemetry::Batch>>;

  /// `store` may be null: batches then go to the analysis at once. All arguments outlive the
  /// pipeline.
  Pipeline(telemetry::Identities* identities, telemetry::LossLedger* ledger, const Clock* clock,
           store::Store* store, Queue* analysis);

  void Normalize(telemetry::Batch* batch) const { normalizer_.Normalize(batch); }
  /// For every decoder of this engine.
  ingest::DecodeContext Context() const;
  /// Thread-safe; see ingest::Receiver::Accept.
  Status Accept(telemetry::Batch&& batch, ingest::Receiver::Done done);
  /// As Accept, but waits for room (up to 30 s) and for the commit: for recordings and scrapes.
  Status AcceptAndWait(telemetry::Batch&& batch);

 private:
  telemetry::Identities* identities_;
  telemetry::LossLedger* ledger_;
  const Clock* clock_;
  store::Store* store_;
  Queue* analysis_;
  normalize::Normalizer normalizer_;
};

}  // namespace tomograph::engine
