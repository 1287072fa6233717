// Normalizer: one canonical form for every source. Completes resources and series on first sight
// (the hooks of ingest's DecodeContext) and then each batch: old semantic conventions to today's,
// operation, peer, failure, sampling weight, entity, corrected time. Thread-safe.
#pragma once

#include "telemetry/batch.h"
#include "telemetry/identities.h"

namespace tomograph::normalize {

class Normalizer {
 public:
  /// `identities` outlives it.
  explicit Normalizer(telemetry::Identities* identities);
  ~Normalizer();

  /// service.name with its fall-backs (see schema/service_name.h), instance, version, environment,
  /// host and the entities of service and instance.
  void CompleteResource(telemetry::Resource* resource) const;
  /// What the series measures (see schema/metric_meaning.h), whose it is, and its scale to base
  /// units.
  void CompleteSeries(telemetry::Series* series) const;
  /// Fills the columns that batch.h marks "by normalize/", and spells the addresses of flows alike
  /// (telemetry/address.h). Call once a batch.
  void Normalize(telemetry::Batch* batch) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::normalize
