// A store for the tests of this folder.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/store.h"

namespace tomograph::publish {

/// A store that holds the batches it was made with.
class FakeStore : public store::Store {
 public:
  Status Append(std::shared_ptr<const telemetry::Batch>, Durable) override { return Status::Ok(); }
  Status Scan(telemetry::Signal, const store::ScanFilter& filter,
              const std::function<bool(const telemetry::Batch&)>& visit) override {
    last_filter = filter;
    if (!fails.ok()) return fails;
    for (const telemetry::Batch& batch : batches) {
      if (!visit(batch)) break;
    }
    return Status::Ok();
  }
  Status PutEstimates(const std::vector<telemetry::Estimate>&) override { return Status::Ok(); }
  Result<std::vector<telemetry::Estimate>> Estimates(TimeRange, const std::string&) override {
    return std::vector<telemetry::Estimate>{};
  }
  Status PutIncident(const telemetry::Incident&) override { return Status::Ok(); }
  Result<std::vector<telemetry::Incident>> Incidents(TimeRange) override {
    return std::vector<telemetry::Incident>{};
  }
  Status Maintain(Nanos) override { return Status::Ok(); }
  store::StoreStats stats() const override { return current; }
  Status Close() override { return Status::Ok(); }

  std::vector<telemetry::Batch> batches;
  store::ScanFilter last_filter;
  Status fails;
  store::StoreStats current;
};

}  // namespace tomograph::publish
