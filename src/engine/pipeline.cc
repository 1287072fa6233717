#include "engine/pipeline.h"

#include <chrono>
#include <future>
#include <thread>
#include <utility>

namespace tomograph::engine {

using telemetry::Batch;

Pipeline::Pipeline(telemetry::Identities* identities, telemetry::LossLedger* ledger,
                   const Clock* clock, store::Store* store, Queue* analysis)
    : identities_(identities),
      ledger_(ledger),
      clock_(clock),
      store_(store),
      analysis_(analysis),
      normalizer_(identities) {}

ingest::DecodeContext Pipeline::Context() const {
  ingest::DecodeContext context;
  context.identities = identities_;
  context.ledger = ledger_;
  context.clock = clock_;
  context.complete_resource = [this](telemetry::Resource* r) { normalizer_.CompleteResource(r); };
  context.complete_series = [this](telemetry::Series* s) { normalizer_.CompleteSeries(s); };
  return context;
}

Status Pipeline::Accept(Batch&& batch, ingest::Receiver::Done done) {
  normalizer_.Normalize(&batch);
  auto shared = std::make_shared<const Batch>(std::move(batch));
  if (store_ == nullptr) {
    if (!analysis_->TryPush(std::move(shared)))
      return Status::Unavailable("the analysis is behind; retry");
    done(Status::Ok());
    return Status::Ok();
  }
  return store_->Append(shared,
                        [this, shared, done = std::move(done)](const Status& status) mutable {
                          if (status.ok()) analysis_->Push(std::move(shared));
                          done(status);
                        });
}

Status Pipeline::AcceptAndWait(Batch&& batch) {
  normalizer_.Normalize(&batch);
  auto shared = std::make_shared<const Batch>(std::move(batch));
  if (store_ == nullptr) {
    if (!analysis_->Push(std::move(shared)))
      return Status::FailedPrecondition("the engine is stopping");
    return Status::Ok();
  }
  constexpr int kAttempts = 1500;  // 30 s of a store that can't take it
  Status status;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto promise = std::make_shared<std::promise<Status>>();
    std::future<Status> durable = promise->get_future();
    const Status queued =
        store_->Append(shared, [promise](const Status& s) { promise->set_value(s); });
    status = queued.ok() ? durable.get() : queued;
    if (status.ok()) {
      analysis_->Push(std::move(shared));
      return status;
    }
    if (!status.retryable()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return status;
}

}  // namespace tomograph::engine
